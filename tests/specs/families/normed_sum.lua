-- expect: no stage can compute this rmsnorm yet: its value is not handed between CUs
family {
  name = "normed_sum", model_type = "normed_sum",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local w = tensors("layers.%d.", 0)
    x = rmsnorm(x + linear(x, w "a", m.hidden), w "norm_a") * 0.5 -- here
    x = x + rmsnorm(linear(x, w "b", m.hidden), w "norm_b")
    return logits(x, "head")
  end,
}
