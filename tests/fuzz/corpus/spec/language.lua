-- what scripts may use, in one file
local t = { 3, 1, 2, "x", nil, true, -0.0, 1 // 1, 7 % 3, 1 << 4, ~1, 0x10, 1e3 }
table.insert(t, 1, "y") table.remove(t) table.sort({ 3, 2, 1 }, function(a, b) return a < b end)
local s = ("ab"):rep(3, ",") .. string.format("%5.2f %d %s %q %%", 1.5, 2, "z", "q") .. #t
for i, v in ipairs(t) do if select("#", i, v) > 2 then break end end
for k, v in pairs({ a = 1, b = KiB }) do s = s .. k .. tostring(v) end
local good, why = pcall(function() error({ s:find("a", 1, true), s:byte(1, -1) }) end)
while good do goto done end
::done::
repeat local x <const> = math.tointeger(3.0) until x or math.type(x) == "integer" or math.ult(1, 2)
model({
  name = s:sub(1, 2), family = "llama", ["dtype"] = "bf16", hidden = 64, layers = 1, vocab = 96,
  mlp = math.floor(48.5), heads = 4, kv_heads = 2, head_dim = tonumber("16"), context = 16,
  norm_eps = 1 / 1e6, rope = { theta = math.max(10000, 2) },
})
