-- No model: every op with every option, and every kind of number that a family can declare.
local parts = library "parts"

family {
  name = "every_option", model_type = { "every_option", "each_option" },
  numbers = {
    window = 0, full_layers = {}, residual = 1.0, biased = false, names = { "a" },
    activation = "gelu",
  },
  config_keys = { hidden = "hidden_size", window = { "window", "sliding_window" } },
  config = function(c)
    local m = { dtype = "bf16" }
    for _, key in ipairs { "layers", "vocab", "mlp", "heads", "kv_heads", "head_dim", "context" } do
      m[key] = c[key]
    end
    m.hidden, m.norm_eps, m.rope = c.hidden_size, 1e-6, { theta = 10000 }
    m.local_rope = { theta = 500 }
    m.window = is_null(c, "window") and 0 or c.window or c.sliding_window or 7
    m.biased = is_null(c.inner, "bias") and not is_null(c, "inner") and not is_null(c, "absent")
    return m
  end,
  graph = function(m)
    if m.residual > 2 then refuse("residual is at most 2", "residual") end
    local x = 2 * embed(m.vocab, m.hidden, "embed")
    local q_rows, kv_rows = m.heads * m.head_dim, m.kv_heads * m.head_dim
    for i = 0, m.layers - 1 do
      local w = tensors("layers.%d.", i)
      local full = parts.contains(m.full_layers, i)
      local bias = m.biased and w "qkv.bias"
      local h = parts.add_norm(x, w "norm", 1)
      local q = linear(h, w "qkv", q_rows, { bias = bias, of = q_rows + 2 * kv_rows })
      local k = linear(h, w "qkv", kv_rows, { bias = bias, first = q_rows, of = q_rows + 2 * kv_rows })
      local v = linear(h, w "qkv", kv_rows, { bias = bias, first = q_rows + kv_rows, of = q_rows + 2 * kv_rows })
      local how = { table = not full and "local_rope" }
      q = rope(rmsnorm(q, w "q_norm", { group = m.head_dim, add = 1 }), how)
      k = rope(rmsnorm(k, w "k_norm", { group = m.head_dim }), how)
      local y = attention(q, k, v, { window = not full and m.window, scale = 0.5, softcap = 30 })
      x = x + linear(y, w "o", m.hidden) * m.residual
      h = linear(x, w "up", m.mlp, { bias = w "up.bias" })
      x = x + linear(m.activation == "gelu" and gelu(h) or gelu_tanh(h), w "down", m.hidden)
    end
    return logits(scale(rmsnorm(x, "norm"), 0.25), "head", { bias = "head.bias", softcap = 15 })
  end,
}
