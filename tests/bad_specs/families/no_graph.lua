family { name = "no_graph", model_type = "no_graph" }
