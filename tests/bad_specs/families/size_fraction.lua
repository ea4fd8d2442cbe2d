family {
  name = "size_fraction", model_type = "size_fraction",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = x + linear(x, "matrix", m.hidden / 3)
    return logits(x, "head")
  end,
}
