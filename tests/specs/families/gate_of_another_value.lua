-- expect: no stage can compute this * yet: gate and up must be products of the same value
family {
  name = "gate_of_another_value", model_type = "gate_of_another_value",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h, other = rmsnorm(x, "norm"), rmsnorm(x, "other_norm")
    local gate, up = linear(h, "gate", m.mlp), linear(other, "up", m.mlp)
    local gated = silu(gate) * up -- here
    x = x + linear(gated, "down", m.hidden)
    return logits(x, "head")
  end,
}
