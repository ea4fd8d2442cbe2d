-- expect: no stage can compute this * yet: one factor must be an activation of a product
family {
  name = "gate_without_activation", model_type = "gate_without_activation",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h = rmsnorm(x, "norm")
    local gate, up = linear(h, "gate", m.mlp), linear(h, "up", m.mlp)
    local gated = gate * up -- here
    x = x + linear(gated, "down", m.hidden)
    return logits(x, "head")
  end,
}
