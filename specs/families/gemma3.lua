-- Gemma 3: as Gemma 2, but each head of query and key is normed, scores are not capped, and the layers
-- with a window turn by another RoPE. Of a multimodal checkpoint this is the language model.
local huggingface, decoder = library "huggingface", library "decoder"

local keys = huggingface.keys {
  activation = "hidden_activation", attention_bias = "attention_bias", window = "sliding_window",
  full_layers = "layer_types", query_scalar = "query_pre_attn_scalar",
  logits_softcap = "final_logit_softcapping", local_rope = { "rope_parameters", "rope_local_base_freq" },
}

-- What a multimodal config holds besides the language model: the image side, which text does not use.
local outer_keys = {
  "text_config", "vision_config", "mm_tokens_per_image", "boi_token_index", "eoi_token_index",
  "image_token_index", "boi_token_id", "eoi_token_id", "image_token_id",
}

family {
  name = "gemma3", model_type = { "gemma3_text", "gemma3" },
  numbers = {
    window = 0, full_layers = {}, activation = "gelu_tanh", attention_bias = false,
    query_scalar = 0.0, -- scores are divided by its square root; 0: head_dim
    logits_softcap = 0.0, -- 0: none
    prefix = "", -- of the names of all tensors
  },

  config_keys = keys,
  config = function(c)
    local multimodal = c.model_type == "gemma3"
    if multimodal then
      huggingface.check(c, keys, { understood = outer_keys })
      c = huggingface.text_config(c)
    end
    huggingface.check(c, keys, {
      -- hidden_activation counts; the pattern with "_" is what layer_types was made of
      understood = { "hidden_act", "sliding_window_pattern", "_sliding_window_pattern" },
      unsupported = { attn_logit_softcapping = "soft-capped attention" }, -- transformers ignores it here
    })
    local m = huggingface.numbers(c, keys, {
      activation = "gelu_pytorch_tanh", norm_eps = 1e-6, context = 131072, kv_heads = 4, head_dim = 256,
      tie_embeddings = true, bos = 2, eos = 1, window = 4096, query_scalar = 256,
      -- a multimodal config leaves out what is as always
      hidden = multimodal and 2304 or nil, mlp = multimodal and 9216 or nil, layers = multimodal and 26 or nil,
      heads = multimodal and 8 or nil, vocab = multimodal and 262208 or nil,
    })
    m.activation = huggingface.activation(m.activation, "hidden_activation")
    local pattern = c.sliding_window_pattern or 6
    if math.type(pattern) ~= "integer" or pattern < 1 then
      refuse("sliding_window_pattern must be an integer from 1", "sliding_window_pattern")
    end
    huggingface.windows(c, m, function(i) return (i + 1) % pattern ~= 0 end)
    m.rope, m.local_rope = huggingface.ropes(c, m, 1000000, 10000)
    m.prefix = multimodal and "language_model." or ""
    return m
  end,

  graph = function(m)
    local embedding = m.prefix .. "model.embed_tokens.weight"
    local x = embed(m.vocab, m.hidden, embedding) * math.sqrt(m.hidden)
    local q_rows, kv_rows = m.heads * m.head_dim, m.kv_heads * m.head_dim
    local from_one, each_head = { add = 1 }, { add = 1, group = m.head_dim }
    local query_scalar = decoder.within(m, "query_scalar", 0, 1e9)
    local scale = 1 / math.sqrt(query_scalar > 0 and query_scalar or m.head_dim)
    for i = 0, m.layers - 1 do
      local w = tensors(m.prefix .. "model.layers.%d.", i)
      local bias = decoder.only_if(m.attention_bias, w)
      local window = decoder.window(m, i)
      local turn = { table = window and "local_rope" }
      local h = rmsnorm(x, w "input_layernorm.weight", from_one)
      local q = linear(h, w "self_attn.q_proj.weight", q_rows, { bias = bias "self_attn.q_proj.bias" })
      local k = linear(h, w "self_attn.k_proj.weight", kv_rows, { bias = bias "self_attn.k_proj.bias" })
      local v = linear(h, w "self_attn.v_proj.weight", kv_rows, { bias = bias "self_attn.v_proj.bias" })
      q = rope(rmsnorm(q, w "self_attn.q_norm.weight", each_head), turn)
      k = rope(rmsnorm(k, w "self_attn.k_norm.weight", each_head), turn)
      local y = attention(q, k, v, { window = window, scale = scale })
      y = linear(y, w "self_attn.o_proj.weight", m.hidden, { bias = bias "self_attn.o_proj.bias" })
      x = x + rmsnorm(y, w "post_attention_layernorm.weight", from_one)
      h = rmsnorm(x, w "pre_feedforward_layernorm.weight", from_one)
      local gate = linear(h, w "mlp.gate_proj.weight", m.mlp)
      local up = linear(h, w "mlp.up_proj.weight", m.mlp)
      y = linear(decoder.activate(m, gate) * up, w "mlp.down_proj.weight", m.hidden)
      x = x + rmsnorm(y, w "post_feedforward_layernorm.weight", from_one)
    end
    x = rmsnorm(x, m.prefix .. "model.norm.weight", from_one)
    return logits(x, m.tie_embeddings and embedding or m.prefix .. "lm_head.weight",
      { softcap = decoder.within(m, "logits_softcap", 0, 1e9) })
  end,
}
