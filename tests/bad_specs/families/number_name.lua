family {
  name = "number_name", model_type = "number_name",
  numbers = { ["a b"] = 3 },
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
