-- Two MLPs a layer: the same bodies read residuals that others have written.
family {
  name = "two_mlps", model_type = "two_mlps",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    for i = 0, m.layers - 1 do
      local w = tensors("layers.%d.", i)
      local h = rmsnorm(x, w "norm")
      local q = rope(linear(h, w "q", m.heads * m.head_dim))
      local k = rope(linear(h, w "k", m.kv_heads * m.head_dim))
      local v = linear(h, w "v", m.kv_heads * m.head_dim)
      x = x + linear(attention(q, k, v), w "o", m.hidden)
      h = rmsnorm(x, w "norm_1")
      x = x + linear(silu(linear(h, w "gate_1", m.mlp)) * linear(h, w "up_1", m.mlp), w "down_1", m.hidden)
      h = rmsnorm(x, w "norm_2")
      local gate = silu(linear(h, w "gate_2", m.mlp))
      x = x + linear(gate * linear(h, w "up_2", m.mlp), w "down_2", m.hidden)
    end
    return logits(rmsnorm(x, "final_norm"), "head")
  end,
}
