family {
  name = "group", model_type = "group",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = rmsnorm(x, "norm", { group = 100 })
    return logits(x, "head")
  end,
}
