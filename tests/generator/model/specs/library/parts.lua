-- What every_option shares with itself.
local parts = {}

-- Whether the list holds the value.
function parts.contains(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

function parts.add_norm(x, tensor, add) return rmsnorm(x, tensor, { add = add }) end

return parts
