-- one operation that would take memory without end
local s = ("x"):rep(1 << 40)
model { name = s }
