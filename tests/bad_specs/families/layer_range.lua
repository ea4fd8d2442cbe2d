family {
  name = "layer_range", model_type = "layer_range",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local w = tensors("layers.%d.", m.layers)
    return logits(rmsnorm(x, w "norm"), "head")
  end,
}
