family {
  name = "wrong_count", model_type = "wrong_count",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = rmsnorm(x)
    return logits(x, "head")
  end,
}
