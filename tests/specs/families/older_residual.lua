-- expect: no stage can compute this + yet: the other summand must be the newest residual value
family {
  name = "older_residual", model_type = "older_residual",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local newer = x + linear(rmsnorm(x, "norm"), "a", m.hidden)
    local older = x + linear(rmsnorm(newer, "norm_2"), "b", m.hidden) -- here
    return logits(rmsnorm(older, "norm_3"), "head")
  end,
}
