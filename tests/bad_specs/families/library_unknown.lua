local parts = library "partz"

family {
  name = "library_unknown", model_type = "library_unknown",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
