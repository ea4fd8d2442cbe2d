local scaling = { kind = "yarn", factor = 4, original_context = 64, beta_fast = 32, beta_slow = 1,
  attention_factor = 1.2, mscale = 1, mscale_all_dim = 0.7, truncate = false }
model {
  name = "yarn", family = "llama", dtype = "bf16",
  hidden = 64, layers = 2, vocab = 200, mlp = 96,
  heads = 4, kv_heads = 2, head_dim = 16,
  norm_eps = 1e-6, tie_embeddings = true, context = 256,
  rope = { theta = 1e4, scaling = scaling },
  bos = { 0, 3 }, eos = { 1, 2 },
}
