family {
  name = "options_no_table", model_type = "options_no_table",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = linear(x, "w", m.hidden, "b")
    return logits(x, "head")
  end,
}
