-- A library as it should be.
local parts = {}

function parts.norm(x, tensor) return rmsnorm(x, tensor) end

-- x as often as options.times says.
function parts.repeated(x, options)
  check_names(options, { times = true }, "the options of parts.repeated")
  return x * (options.times or 1)
end

return parts
