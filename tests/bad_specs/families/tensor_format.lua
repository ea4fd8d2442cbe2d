family {
  name = "tensor_format", model_type = "tensor_format",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local w = tensors("layers.%s.", 0)
    return logits(rmsnorm(x, w "norm"), "head")
  end,
}
