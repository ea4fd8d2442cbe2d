-- From the public config.json.
model {
  name = "smollm2-135m", family = "llama", dtype = "bf16",
  hidden = 576, layers = 30, vocab = 49152, mlp = 1536,
  heads = 9, kv_heads = 3, head_dim = 64,
  norm_eps = 1e-5, tie_embeddings = true, context = 8192,
  rope = { theta = 100000 },
  bos = 1, eos = 2,
}
