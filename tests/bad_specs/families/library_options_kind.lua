local parts = library "parts"

family {
  name = "library_options_kind", model_type = "library_options_kind",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(parts.repeated(x, 2), "head")
  end,
}
