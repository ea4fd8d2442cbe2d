-- expect: no stage can compute this rmsnorm yet: its value is not handed between CUs
family {
  name = "normed_embedding", model_type = "normed_embedding",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed") * 0.5
    x = rmsnorm(x, "norm") -- here
    local w = tensors("layers.%d.", 0)
    x = x + linear(x, w "a", m.hidden)
    return logits(x, "head")
  end,
}
