-- Gemma 2: a scaled embedding, norms before and after each sublayer whose weights count from one,
-- windows on every other layer, soft-capped scores and logits.
local huggingface, decoder = library "huggingface", library "decoder"

local keys = huggingface.keys {
  activation = "hidden_activation", attention_bias = "attention_bias", window = "sliding_window",
  full_layers = "layer_types", query_scalar = "query_pre_attn_scalar",
  attention_softcap = "attn_logit_softcapping", logits_softcap = "final_logit_softcapping",
}

family {
  name = "gemma2", model_type = "gemma2",
  numbers = {
    window = 0, full_layers = {}, activation = "gelu_tanh", attention_bias = false,
    query_scalar = 0.0, -- scores are divided by its square root; 0: head_dim
    attention_softcap = 0.0, logits_softcap = 0.0, -- 0: none
  },

  config_keys = keys,
  config = function(c)
    huggingface.check(c, keys, { understood = { "hidden_act" } }) -- hidden_activation counts
    local m = huggingface.numbers(c, keys, {
      activation = "gelu_pytorch_tanh", norm_eps = 1e-6, context = 8192, kv_heads = 4, head_dim = 256,
      tie_embeddings = true, bos = 2, eos = 1, window = 4096, query_scalar = 256, attention_softcap = 50,
      logits_softcap = 30,
    })
    m.activation = huggingface.activation(m.activation, "hidden_activation")
    m.rope = huggingface.rope(c, m)
    huggingface.windows(c, m, function(i) return i % 2 == 0 end)
    return m
  end,

  graph = function(m)
    local x = embed(m.vocab, m.hidden, "model.embed_tokens.weight") * math.sqrt(m.hidden)
    local q_rows, kv_rows = m.heads * m.head_dim, m.kv_heads * m.head_dim
    local from_one = { add = 1 }
    local query_scalar = decoder.within(m, "query_scalar", 0, 1e9)
    local scale = 1 / math.sqrt(query_scalar > 0 and query_scalar or m.head_dim)
    for i = 0, m.layers - 1 do
      local w = tensors("model.layers.%d.", i)
      local bias = decoder.only_if(m.attention_bias, w)
      local h = rmsnorm(x, w "input_layernorm.weight", from_one)
      local q = linear(h, w "self_attn.q_proj.weight", q_rows, { bias = bias "self_attn.q_proj.bias" })
      local k = linear(h, w "self_attn.k_proj.weight", kv_rows, { bias = bias "self_attn.k_proj.bias" })
      local v = linear(h, w "self_attn.v_proj.weight", kv_rows, { bias = bias "self_attn.v_proj.bias" })
      local y = attention(rope(q), rope(k), v,
        { window = decoder.window(m, i), scale = scale, softcap = decoder.within(m, "attention_softcap", 0, 1e9) })
      y = linear(y, w "self_attn.o_proj.weight", m.hidden, { bias = bias "self_attn.o_proj.bias" })
      x = x + rmsnorm(y, w "post_attention_layernorm.weight", from_one)
      h = rmsnorm(x, w "pre_feedforward_layernorm.weight", from_one)
      local gate = linear(h, w "mlp.gate_proj.weight", m.mlp)
      local up = linear(h, w "mlp.up_proj.weight", m.mlp)
      y = linear(decoder.activate(m, gate) * up, w "mlp.down_proj.weight", m.hidden)
      x = x + rmsnorm(y, w "post_feedforward_layernorm.weight", from_one)
    end
    x = rmsnorm(x, "model.norm.weight", from_one)
    return logits(x, m.tie_embeddings and "model.embed_tokens.weight" or "lm_head.weight",
      { softcap = decoder.within(m, "logits_softcap", 0, 1e9) })
  end,
}
