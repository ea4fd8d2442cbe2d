family {
  name = "no_options", model_type = "no_options",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = silu(x, { tanh = true })
    return logits(x, "head")
  end,
}
