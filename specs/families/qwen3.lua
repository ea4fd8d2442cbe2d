-- Qwen 3: a Llama that norms each head of query and key; its later layers may have a window.
local huggingface, decoder = library "huggingface", library "decoder"

local keys = huggingface.keys {
  activation = "hidden_act", attention_bias = "attention_bias", window = "sliding_window",
  full_layers = "layer_types",
}

family {
  name = "qwen3", model_type = "qwen3",
  numbers = { window = 0, full_layers = {}, activation = "silu", attention_bias = false },

  config_keys = keys,
  config = function(c)
    huggingface.check(c, keys, { understood = { "use_sliding_window", "max_window_layers" } })
    local m = huggingface.numbers(c, keys, {
      activation = "silu", norm_eps = 1e-6, context = 32768, kv_heads = 32, head_dim = 128, window = 4096,
    })
    m.activation = huggingface.activation(m.activation, "hidden_act")
    m.rope = huggingface.rope(c, m)
    if not c.use_sliding_window then m.window = 0 end
    huggingface.windows(c, m, huggingface.from_layer(c, "max_window_layers", 28))
    return m
  end,

  graph = function(m)
    local x = embed(m.vocab, m.hidden, "model.embed_tokens.weight")
    local q_rows, kv_rows = m.heads * m.head_dim, m.kv_heads * m.head_dim
    local each_head = { group = m.head_dim }
    for i = 0, m.layers - 1 do
      local w = tensors("model.layers.%d.", i)
      local bias = decoder.only_if(m.attention_bias, w)
      local h = rmsnorm(x, w "input_layernorm.weight")
      local q = linear(h, w "self_attn.q_proj.weight", q_rows, { bias = bias "self_attn.q_proj.bias" })
      local k = linear(h, w "self_attn.k_proj.weight", kv_rows, { bias = bias "self_attn.k_proj.bias" })
      local v = linear(h, w "self_attn.v_proj.weight", kv_rows, { bias = bias "self_attn.v_proj.bias" })
      q = rope(rmsnorm(q, w "self_attn.q_norm.weight", each_head))
      k = rope(rmsnorm(k, w "self_attn.k_norm.weight", each_head))
      local y = attention(q, k, v, { window = decoder.window(m, i) })
      x = x + linear(y, w "self_attn.o_proj.weight", m.hidden, { bias = bias "self_attn.o_proj.bias" })
      h = rmsnorm(x, w "post_attention_layernorm.weight")
      local gate = linear(h, w "mlp.gate_proj.weight", m.mlp)
      local up = linear(h, w "mlp.up_proj.weight", m.mlp)
      x = x + linear(decoder.activate(m, gate) * up, w "mlp.down_proj.weight", m.hidden)
    end
    x = rmsnorm(x, "model.norm.weight")
    return logits(x, m.tie_embeddings and "model.embed_tokens.weight" or "lm_head.weight")
  end,
}
