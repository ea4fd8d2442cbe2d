family {
  name = "returns_nothing", model_type = "returns_nothing",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
  end,
}
