-- Attention and MLP side by side, each normed behind, so that every CU keeps the whole residual.
family {
  name = "parallel_normed", model_type = "parallel_normed",
  graph = function(m)
    local q_rows, kv_rows = m.heads * m.head_dim, m.kv_heads * m.head_dim
    local x = embed(m.vocab, m.hidden, "embed.weight")
    for layer = 0, m.layers - 1 do
      local w = tensors("layers.%d.", layer)
      local normed = rmsnorm(x, w "norm.weight")
      local attended = attention(linear(normed, w "q.weight", q_rows),
        linear(normed, w "k.weight", kv_rows), linear(normed, w "v.weight", kv_rows))
      local gated = silu(linear(normed, w "gate.weight", m.mlp)) * linear(normed, w "up.weight", m.mlp)
      x = x + rmsnorm(linear(attended, w "o.weight", m.hidden), w "o_norm.weight")
        + rmsnorm(linear(gated, w "down.weight", m.hidden), w "down_norm.weight")
    end
    return logits(rmsnorm(x, "norm.weight"), "head.weight")
  end,
}
