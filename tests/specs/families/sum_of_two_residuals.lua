-- expect: no stage can compute this + yet: one summand, and only one, must be the newest residual value
family {
  name = "sum_of_two_residuals", model_type = "sum_of_two_residuals",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local w = tensors("layers.%d.", 0)
    local y = linear(rmsnorm(x, w "norm"), w "a", m.hidden)
    local sum = x + x
    return logits(rmsnorm(sum + y, "final_norm"), "head") -- here
  end,
}
