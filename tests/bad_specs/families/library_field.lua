local parts = library "parts"

family {
  name = "library_field", model_type = "library_field",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = parts.narm(x, "norm")
    return logits(x, "head")
  end,
}
