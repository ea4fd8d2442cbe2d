-- The smallest model whose emitted kernel a person reads over: see tests/golden/decode_*.hip.
model {
  name = "tiny", family = "llama", dtype = "bf16",
  hidden = 64, layers = 2, vocab = 200, mlp = 96,
  heads = 4, kv_heads = 2, head_dim = 16,
  norm_eps = 1e-6, tie_embeddings = false, context = 64,
  rope = { theta = 10000 },
  bos = 0, eos = { 1, 2 },
}
