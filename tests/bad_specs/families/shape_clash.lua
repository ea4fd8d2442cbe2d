family {
  name = "shape_clash", model_type = "shape_clash",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(linear(x, "w", m.mlp), "w", m.hidden)
    return logits(x, "head")
  end,
}
