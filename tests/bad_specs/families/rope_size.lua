family {
  name = "rope_size", model_type = "rope_size",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(rope(linear(x, "q", m.head_dim + 2)), "head")
  end,
}
