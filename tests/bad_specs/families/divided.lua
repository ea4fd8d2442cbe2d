family {
  name = "divided", model_type = "divided",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = x / 2
    return logits(x, "head")
  end,
}
