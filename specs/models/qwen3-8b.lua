-- From the public config.json and generation_config.json.
model {
  name = "qwen3-8b", family = "qwen3", dtype = "bf16",
  hidden = 4096, layers = 36, vocab = 151936, mlp = 12288,
  heads = 32, kv_heads = 8, head_dim = 128,
  norm_eps = 1e-6, tie_embeddings = false, context = 40960,
  rope = { theta = 1000000 },
  bos = 151643, eos = { 151645, 151643 },
}
