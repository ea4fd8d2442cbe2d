-- Llama: pre-norm, rotary positions, grouped KV heads, gated SiLU, nothing biased.

-- Which key of Hugging Face's config.json each number of a spec comes from.
local keys = {
  dtype = "dtype", hidden = "hidden_size", layers = "num_hidden_layers", vocab = "vocab_size",
  mlp = "intermediate_size", heads = "num_attention_heads", kv_heads = "num_key_value_heads",
  head_dim = "head_dim", norm_eps = "rms_norm_eps", tie_embeddings = "tie_word_embeddings",
  context = "max_position_embeddings", rope = "rope_parameters",
  bos = "bos_token_id", eos = "eos_token_id",
}

-- Keys that are read as well, and keys that say nothing about how a token is computed.
local understood = {
  torch_dtype = true, rope_theta = true, rope_scaling = true, layer_types = true,
  _name_or_path = true, architectures = true, attention_dropout = true, initializer_range = true,
  is_llama_config = true, max_length = true, model_type = true, output_attentions = true,
  output_hidden_states = true, pad_token_id = true, return_dict = true, tokenizer_class = true,
  transformers_version = true, use_cache = true,
}
for _, key in pairs(keys) do understood[key] = true end

-- Keys that change the computation unless they are absent or have this value.
local only = {
  hidden_act = "silu", attention_bias = false, mlp_bias = false, pretraining_tp = 1,
  rope_interleaved = false, partial_rotary_factor = 1, use_sliding_window = false,
  add_cross_attention = false, is_encoder_decoder = false,
}

-- Keys that mean something this family does not do.
local unsupported = {
  num_local_experts = "mixture of experts", num_experts = "mixture of experts",
  sliding_window = "sliding-window attention", quantization_config = "quantised weights",
}

local dtypes = { bfloat16 = "bf16", float16 = "fp16", float32 = "fp32" }

-- What each kind of RoPE scaling is made of: our name and that of config.json.
local scalings = {
  default = {},
  linear = { factor = "factor" },
  llama3 = {
    factor = "factor", low = "low_freq_factor", high = "high_freq_factor",
    original_context = "original_max_position_embeddings",
  },
  yarn = {
    factor = "factor", original_context = "original_max_position_embeddings",
    beta_fast = "beta_fast", beta_slow = "beta_slow", attention_factor = "attention_factor",
    mscale = "mscale", mscale_all_dim = "mscale_all_dim", truncate = "truncate",
  },
}

local function rope_numbers(c)
  local where = c.rope_parameters and "rope_parameters" or "rope_scaling" -- since transformers 5, before it
  local p = c[where] or {}
  if type(p) ~= "table" then refuse(where .. " must be an object", where) end
  local kind = p.rope_type or p.type or "default"
  if not scalings[kind] then
    refuse("RoPE of the kind \"" .. tostring(kind) .. "\" is not supported yet (rope_type)", "rope_type")
  end
  local scaling, known = { kind = kind }, { rope_type = true, type = true, rope_theta = true }
  for name, key in pairs(scalings[kind]) do
    scaling[name] = p[key]
    known[key] = true
  end
  for key, value in pairs(p) do
    if not (known[key] or key == "partial_rotary_factor" and value == 1) then
      refuse("\"" .. tostring(key) .. "\" is not understood for RoPE of the kind \"" .. kind .. "\"", key)
    end
  end
  if kind == "yarn" then
    scaling.original_context = scaling.original_context or c.max_position_embeddings
  end
  return { theta = p.rope_theta or c.rope_theta or 10000, scaling = kind ~= "default" and scaling or nil }
end

local function check(c)
  for key, value in pairs(c) do
    if unsupported[key] then
      refuse(unsupported[key] .. " is not supported yet (" .. key .. ")", key)
    elseif only[key] ~= nil and value ~= only[key] then
      refuse(key .. " is not supported yet, unless it is " .. tostring(only[key]), key)
    elseif only[key] == nil and not understood[key] then
      refuse("\"" .. key .. "\" is not understood, and it might change the computation", key)
    end
  end
  if c.layer_types ~= nil and type(c.layer_types) ~= "table" then
    refuse("layer_types must be an array", "layer_types")
  end
  for _, kind in ipairs(c.layer_types or {}) do
    if kind ~= "full_attention" then
      refuse("layers of the kind \"" .. tostring(kind) .. "\" are not supported yet", "layer_types")
    end
  end
end

family {
  name = "llama", model_type = "llama",

  -- From config.json (c) to the numbers of a spec; what is absent has transformers' default.
  config_keys = keys,
  config = function(c)
    check(c)
    local m = {}
    for number, key in pairs(keys) do m[number] = c[key] end
    local dtype = c.dtype or c.torch_dtype or "float32"
    m.dtype = dtypes[dtype] or dtype
    m.kv_heads = m.kv_heads or m.heads
    if not m.head_dim and math.type(m.hidden) == "integer" and math.type(m.heads) == "integer" and m.heads > 0 then
      m.head_dim = m.hidden // m.heads
    end
    m.norm_eps = m.norm_eps or 1e-6
    m.context = m.context or 2048
    m.rope = rope_numbers(c)
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
      x = x + linear(attention(q, k, v), w "self_attn.o_proj.weight", m.hidden)
      h = rmsnorm(x, w "post_attention_layernorm.weight")
      local gate = linear(h, w "mlp.gate_proj.weight", m.mlp)
      local up = linear(h, w "mlp.up_proj.weight", m.mlp)
      x = x + linear(silu(gate) * up, w "mlp.down_proj.weight", m.hidden)
    end
    x = rmsnorm(x, "model.norm.weight")
    return logits(x, m.tie_embeddings and "model.embed_tokens.weight" or "lm_head.weight")
  end,
}
