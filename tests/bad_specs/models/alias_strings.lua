-- one string of 4 MiB in a thousand places
local s, t = ("x"):rep(4194000), {}
for i = 1, 1000 do t[i] = s end
model { name = "x", family = "llama", bos = t }
