family {
  name = "wrong_argument", model_type = "wrong_argument",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(x, m.hidden, "weight")
    return logits(x, "head")
  end,
}
