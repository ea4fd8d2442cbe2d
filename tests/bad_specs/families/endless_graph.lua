family {
  name = "endless_graph", model_type = "endless_graph",
  graph = function(m)
    local x = embed(m.vocab, m.hidden, "embed")
    while true do x = silu(x) end
  end,
}
