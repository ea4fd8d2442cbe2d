-- From the public config.json and generation_config.json.
model {
  name = "qwen3-0.6b", family = "qwen3", dtype = "bf16",
  hidden = 1024, layers = 28, vocab = 151936, mlp = 3072,
  heads = 16, kv_heads = 8, head_dim = 128,
  norm_eps = 1e-6, tie_embeddings = true, context = 40960,
  rope = { theta = 1000000 },
  bos = 151643, eos = { 151645, 151643 },
}
