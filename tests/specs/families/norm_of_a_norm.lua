-- expect: no stage can compute this rmsnorm yet: its value is not handed between CUs
family {
  name = "norm_of_a_norm", model_type = "norm_of_a_norm",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local once = rmsnorm(x, "norm") -- here
    return logits(rmsnorm(once, "norm_2"), "head")
  end,
}
