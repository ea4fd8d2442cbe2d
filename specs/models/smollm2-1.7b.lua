-- From the public config.json of the base model.
model {
  name = "smollm2-1.7b", family = "llama", dtype = "bf16",
  hidden = 2048, layers = 24, vocab = 49152, mlp = 8192,
  heads = 32, kv_heads = 32, head_dim = 64,
  norm_eps = 1e-5, tie_embeddings = true, context = 8192,
  rope = { theta = 130000 },
  bos = 0, eos = 0,
}
