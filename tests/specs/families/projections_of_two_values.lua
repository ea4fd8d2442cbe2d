-- expect: no stage can compute this linear yet: q, k and v must be products of the same value
family {
  name = "projections_of_two_values", model_type = "projections_of_two_values",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h, other = rmsnorm(x, "norm"), rmsnorm(x, "other_norm")
    local q = rope(linear(h, "q", m.heads * m.head_dim))
    local k = rope(linear(h, "k", m.kv_heads * m.head_dim))
    local v = linear(other, "v", m.kv_heads * m.head_dim) -- here
    x = x + linear(attention(q, k, v), "o", m.hidden)
    return logits(x, "head")
  end,
}
