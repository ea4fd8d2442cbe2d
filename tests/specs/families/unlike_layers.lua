-- The layers differ: even ones have a wide MLP, odd ones a narrow one, added in the other order.
family {
  name = "unlike_layers", model_type = "unlike_layers",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    for i = 0, m.layers - 1 do
      local w = tensors("layers.%d.", i)
      local h = rmsnorm(x, w "norm")
      local q = rope(linear(h, w "q", m.heads * m.head_dim))
      local k = rope(linear(h, w "k", m.kv_heads * m.head_dim))
      local v = linear(h, w "v", m.kv_heads * m.head_dim)
      x = linear(attention(q, k, v), w "o", m.hidden) + x
      h = rmsnorm(x, w "mlp_norm")
      local width = i % 2 == 0 and m.mlp or m.mlp // 2
      local gate, up = linear(h, w "gate", width), linear(h, w "up", width)
      x = linear(up * silu(gate), w "down", m.hidden) + x
    end
    return logits(rmsnorm(x, "final_norm"), "head")
  end,
}
