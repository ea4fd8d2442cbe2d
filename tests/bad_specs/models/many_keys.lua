-- a hundred thousand keys that are none
local t = { name = "x", family = "llama" }
for i = 1, 100000 do t["hidden" .. i] = i end
model(t)
