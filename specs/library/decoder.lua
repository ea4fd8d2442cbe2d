-- Parts that the graphs of decoders share.
local decoder = {}

-- How many positions layer i sees; false: all. m.window is 0 where no layer has one, and m.full_layers
-- lists those without one.
function decoder.window(m, i)
  if m.window < 0 then refuse("window must not be below 0", "window") end
  for _, layer in ipairs(m.full_layers) do
    if layer == i then return false end
  end
  return m.window > 0 and m.window
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
