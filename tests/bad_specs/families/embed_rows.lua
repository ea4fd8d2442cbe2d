family {
  name = "embed_rows", model_type = "embed_rows",
  graph = function(m)
    return logits(embed(m.hidden, m.vocab, "embed"), "head")
  end,
}
