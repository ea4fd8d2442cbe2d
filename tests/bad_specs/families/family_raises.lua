family {
  name = "family_raises", model_type = "family_raises",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    error("this family gives up")
  end,
}
