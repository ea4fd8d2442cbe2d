family {
  name = "option_kind", model_type = "option_kind",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = attention(x, x, x, { window = "8" })
    return logits(x, "head")
  end,
}
