//@ local shape, machine = plan.shape, plan.machine
// $(plan.model) on $(machine.name): one persistent kernel, batch 1.
// $(plan.generator), tuning $(plan.tuning)
// Kernel $(plan.kernel_digest)
// Made by: $(plan.command)
//
// Reading order: the decode loop at the end of the file is the program; each of its lines calls one
// stage of section 7. A stage waits for its inputs, stages them in LDS, multiplies this CU's share
// of the rows, finishes them and publishes them. Comments such as `step 3  stage_linear.hip:20`
// name the step of the plan (2-plan.lua) and the template line; the .map file does so for every
// line.
//
//@ local function stage_row(stage, times)
//@   local body = bodies[stage.body]
//@   local partition = partitions[body.partition]
//@   local busy, most = 0, 0
//@   for cu = 1, machine.cus do
//@     local tiles = partition.first_tile[cu + 1] - partition.first_tile[cu]
//@     if tiles > 0 then busy = busy + 1 end
//@     most = math.max(most, tiles)
//@   end
//@   local size = body.rows .. (body.columns > 0 and " x " .. body.columns or "")
//@   local scope = body.reads[1] and body.reads[1].scope or "-"
//@   local kib_per_cu = most * body.units * plan.engine.unit_bytes / KiB
//@   local us = string.format("%.1f-%.1f", stage.predicted_us_low, stage.predicted_us_high)
//@   local line = table.concat({ pad(times, 6), pad(body.name, 17), pad(size, 15), left_pad(busy, 4),
//@                               left_pad(rounded(kib_per_cu), 8), " " .. pad(scope, 13), left_pad(us, 11) }, " ")
//   $(line)
//@ end
//   times  stage             rows x columns   CUs   KiB/CU   hand-off in    us (predicted)
//@ for _, body in ipairs(plan.bodies) do
//@   local first, times = nil, 0
//@   for _, stage in ipairs(plan.stages) do
//@     if stage.body == body.name then first = first or stage; times = times + 1 end
//@   end
//@   stage_row(first, times)
//@ end
//
//@ local cost = plan.cost
//@ local function range(low, high) return rounded(low) .. "-" .. rounded(high) end
//@ local total, memory = range(cost.total_us_low, cost.total_us_high), range(cost.memory_us_low, cost.memory_us_high)
//@ local terms = "memory " .. memory .. ", hand-offs " .. rounded(cost.handoff_us)
//   $(rounded(shape.bytes_per_token / 1e6)) MB of weights a token; predicted $(total) us a token
//   ($(terms)): a prediction, not a measurement.
//
//@ for iod = 0, 63 do
//@   local line
//@   for _, xcd in ipairs(machine.xcds) do
//@     if xcd.iod == iod then
//@       local cus = xcd.cus == 0 and "none" or xcd.first_cu .. "-" .. (xcd.first_cu + xcd.cus - 1)
//@       line = (line or "IOD " .. iod .. ":") .. "  XCD " .. xcd.xcd .. " (CUs " .. cus .. ")"
//@     end
//@   end
//@   if line then
//   $(line)
//@   end
//@ end
