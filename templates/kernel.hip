//@ -- The table of contents of an emitted kernel. `plan` is all that templates see.
//@ include("parts/lookup.hip")
//@ include("parts/overview.hip")

// ==== 1. the device: primitives of $(plan.machine.prelude) ====
//@ verbatim("device/" .. plan.machine.prelude .. ".h")

// ==== 2. the numbers of this kernel ====
//@ include("parts/constants.hip")

// ==== 3. what host and kernel share ====
//@ verbatim("../runtime/kernel_control.h")
//@ if plan.trace then verbatim("../runtime/kernel_trace.h") end

//@ include("parts/arguments.hip")

// ==== 4. roles: which CU does what ====
//@ include("parts/roles.hip")

// ==== 5. LDS, the worker, hand-offs ====
//@ include("parts/worker.hip")
//@ if plan.trace then include("parts/trace.hip") end

// ==== 6. the engine: how weights stream and rows are multiplied ====
//@ include("engine/" .. plan.engine.name .. ".hip")
//@ include("engine/" .. plan.engine.name .. "_attention.hip")
//@ include("parts/activations.hip")

// ==== 7. the stages ====
//@ for _, body in ipairs(plan.bodies) do
//@   current_body = body
//@   include("stage_" .. body.op .. ".hip")
//@ end

// ==== 8. the decode loop ====
//@ include("parts/decode.hip")
