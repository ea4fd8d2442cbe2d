-- expect: no stage can compute this attention yet: q and k must be rotated alike
family {
  name = "query_and_key_rotated_unlike", model_type = "query_and_key_rotated_unlike",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h = rmsnorm(x, "norm")
    local q = linear(h, "q", m.heads * m.head_dim)
    local k = rope(linear(h, "k", m.kv_heads * m.head_dim))
    local v = linear(h, "v", m.kv_heads * m.head_dim)
    x = x + linear(attention(q, k, v), "o", m.hidden) -- here
    return logits(x, "head")
  end,
}
