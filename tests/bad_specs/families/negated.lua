family {
  name = "negated", model_type = "negated",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = -x
    return logits(x, "head")
  end,
}
