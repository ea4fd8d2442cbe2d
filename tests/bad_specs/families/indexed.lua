family {
  name = "indexed", model_type = "indexed",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = x.hidden
    return logits(x, "head")
  end,
}
