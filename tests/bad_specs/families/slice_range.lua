family {
  name = "slice_range", model_type = "slice_range",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(x, "qkv", m.hidden, { first = m.hidden, of = m.hidden + 8 })
    return logits(x, "head")
  end,
}
