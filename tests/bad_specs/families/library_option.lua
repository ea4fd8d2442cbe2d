local parts = library "parts"

family {
  name = "library_option", model_type = "library_option",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = parts.repeated(x, { times = 2 })
    x = parts.repeated(x, {
      tims = 2,
    })
    return logits(x, "head")
  end,
}
