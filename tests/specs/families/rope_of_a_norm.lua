-- expect: no stage can compute this rmsnorm yet: its value has another use beside attention
family {
  name = "rope_of_a_norm", model_type = "rope_of_a_norm",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h = rmsnorm(x, "norm") -- here
    local q = rope(h)
    local k = rope(linear(h, "k", m.kv_heads * m.head_dim))
    local v = linear(h, "v", m.kv_heads * m.head_dim)
    x = x + linear(attention(q, k, v), "o", m.hidden)
    return logits(x, "head")
  end,
}
