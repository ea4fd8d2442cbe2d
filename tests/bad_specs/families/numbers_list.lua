family {
  name = "numbers_list", model_type = "numbers_list",
  numbers = { 1, 2 },
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
