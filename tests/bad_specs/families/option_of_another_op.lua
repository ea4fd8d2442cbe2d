family {
  name = "option_of_another_op", model_type = "option_of_another_op",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = rmsnorm(x, "norm", { window = 8 })
    return logits(x, "head")
  end,
}
