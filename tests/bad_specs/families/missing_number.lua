family {
  name = "missing_number", model_type = "missing_number",
  graph = function(m)
    local x = embed(m.vocab, m.hiden, "embed")
    return logits(x, "head")
  end,
}
