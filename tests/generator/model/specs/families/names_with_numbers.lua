-- No model: its tensors are named by numbers of the spec.
family {
  name = "names_with_numbers", model_type = "names_with_numbers",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed." .. m.hidden)
    return logits(rmsnorm(x, "norm." .. m.rope.dims), "head." .. m.vocab .. "." .. m.eos[1])
  end,
}
