family {
  name = "bias_clash", model_type = "bias_clash",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(x, "a", m.mlp, { bias = "b" })
    x = linear(x, "c", m.hidden, { bias = "b" })
    return logits(x, "head")
  end,
}
