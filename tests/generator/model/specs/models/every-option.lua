model {
  name = "every-option", family = "every_option", dtype = "fp32",
  hidden = 16, layers = 2, vocab = 40, mlp = 24,
  heads = 4, kv_heads = 2, head_dim = 8,
  norm_eps = 1e-6, context = 32,
  rope = { theta = 10000, dims = 4 },
  local_rope = { theta = 500, scaling = { kind = "linear", factor = 2 } },
  window = 6, full_layers = { 1 }, residual = 2, biased = true,
}
