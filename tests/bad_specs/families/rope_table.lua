family {
  name = "rope_table", model_type = "rope_table",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = rope(x, { table = "local" })
    return logits(x, "head")
  end,
}
