-- What Hugging Face's config.json says, in the terms of specs, for the `config` functions of families.
-- Configs of transformers 5 and older ones are read alike; an absent key means what it means there.
local huggingface = {}

-- Which keys each number of every spec comes from; of several, the first that is there.
local standard_keys = {
  dtype = { "dtype", "torch_dtype" }, hidden = "hidden_size", layers = "num_hidden_layers",
  vocab = "vocab_size", mlp = "intermediate_size", heads = "num_attention_heads",
  kv_heads = "num_key_value_heads", head_dim = "head_dim", norm_eps = "rms_norm_eps",
  tie_embeddings = "tie_word_embeddings", context = "max_position_embeddings",
  rope = { "rope_parameters", "rope_scaling", "rope_theta" }, bos = "bos_token_id", eos = "eos_token_id",
}

-- Keys that are read besides, and keys that say nothing about how a token is computed.
local understood_keys = {
  "layer_types", "partial_rotary_factor",
  "_attn_implementation_autoset", "_from_model_config", "_name_or_path", "architectures",
  "attention_dropout", "auto_map", "cache_implementation", "initializer_range", "is_llama_config",
  "max_length", "model_type", "output_attentions", "output_hidden_states", "pad_token_id",
  "return_dict", "tokenizer_class", "transformers.js_config", "transformers_version", "use_cache",
}

-- Keys that change the computation unless they are absent or have this value.
local only_values = {
  add_cross_attention = false, is_encoder_decoder = false, mlp_bias = false, rope_interleaved = false,
  use_bidirectional_attention = false, use_sliding_window = false,
}

-- Keys that mean something the program does not do.
local unsupported_keys = {
  num_experts = "mixture of experts", num_local_experts = "mixture of experts",
  n_routed_experts = "mixture of experts", num_experts_per_tok = "mixture of experts",
  quantization_config = "quantisation of weights", compression_config = "quantisation of weights",
}

local dtypes = { bfloat16 = "bf16", float16 = "fp16", float32 = "fp32" }

-- Names of activations; most have several.
local activations = {
  silu = "silu", swish = "silu", gelu = "gelu", gelu_python = "gelu",
  gelu_new = "gelu_tanh", gelu_pytorch_tanh = "gelu_tanh", gelu_fast = "gelu_tanh",
}

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

local function names_of(keys) return type(keys) == "table" and keys or { keys } end

local function is_whole(value) return type(value) == "number" and value == math.floor(value) end

-- The family's config_keys: those of every spec, with the family's own added or put in their place.
function huggingface.keys(own)
  local keys = {}
  for number, key in pairs(standard_keys) do keys[number] = key end
  for number, key in pairs(own or {}) do keys[number] = key end
  return keys
end

-- Refuses every key that might change the computation and that nobody reads. `rules` may have, each on
-- top of what holds for all families: `understood`, a list of keys; `only`, key = the one value it may
-- have; `unsupported`, key = the name of what it asks for.
function huggingface.check(c, keys, rules)
  check_names(rules, { understood = true, only = true, unsupported = true }, "the rules of huggingface.check")
  local understood, only, unsupported = {}, {}, {}
  for key, value in pairs(only_values) do only[key] = value end
  for key, value in pairs(unsupported_keys) do unsupported[key] = value end
  local function understand(list)
    for _, key in ipairs(list or {}) do understood[key], only[key] = true, nil end
  end
  understand(understood_keys)
  for _, names in pairs(keys) do understand(names_of(names)) end
  understand(rules.understood)
  for key, value in pairs(rules.only or {}) do only[key] = value end
  for key, value in pairs(rules.unsupported or {}) do unsupported[key] = value end
  for key, value in pairs(c) do
    if unsupported[key] then
      refuse(unsupported[key] .. " is not supported yet (" .. key .. ")", key)
    elseif only[key] ~= nil and value ~= only[key] then
      refuse(key .. " is not supported yet, unless it is " .. tostring(only[key]), key)
    elseif only[key] == nil and not understood[key] then
      refuse("\"" .. key .. "\" is not understood, and it might change the computation", key)
    end
  end
end

-- The numbers that stand in the config as they are. Of what is absent, those of `defaults`; of what is
-- null, none: then the family's `numbers` say what it means.
function huggingface.numbers(c, keys, defaults)
  check_names(defaults, keys, "the defaults of huggingface.numbers")
  local m = {}
  for number, names in pairs(keys) do
    local null = false
    for _, key in ipairs(names_of(names)) do
      if m[number] == nil then m[number] = c[key] end
      null = null or is_null(c, key)
    end
    if m[number] == nil and not null then m[number] = defaults[number] end
  end
  m.rope = nil -- read by huggingface.rope
  m.dtype = m.dtype or "float32"
  m.dtype = dtypes[m.dtype] or m.dtype
  if m.kv_heads == nil then m.kv_heads = m.heads end
  if m.head_dim == nil and is_whole(m.hidden) and is_whole(m.heads) and m.heads > 0 then
    m.head_dim = m.hidden // m.heads
  end
  return m
end

-- The program's name of an activation of transformers; nil stays nil.
function huggingface.activation(name, key)
  if name ~= nil and not activations[name] then
    refuse("the activation \"" .. tostring(name) .. "\" is not supported yet (" .. key .. ")", key)
  end
  return name and activations[name]
end

-- One kind of RoPE from its parameters p, which are those of `key`. Some may stand in c instead.
local function rope_of(c, m, p, key, theta, partial)
  if type(p) ~= "table" then refuse(key .. " must be an object", key) end
  local kind_key = p.rope_type == nil and p.type ~= nil and "type" or "rope_type"
  local kind = p[kind_key] or "default"
  if not scalings[kind] then
    refuse("RoPE of the kind \"" .. tostring(kind) .. "\" is not supported yet (" .. kind_key .. ")", kind_key)
  end
  local scaling = { kind = kind }
  local known = { rope_type = true, type = true, rope_theta = true, partial_rotary_factor = true }
  for name, its_key in pairs(scalings[kind]) do
    scaling[name] = p[its_key]
    known[its_key] = true
  end
  for its_key in pairs(p) do
    if not known[its_key] then
      refuse("\"" .. tostring(its_key) .. "\" is not understood for RoPE of the kind \"" .. kind .. "\"", its_key)
    end
  end
  if scalings[kind].original_context then
    scaling.original_context = c.original_max_position_embeddings or scaling.original_context or m.context
  end
  if is_null(p, "factor") and is_whole(m.context) and is_whole(scaling.original_context) then
    scaling.factor = m.context / scaling.original_context
  end
  local turned = p.partial_rotary_factor or c.partial_rotary_factor or 1
  if type(turned) ~= "number" or turned ~= 1 and not (partial and turned > 0 and turned < 1) then
    refuse("partial_rotary_factor is not supported here, unless it is 1", "partial_rotary_factor")
  end
  theta = p.rope_theta or theta
  return {
    theta = type(theta) == "number" and theta + 0.0 or theta,
    dims = turned ~= 1 and is_whole(m.head_dim) and math.floor(m.head_dim * turned) or nil,
    scaling = kind ~= "default" and scaling or nil,
  }
end

local function is_empty(t)
  for _ in pairs(t) do return false end
  return true
end

-- The older key rules where both are there, as in transformers.
local function rope_source(c)
  local old = c.rope_scaling
  local key = old ~= nil and not (type(old) == "table" and is_empty(old)) and "rope_scaling" or "rope_parameters"
  return c[key] or {}, key
end

-- m.rope of a model whose layers turn alike. `options` may have `theta`, for where the config has none
-- (10000), and `partial`: true where the architecture can turn a part of a head.
function huggingface.rope(c, m, options)
  check_names(options, { theta = true, partial = true }, "the options of huggingface.rope")
  local p, key = rope_source(c)
  local theta = c.rope_theta or options and options.theta or 10000
  return rope_of(c, m, p, key, theta, options and options.partial)
end

-- m.rope and m.local_rope of a model whose windowed layers turn otherwise than its full ones.
function huggingface.ropes(c, m, theta, local_theta)
  local p, key = rope_source(c)
  if key == "rope_scaling" then p = { full_attention = p } end -- older configs scale the full layers
  if type(p) ~= "table" then refuse(key .. " must be an object", key) end
  for kind in pairs(p) do
    if kind ~= "full_attention" and kind ~= "sliding_attention" then
      refuse("\"" .. tostring(kind) .. "\" is not understood in " .. key
        .. ": it has full_attention and sliding_attention", kind)
    end
  end
  local full = rope_of(c, m, p.full_attention or {}, key, c.rope_theta or theta)
  local windowed = rope_of(c, m, p.sliding_attention or {}, key, c.rope_local_base_freq or local_theta)
  return full, m.window ~= 0 and windowed or nil
end

-- Makes of m.window and the kinds of layers what a spec says: m.window is 0 where no layer has one,
-- and m.full_layers lists those without one where there are both. `slides(i)` says which layers have
-- the window where the config has no layer_types; absent: all.
function huggingface.windows(c, m, slides)
  local kinds, count = c.layer_types, m.layers
  if kinds ~= nil and type(kinds) ~= "table" then refuse("layer_types must be an array", "layer_types") end
  m.full_layers = {}
  m.window = m.window or 0
  if not is_whole(m.window) or not is_whole(count) or count > 1024 then return end -- refused by the program
  if m.window < 0 then refuse("sliding_window must not be below 0", "sliding_window") end
  if kinds and #kinds ~= count then
    refuse(string.format("layer_types has %d layers, but num_hidden_layers is %d", #kinds, math.tointeger(count)),
      "layer_types")
  end
  local windowed = 0
  for i = 0, count - 1 do
    local kind = kinds and kinds[i + 1]
    if kinds and kind ~= "full_attention" and kind ~= "sliding_attention" then
      refuse("layers of the kind \"" .. tostring(kind) .. "\" are not supported yet (layer_types)", "layer_types")
    end
    if kind == "sliding_attention" and m.window == 0 then
      refuse("layer_types has a layer of the kind \"sliding_attention\", but no window is in use",
        "layer_types")
    end
    if m.window > 0 and (kind == "sliding_attention" or not kinds and (not slides or slides(i))) then
      windowed = windowed + 1
    else
      table.insert(m.full_layers, i)
    end
  end
  if windowed == 0 then m.window = 0 end
  if windowed == 0 or windowed == count then m.full_layers = {} end
end

-- For huggingface.windows: the layers from the one that the config's key counts.
function huggingface.from_layer(c, key, absent)
  local first = c[key] or absent
  if not is_whole(first) then refuse(key .. " must be an integer", key) end
  return function(i) return i >= first end
end

-- The config of the language model inside of a multimodal one. Some of its numbers stand outside.
function huggingface.text_config(c)
  local text = c.text_config
  if type(text) ~= "table" then refuse("the config has no text_config, which holds its numbers", "model_type") end
  for _, key in ipairs { "dtype", "torch_dtype", "bos_token_id", "eos_token_id", "tie_word_embeddings" } do
    if c[key] ~= nil then text[key] = c[key] end
  end
  return text
end

return huggingface
