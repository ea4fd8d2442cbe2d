-- A small Llama trained on Jane Austen's novels; its checkpoint is in specs/checkpoints/austen-3m.
model {
  name = "austen-3m", family = "llama", dtype = "bf16",
  hidden = 256, layers = 4, vocab = 2048, mlp = 768,
  heads = 4, kv_heads = 2, head_dim = 64,
  norm_eps = 1e-5, tie_embeddings = true, context = 1024,
  rope = { theta = 10000 },
  bos = 0, eos = 1,
}
