family {
  name = "slice_without_of", model_type = "slice_without_of",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(x, "qkv", m.hidden, { first = m.hidden })
    return logits(x, "head")
  end,
}
