-- expect: no stage can compute this embed yet: q and k must be products, perhaps normed, perhaps rotated
family {
  name = "query_of_the_residual", model_type = "query_of_the_residual",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed") -- here
    local h = rmsnorm(x, "norm")
    local q = rope(x)
    local k = rope(linear(h, "k", m.kv_heads * m.head_dim))
    local v = linear(h, "v", m.kv_heads * m.head_dim)
    x = x + linear(attention(q, k, v), "o", m.hidden)
    return logits(x, "head")
  end,
}
