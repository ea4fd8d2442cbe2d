family {
  name = "norm_as_bias", model_type = "norm_as_bias",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(rmsnorm(x, "norm"), "norm", m.hidden)
    return logits(x, "head")
  end,
}
