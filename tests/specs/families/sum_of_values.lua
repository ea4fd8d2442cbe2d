-- expect: no stage can compute this + yet: one summand, and only one, must be the newest residual value
family {
  name = "sum_of_values", model_type = "sum_of_values",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local twice = x + x -- here
    return logits(rmsnorm(twice, "norm"), "head")
  end,
}
