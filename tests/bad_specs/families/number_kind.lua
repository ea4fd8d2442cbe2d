family {
  name = "number_kind", model_type = "number_kind",
  numbers = { depth = { inner = 3 } },
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
