-- Mistral: a Llama whose layers may see a window of the newest positions only.
local huggingface, decoder = library "huggingface", library "decoder"

local keys = huggingface.keys { activation = "hidden_act", window = "sliding_window", full_layers = "layer_types" }

family {
  name = "mistral", model_type = "mistral",
  numbers = { window = 0, full_layers = {}, activation = "silu" },

  config_keys = keys,
  config = function(c)
    huggingface.check(c, keys, { only = { attention_bias = false } })
    local m = huggingface.numbers(c, keys, {
      activation = "silu", norm_eps = 1e-6, context = 131072, bos = 1, eos = 2, kv_heads = 8, window = 4096,
    })
    m.activation = huggingface.activation(m.activation, "hidden_act")
    m.rope = huggingface.rope(c, m)
    huggingface.windows(c, m)
    return m
  end,

  graph = function(m)
    local x = embed(m.vocab, m.hidden, "model.embed_tokens.weight")
    for i = 0, m.layers - 1 do
      local w = tensors("model.layers.%d.", i)
      local h = rmsnorm(x, w "input_layernorm.weight")
      local q = rope(linear(h, w "self_attn.q_proj.weight", m.heads * m.head_dim))
      local k = rope(linear(h, w "self_attn.k_proj.weight", m.kv_heads * m.head_dim))
      local v = linear(h, w "self_attn.v_proj.weight", m.kv_heads * m.head_dim)
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
