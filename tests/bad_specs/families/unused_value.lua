family {
  name = "unused_value", model_type = "unused_value",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local forgotten = silu(x)
    return logits(x, "head")
  end,
}
