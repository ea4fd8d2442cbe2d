family {
  name = "option_positional", model_type = "option_positional",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = rmsnorm(x, "norm", { 64 })
    return logits(x, "head")
  end,
}
