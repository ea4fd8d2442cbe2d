-- half a layer
model {
  name = "mine", family = "llama", dtype = "bf16",
  hidden = 2048, layers = 16.5, vocab = 128256, mlp = 8192,
  heads = 32, kv_heads = 8, head_dim = 64,
  norm_eps = 1e-5, tie_embeddings = true, context = 131072,
  rope = { theta = 500000 },
  bos = 128000, eos = { 128001, 128008 },
}
