-- expect: no stage can compute this silu yet: its value is not handed between CUs
family {
  name = "activation_alone", model_type = "activation_alone",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local active = silu(x) -- here
    x = x + linear(active, tensors("layers.%d.", 0) "down", m.hidden)
    return logits(x, "head")
  end,
}
