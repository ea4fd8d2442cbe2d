family {
  name = "factor_zero", model_type = "factor_zero",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = x * 0
    return logits(x, "head")
  end,
}
