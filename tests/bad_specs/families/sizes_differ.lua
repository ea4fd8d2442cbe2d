family {
  name = "sizes_differ", model_type = "sizes_differ",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = x + linear(x, "weight", m.mlp)
    return logits(x, "head")
  end,
}
