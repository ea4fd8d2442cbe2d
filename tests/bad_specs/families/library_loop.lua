local parts = library "loop"

family {
  name = "library_loop", model_type = "library_loop",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
