local parts = library "nothing"

family {
  name = "library_nothing", model_type = "library_nothing",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
