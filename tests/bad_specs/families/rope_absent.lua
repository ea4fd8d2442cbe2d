family {
  name = "rope_absent", model_type = "rope_absent",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = rope(x, { table = "local_rope" })
    return logits(x, "head")
  end,
}
