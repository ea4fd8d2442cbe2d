family {
  name = "slice_clash", model_type = "slice_clash",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local a = linear(x, "qkv", m.hidden, { of = 2 * m.hidden })
    local b = linear(x, "qkv", m.hidden, { first = m.hidden, of = 3 * m.hidden })
    x = a + b
    return logits(x, "head")
  end,
}
