//@ local shape, machine, engine = plan.shape, plan.machine, plan.engine
//@ local function constant(type, name, value, note)
$(noted("", "constexpr " .. type .. " " .. name .. " = " .. value .. ";", 44, note))
//@ end
//@ local file = ""
//@ for _, c in ipairs(plan.constants) do
//@   -- A number from the command line has no line.
//@   local place = (c.file == file and "" or c.file) .. (c.line > 0 and ":" .. c.line or "")
//@   file = c.file
//@   if c.line > 0 then from(nil, c.file, c.line) else from() end
//@   constant("int", c.name, c.value, place)
//@ end
//@ from()
constexpr float NORM_EPS = $(string.format("%.9g", shape.norm_eps))f;
//@ constant("int", "CUS", machine.cus, "that have a role")
//@ constant("int", "XCDS", #machine.xcds, "in the table of roles")
//@ constant("u32", "STREAMING_WAVES", machine.streaming_waves, "of a workgroup: multiply")
//@ local one_wave = machine.handoff_waves == 0
//@ constant("u32", "HANDOFF_WAVES", math.max(machine.handoff_waves, 1), "of a workgroup: wait, finish, publish")
//@ constant("int", "WORKGROUP_THREADS", machine.workgroup_threads, "all waves of a workgroup")
//@ constant("int", "UNIT_BYTES", engine.unit_bytes, "of weights: one load of a wave")
//@ if engine.prefetch_units > 0 then
//@   constant("int", "PREFETCH_UNITS", engine.prefetch_units, engine.copy_bytes > 0 and "copies under way" or "of a wave in flight across stages")
//@ end
//@ constant("int", "HANDOFF_BATCH", engine.handoff_batch, "pairs of a lane that one poll looks at")
//@ constant("u32", "EPOCHS_PER_STEP", plan.epochs_per_step, "of one position")
//@ constant("int", "QUERY_GROUP", shape.heads // shape.kv_heads, "query heads that share a KV head")
//@ constant("int", "KV_ROW", plan.kv.row_elements, "elements of a K or V row in the cache")
//@ constant("u32", "KV_BLOCK", plan.kv.block, "positions that follow each other in a split")
//@ constant("u64", "KV_SPLIT_BYTES", plan.kv.split_positions * plan.kv.row_elements * plan.kv.element_bytes, "K, or V, of one KV head in one split")
//@ constant("u64", "KV_HEAD_BYTES", plan.kv.head_bytes, "K, or V, of one KV head")
//@ constant("int", "WEIGHT_BYTES", engine.unit_bytes // engine.unit_elements, "of a weight")

// What a wave does. Each kind runs the decode loop with only its own parts of the stages in it;
// they meet at the barriers.
constexpr u32 STREAMS = 1;   // multiplies weights
constexpr u32 HANDS_OFF = 2; // waits, finishes rows, publishes
//@ if one_wave then
constexpr bool ONE_WAVE = true; // does both
constexpr u32 FIRST_HANDOFF_WAVE = 0;
//@ else
constexpr bool ONE_WAVE = false; // waves after the streaming ones hand off
constexpr u32 FIRST_HANDOFF_WAVE = STREAMING_WAVES;
//@ end

typedef $(shape.kv_dtype) KvElement;
typedef $(shape.weight_dtype) Weight;
DEVICE float weight_to_float(Weight x) { return $(shape.weight_dtype)_to_float(x); }

// Mailboxes: where each starts in the arena of (value, epoch) pairs.
//@ for _, mailbox in ipairs(plan.mailboxes) do
//@   constant("int", "MAIL_" .. string.upper(mailbox.name), mailbox.first_pair,
//@            mailbox.pairs .. " pairs: " .. mailbox.holds)
//@ end

// Stages: the shape of each product. A tile is TILE_ROWS rows, cut into UNITS of UNIT_COLUMNS
// columns.
//@ for _, body in ipairs(plan.bodies) do
//@   if body.op == "linear" then
struct $(body.name)_shape {
    static constexpr int ROWS = $(body.rows), COLUMNS = $(body.columns);
    static constexpr int TILE_ROWS = $(body.tile_rows), UNIT_COLUMNS = $(body.unit_columns),
                         UNITS = $(body.units);
    static constexpr int PASS_TILES = $(body.pass_tiles); // whose partial sums LDS holds at once
};
//@   end
//@ end
