-- no model at all
local x = 1
