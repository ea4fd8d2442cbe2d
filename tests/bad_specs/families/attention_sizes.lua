family {
  name = "attention_sizes", model_type = "attention_sizes",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local q, k = linear(x, "q", m.heads * m.head_dim), linear(x, "k", m.heads * m.head_dim)
    return logits(attention(q, k, k), "head")
  end,
}
