local parts = library "parts"

family {
  name = "library_error", model_type = "library_error",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = parts.norm(x, 5)
    return logits(x, "head")
  end,
}
