family {
  name = "another", model_type = "x",
  graph = function(m) end,
}
