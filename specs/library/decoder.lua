-- Parts that the graphs of decoders share.
local decoder = {}

-- The number of that name, which must be from `least` to `most`.
function decoder.within(m, name, least, most)
  if not (m[name] >= least and m[name] <= most) then
    refuse(string.format("%s must be from %.15g to %.15g, not %.15g", name, least, most, m[name]), name)
  end
  return m[name]
end

-- How many positions layer i sees; false: all. m.window is 0 where no layer has one, and m.full_layers
-- lists those without one.
function decoder.window(m, i)
  local window = decoder.within(m, "window", 0, 1 << 24)
  for _, layer in ipairs(m.full_layers) do
    if layer == i then return false end
  end
  return window > 0 and window
end

-- The tensor names w where the model has such tensors; else a function that names none: as a bias, no bias.
function decoder.only_if(there, w)
  return there and w or function() return false end
end

-- x through the activation that m.activation names.
function decoder.activate(m, x)
  local by_name = { silu = silu, gelu = gelu, gelu_tanh = gelu_tanh }
  if not by_name[m.activation] then
    refuse("there is no activation \"" .. m.activation .. "\", only silu, gelu and gelu_tanh", "activation")
  end
  return by_name[m.activation](x)
end

return decoder
