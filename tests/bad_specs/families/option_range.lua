family {
  name = "option_range", model_type = "option_range",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = attention(x, x, x, { scale = -1 })
    return logits(x, "head")
  end,
}
