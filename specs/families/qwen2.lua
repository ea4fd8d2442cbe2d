-- Qwen 2: a Llama with biases on query, key and value; its later layers may have a window.
local huggingface, decoder = library "huggingface", library "decoder"

local keys = huggingface.keys { activation = "hidden_act", window = "sliding_window", full_layers = "layer_types" }

family {
  name = "qwen2", model_type = "qwen2",
  numbers = { window = 0, full_layers = {}, activation = "silu" },

  config_keys = keys,
  config = function(c)
    huggingface.check(c, keys, {
      understood = { "use_sliding_window", "max_window_layers", "attention_bias" }, -- biased in any case
    })
    local m = huggingface.numbers(c, keys, {
      activation = "silu", norm_eps = 1e-6, context = 32768, kv_heads = 32, window = 4096,
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
    for i = 0, m.layers - 1 do
      local w = tensors("model.layers.%d.", i)
      local h = rmsnorm(x, w "input_layernorm.weight")
      local q = rope(linear(h, w "self_attn.q_proj.weight", q_rows, { bias = w "self_attn.q_proj.bias" }))
      local k = rope(linear(h, w "self_attn.k_proj.weight", kv_rows, { bias = w "self_attn.k_proj.bias" }))
      local v = linear(h, w "self_attn.v_proj.weight", kv_rows, { bias = w "self_attn.v_proj.bias" })
      local y = attention(q, k, v, { window = decoder.window(m, i) })
      x = x + linear(y, w "self_attn.o_proj.weight", m.hidden)
      h = rmsnorm(x, w "post_attention_layernorm.weight")
      local gate = linear(h, w "mlp.gate_proj.weight", m.mlp)
      local up = linear(h, w "mlp.up_proj.weight", m.mlp)
      x = x + linear(decoder.activate(m, gate) * up, w "mlp.down_proj.weight", m.hidden)
    end
    x = rmsnorm(x, "model.norm.weight")
    return logits(x, m.tie_embeddings and "model.embed_tokens.weight" or "lm_head.weight")
  end,
}
