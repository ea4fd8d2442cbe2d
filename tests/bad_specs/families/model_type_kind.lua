family {
  name = "model_type_kind", model_type = { "a", 2 },
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(x, "head")
  end,
}
