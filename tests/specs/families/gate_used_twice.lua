-- expect: no stage can compute this * yet: gate and up must have no other use
family {
  name = "gate_used_twice", model_type = "gate_used_twice",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    local h = rmsnorm(x, "norm")
    local gate = linear(h, "gate", m.hidden)
    local gated = silu(gate) * gate -- here
    x = x + linear(gated, "down", m.hidden)
    return logits(x, "head")
  end,
}
