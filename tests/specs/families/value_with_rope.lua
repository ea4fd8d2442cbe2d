-- expect: no stage can compute this rope yet: v must come from a product directly
family {
  name = "value_with_rope", model_type = "value_with_rope",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h = rmsnorm(x, "norm")
    local q = rope(linear(h, "q", m.heads * m.head_dim))
    local k = rope(linear(h, "k", m.kv_heads * m.head_dim))
    local v = rope(linear(h, "v", m.kv_heads * m.head_dim)) -- here
    x = x + linear(attention(q, k, v), "o", m.hidden)
    return logits(x, "head")
  end,
}
