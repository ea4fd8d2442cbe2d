-- expect: no stage can compute this linear yet: its value is not handed between CUs
family {
  name = "product_of_a_product", model_type = "product_of_a_product",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local narrow = linear(rmsnorm(x, "norm"), "narrow", m.mlp) -- here
    x = x + linear(narrow, "wide", m.hidden)
    return logits(x, "head")
  end,
}
