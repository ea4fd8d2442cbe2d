-- Llama: pre-norm, rotary positions, grouped KV heads, gated SiLU.
local huggingface, decoder = library "huggingface", library "decoder"

local keys = huggingface.keys {
  activation = "hidden_act", attention_bias = "attention_bias", mlp_bias = "mlp_bias",
}

family {
  name = "llama", model_type = "llama",
  numbers = { activation = "silu", attention_bias = false, mlp_bias = false },

  -- From config.json (c) to the numbers of a spec; what is absent has transformers' default.
  config_keys = keys,
  config = function(c)
    huggingface.check(c, keys, {
      understood = { "pretraining_tp" }, -- splits products that are then added up
      unsupported = { sliding_window = "sliding-window attention" },
    })
    local m = huggingface.numbers(c, keys, {
      activation = "silu", norm_eps = 1e-6, context = 2048, bos = 1, eos = 2,
    })
    m.activation = huggingface.activation(m.activation, "hidden_act")
    m.rope = huggingface.rope(c, m)
    huggingface.windows(c, m)
    m.window, m.full_layers = nil, nil -- no layer has one
    return m
  end,

  graph = function(m)
    local x = embed(m.vocab, m.hidden, "model.embed_tokens.weight")
    local q_rows, kv_rows = m.heads * m.head_dim, m.kv_heads * m.head_dim
    for i = 0, m.layers - 1 do
      local w = tensors("model.layers.%d.", i)
      local bias, mlp_bias = decoder.only_if(m.attention_bias, w), decoder.only_if(m.mlp_bias, w)
      local h = rmsnorm(x, w "input_layernorm.weight")
      local q = linear(h, w "self_attn.q_proj.weight", q_rows, { bias = bias "self_attn.q_proj.bias" })
      local k = linear(h, w "self_attn.k_proj.weight", kv_rows, { bias = bias "self_attn.k_proj.bias" })
      local v = linear(h, w "self_attn.v_proj.weight", kv_rows, { bias = bias "self_attn.v_proj.bias" })
      local y = attention(rope(q), rope(k), v)
      x = x + linear(y, w "self_attn.o_proj.weight", m.hidden, { bias = bias "self_attn.o_proj.bias" })
      h = rmsnorm(x, w "post_attention_layernorm.weight")
      local gate = linear(h, w "mlp.gate_proj.weight", m.mlp, { bias = mlp_bias "mlp.gate_proj.bias" })
      local up = linear(h, w "mlp.up_proj.weight", m.mlp, { bias = mlp_bias "mlp.up_proj.bias" })
      local gated = decoder.activate(m, gate) * up
      x = x + linear(gated, w "mlp.down_proj.weight", m.hidden, { bias = mlp_bias "mlp.down_proj.bias" })
    end
    x = rmsnorm(x, "model.norm.weight")
    return logits(x, m.tie_embeddings and "model.embed_tokens.weight" or "lm_head.weight")
  end,
}
