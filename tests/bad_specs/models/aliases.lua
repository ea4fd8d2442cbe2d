-- one table in 2^40 places
local t = { 1 }
for _ = 1, 40 do t = { t, t } end
model {
  name = "x", family = "llama",
  bos = t,
}
