-- No published model: wide and shallow, as decoders made for low latency are; two layers in three have
-- a window.
model {
  name = "wide-2b", family = "mistral", dtype = "fp16",
  hidden = 3584, layers = 15, vocab = 32000, mlp = 10624,
  heads = 28, kv_heads = 7, head_dim = 128,
  norm_eps = 1e-5, tie_embeddings = true, context = 8192,
  rope = { theta = 10000 },
  window = 512, full_layers = { 10, 11, 12, 13, 14 },
  bos = 1, eos = 2,
}
