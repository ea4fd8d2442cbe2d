family {
  name = "number_taken", model_type = "number_taken",
  numbers = { layers = 3 },
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
