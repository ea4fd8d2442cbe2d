-- expect: no stage can compute this linear yet: q and k must pass rope
family {
  name = "query_without_rope", model_type = "query_without_rope",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h = rmsnorm(x, "norm")
    local q = linear(h, "q", m.heads * m.head_dim) -- here
    local k = rope(linear(h, "k", m.kv_heads * m.head_dim))
    local v = linear(h, "v", m.kv_heads * m.head_dim)
    x = x + linear(attention(q, k, v), "o", m.hidden)
    return logits(x, "head")
  end,
}
