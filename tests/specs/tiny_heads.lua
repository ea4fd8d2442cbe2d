-- Heads too small to fill a vector, and a context of more than two blocks of the host's attention.
model {
  name = "tiny-heads", family = "llama", dtype = "bf16",
  hidden = 24, layers = 1, vocab = 50, mlp = 40,
  heads = 6, kv_heads = 2, head_dim = 4,
  norm_eps = 1e-5, tie_embeddings = true, context = 150,
  rope = { theta = 10000 },
}
