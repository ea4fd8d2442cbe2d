-- expect: no stage can compute this linear yet: its value has another use beside attention
family {
  name = "key_used_twice", model_type = "key_used_twice",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h = rmsnorm(x, "norm")
    local q = rope(linear(h, "q", m.heads * m.head_dim))
    local k = rope(linear(h, "k", m.kv_heads * m.head_dim))
    local v = linear(h, "v", m.kv_heads * m.head_dim) -- here
    x = x + linear(attention(q, k, v), "o", m.hidden)
    x = x + linear(v, "again", m.hidden)
    return logits(x, "head")
  end,
}
