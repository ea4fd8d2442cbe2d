-- expect: no stage can compute this + yet: one summand, and only one, must be the newest residual value
family {
  name = "older_residual", model_type = "older_residual",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local w = tensors("layers.%d.", 0)
    local newer = x + linear(rmsnorm(x, w "norm"), w "a", m.hidden)
    local older = x + linear(rmsnorm(newer, w "norm_2"), w "b", m.hidden) -- here
    return logits(rmsnorm(older, "final_norm"), "head")
  end,
}
