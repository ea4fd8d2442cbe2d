-- From the public config.json of the instruction-tuned model: every sixth layer sees everything.
model {
  name = "gemma-3-1b", family = "gemma3", dtype = "bf16",
  hidden = 1152, layers = 26, vocab = 262144, mlp = 6912,
  heads = 4, kv_heads = 1, head_dim = 256,
  norm_eps = 1e-6, tie_embeddings = true, context = 32768,
  rope = { theta = 1000000 }, local_rope = { theta = 10000 },
  window = 512, full_layers = { 5, 11, 17, 23 }, query_scalar = 256,
  bos = 2, eos = { 1, 106 },
}
