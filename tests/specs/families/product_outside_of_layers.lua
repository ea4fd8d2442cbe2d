-- expect: no stage can compute this linear yet: of the products outside of the layers only logits can be
family {
  name = "product_outside_of_layers", model_type = "product_outside_of_layers",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    x = x + linear(rmsnorm(x, "norm"), "wide", m.hidden) -- here
    return logits(x, "head")
  end,
}
