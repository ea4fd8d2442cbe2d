-- A small model of the family parallel_normed.
model {
  name = "parallel-normed", family = "parallel_normed", dtype = "bf16",
  hidden = 96, layers = 2, vocab = 400, mlp = 128,
  heads = 6, kv_heads = 2, head_dim = 32,
  norm_eps = 1e-6, context = 256, eos = 2,
}
