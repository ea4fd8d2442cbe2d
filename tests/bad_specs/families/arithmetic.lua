family {
  name = "arithmetic", model_type = "arithmetic",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x + 2, "head")
  end,
}
