-- From the public config.json; this version has no window.
model {
  name = "mistral-7b-v0.3", family = "mistral", dtype = "bf16",
  hidden = 4096, layers = 32, vocab = 32768, mlp = 14336,
  heads = 32, kv_heads = 8, head_dim = 128,
  norm_eps = 1e-5, tie_embeddings = false, context = 32768,
  rope = { theta = 1000000 },
  bos = 1, eos = 2,
}
