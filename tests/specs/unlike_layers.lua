-- A small model of the family unlike_layers.
model {
  name = "unlike-layers", family = "unlike_layers", dtype = "bf16",
  hidden = 64, layers = 3, vocab = 96, mlp = 48,
  heads = 4, kv_heads = 2, head_dim = 16,
  norm_eps = 1e-6, context = 16,
  rope = { theta = 10000 },
}
