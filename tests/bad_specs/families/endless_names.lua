family {
  name = "endless_names", model_type = "endless_names",
  graph = function(m)
    local w = tensors("layers.%d.", 0)
    while true do pcall(w, "norm") end
  end,
}
