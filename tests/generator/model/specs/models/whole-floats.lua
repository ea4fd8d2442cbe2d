model {
  name = "whole-floats", family = "names_with_numbers", dtype = "fp32",
  hidden = 16.0, layers = 1e0, vocab = 40.0, mlp = 24.0,
  heads = 4.0, kv_heads = 2.0, head_dim = 8.0,
  norm_eps = 1e-6, context = 3.2e1,
  rope = { theta = 10000, dims = 4.0 },
  eos = { 3.0, 4 },
}
