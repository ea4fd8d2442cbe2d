family {
  name = "library_late", model_type = "library_late",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    library "parts"
    return logits(x, "head")
  end,
}
