family {
  name = "subtracted", model_type = "subtracted",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = x - rmsnorm(x, "norm")
    return logits(x, "head")
  end,
}
