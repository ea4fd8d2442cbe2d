family {
  name = "not_logits", model_type = "not_logits",
  graph = function(m)
    return embed(m.vocab, m.hidden, "embed")
  end,
}
