-- From the public config.json of the instruction-tuned model.
model {
  name = "llama-3.1-8b", family = "llama", dtype = "bf16",
  hidden = 4096, layers = 32, vocab = 128256, mlp = 14336,
  heads = 32, kv_heads = 8, head_dim = 128,
  norm_eps = 1e-5, tie_embeddings = false, context = 131072,
  rope = { theta = 500000, scaling = { kind = "llama3", factor = 8, low = 1, high = 4, original_context = 8192 } },
  bos = 128000, eos = { 128001, 128008, 128009 },
}
