model {
  name = "mine", family = "llama", dtype = "bf16",
  hidden = 256, layers = 4, vocab = 2048, mlp = 768,
  heads = 4, kv_heads = 2, head_dim = 64,
  norm_eps = 1e-5, context = 1024,
  rope = { theta = 10000 },
  local_rope = { theta = 10000, scaling = { kind = "linear", low = 1 } },
}
