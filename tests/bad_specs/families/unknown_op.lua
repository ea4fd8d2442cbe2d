family {
  name = "unknown_op", model_type = "unknown_op",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    return logits(layernorm(x, "norm"), "head")
  end,
}
