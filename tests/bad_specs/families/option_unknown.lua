family {
  name = "option_unknown", model_type = "option_unknown",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(x, "w", m.hidden, { bais = "b" })
    return logits(x, "head")
  end,
}
