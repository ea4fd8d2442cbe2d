//@ local loop = plan.unroll == "loop"
//@ local before, after = stages_outside(false), stages_outside(true)
//@ local layer_0 = stages_of_layer(0)
//@ local head
//@ for _, stage in ipairs(after) do
//@   if bodies[stage.body].op == "linear" then head = stage end
//@ end
//@ local first_linear = next_streaming(layer_0, 0)
//@ local function streams(stage) return bodies[stage.body].op == "linear" end
//@ -- Where each table of RoPE starts in its memory, and a position's row of it in LDS.
//@ local rope_start, rope_first = {}, {}
//@ local rope_floats, rope_row = 0, 0
//@ for i, rope in ipairs(plan.ropes) do
//@   rope_start[i], rope_first[i] = rope_floats, rope_row
//@   rope_floats = rope_floats + plan.shape.context * 2 * rope.pairs
//@   rope_row = rope_row + 2 * rope.pairs
//@ end
//@
//@ -- The numbers that a stage's call takes beside the worker, in the order of its parameters:
//@ -- { name, type, literal }. Two of a name that differs are a Mail.
//@ local function numbers(stage)
//@   local body, list = bodies[stage.body], {}
//@   local function add(name, type, literal, there)
//@     if there then list[#list + 1] = { name = name, type = type, literal = tostring(literal) } end
//@   end
//@   local function mail(name, mailbox, epoch)
//@     add(name .. "_slot", "u32", mailbox and "MAIL_" .. string.upper(mailbox), mailbox)
//@     add(name .. "_epoch", "u32", epoch, mailbox)
//@   end
//@   local attention = body.op == "attention"
//@   add("token", "u32", "token", body.op == "embed")
//@   mail("in", stage.reads_from, stage.read_epoch)
//@   mail("out", stage.writes_to, stage.write_epoch)
//@   add("norm", "u64", hex(stage.norm_offset), stage.norm_offset >= 0)
//@   add("bias", "u64", hex(stage.bias_offset), stage.bias_offset >= 0)
//@   add("kv", "u64", hex(stage.kv_offset), attention)
//@   add("q_norm", "u64", hex(stage.q_norm_offset), stage.q_norm_offset >= 0)
//@   add("k_norm", "u64", hex(stage.k_norm_offset), stage.k_norm_offset >= 0)
//@   add("rope", "u32", stage.rope >= 0 and rope_first[stage.rope + 1], stage.rope >= 0)
//@   add("window", "u32", stage.window, attention and windows[stage.body])
//@   return list
//@ end
//@
//@ -- Of the layers' numbers, those that are not the same in all: columns of the table.
//@ local columns, varies = {}, {}
//@ for i, stage in ipairs(layer_0) do
//@   for k, number in ipairs(numbers(stage)) do
//@     local name = stage.body .. "_" .. number.name
//@     for layer = 1, plan.shape.layers - 1 do
//@       if loop and numbers(stages_of_layer(layer)[i])[k].literal ~= number.literal then varies[name] = true end
//@     end
//@     if varies[name] then columns[#columns + 1] = { name = name, type = number.type, stage = i, number = k } end
//@   end
//@ end
//@
//@ -- The call of a stage, its numbers as literals or from the layer's row.
//@ -- following: the slice whose weights it fetches; row: whether the layer is a row; last: arguments
//@ -- that come after its numbers.
//@ local function arguments_of(stage, row, last)
//@   local step = row and "layer.first_step + " .. (stage.step - layer_0[1].step) or tostring(stage.step)
//@   local list = { step }
//@   if streams(stage) then list = { "stream", step } end
//@   local slot
//@   for _, number in ipairs(numbers(stage)) do
//@     local name = stage.body .. "_" .. number.name
//@     local value = row and varies[name] and "layer." .. name or number.literal
//@     if string.sub(number.name, -5) == "_slot" then slot = value
//@     elseif string.sub(number.name, -6) == "_epoch" then
//@       list[#list + 1] = "{" .. slot .. ", epoch + " .. value .. "}"
//@     else list[#list + 1] = value end
//@   end
//@   for _, argument in ipairs(last or {}) do list[#list + 1] = argument end
//@   return list
//@ end
//@ local function call(indent, stage, following, row, last)
//@   from(stage.step, stage.spec_file, stage.spec_line)
//@   local step = stage.step .. (loop and stage.layer == 0 and " + " .. #layer_0 .. " n" or "")
//@   local place = stage_lines[bodies[stage.body].op]
//@   local kind = "stage_" .. stage.body .. "<KIND" .. (following and ", " .. following or "") .. ">("
//@   local text, width = "worker", #indent + 10
//@   for _, argument in ipairs(arguments_of(stage, row, last)) do
//@     if width + 2 + #argument > 97 then
//@       text, width = text .. ",\n" .. indent .. "    " .. argument, #indent + 4 + #argument
//@     else
//@       text, width = text .. ", " .. argument, width + 2 + #argument
//@     end
//@   end
$(indent .. pad(kind, 58 - #indent) .. " // step " .. pad(step, 3) .. "  " .. place)
$(indent)    $(text));
//@   from()
//@ end
//@ local function following_of(list, index, last)
//@   local following = next_streaming(list, index)
//@   if following then return following.body .. "_slice" end
//@   return last
//@ end

// What streams after the last layer: the head where this position needs it, else the first layer of
// the next position.
DEVICE Slice first_layer_slice(const Worker &worker) {
//@ local first_partition = bodies[first_linear.body].partition
    const int tiles = $(first_partition)_end() - $(first_partition)_first();
    return Slice{layers_weights(worker), tiles, $(first_linear.body)_shape::UNITS};
}
DEVICE Slice after_layers_slice(const Worker &worker) {
    return Slice{worker.after_layers, worker.after_layers_tiles, worker.after_layers_units};
}
//@ if loop then

// The layers: one row each. Columns are the literals of the layer's stages.
struct Layer {
    u32 first_step;
//@   for _, column in ipairs(columns) do
    $(column.type) $(column.name);
//@   end
};
CONSTANT_TABLE Layer LAYER_ROWS[LAYERS] = {
//@   local rows, widths = {}, {}
//@   for layer = 0, plan.shape.layers - 1 do
//@     local stages = stages_of_layer(layer)
//@     local fields = { tostring(stages[1].step) }
//@     for _, column in ipairs(columns) do
//@       fields[#fields + 1] = numbers(stages[column.stage])[column.number].literal
//@     end
//@     for i, field in ipairs(fields) do widths[i] = math.max(widths[i] or 0, #field) end
//@     rows[#rows + 1] = fields
//@   end
//@   for i, fields in ipairs(rows) do
//@     local text, column = "{", 5
//@     for k, field in ipairs(fields) do
//@       if column + widths[k] > 82 then text, column = text .. "\n     ", 5 end
//@       text = text .. left_pad(field, widths[k]) .. (k == #fields and "}," or ",")
//@       column = column + widths[k] + 2
//@       if k < #fields and column + widths[k + 1] <= 82 then text = text .. " " end
//@     end
    $(text) // layer $(i - 1)
//@   end
};

// In the last layer the weights go on elsewhere.
DEVICE Slice next_layer_slice(const Worker &worker) {
    const bool last = worker.step + $(#layer_0) > $(head.step);
    return last ? after_layers_slice(worker) : $(first_linear.body)_slice(worker);
}
//@ end

//@ if #plan.ropes > 0 then
// Takes this position's row, `floats` long, of a table of RoPE to lds.rope + first.
DEVICE void take_rope(const Worker &worker, u64 table, int floats, int first) {
    const float *row = argument_rope() + table + (u64)worker.position * floats;
    for (int i = (int)lane(); i < floats; i += (int)WAVE_LANES)
        lds.rope[first + i] = row[i];
}

//@ end
// A stage's call: (worker, weights in flight, step, {mailbox and epoch it awaits}, {those it
// publishes}, where its norm weights, its bias or its KV cache lie ...). In <>: whose weights to
// fetch while it ends.$(loop and " n: the layer." or "")
template <u32 KIND> DEVICE void decode_loop(Worker &worker) {
    Stream stream;
    if constexpr (KIND & STREAMS)
        stream_prefetch(stream, first_layer_slice(worker));
    u32 token = argument_prompt()[0];
    NO_UNROLL
    for (u32 index = 0;; index++) { // of the position in this launch
        const u32 epoch = argument_epoch_base() + index * EPOCHS_PER_STEP;
        const u32 generating = index + 1 >= argument_prompt_tokens() && argument_max_tokens() > 0;
        const u32 head = generating | argument_export_logits();
        worker.position = argument_first_position() + index;
        worker.run = layers_weights(worker);
        const Slice after = head ? $(head.body)_slice(worker) : first_layer_slice(worker);
        worker.after_layers = after.start;
        worker.after_layers_tiles = after.tiles;
        worker.after_layers_units = after.units;
//@ if #plan.ropes > 0 then
        if constexpr (KIND & HANDS_OFF) {
//@   for i, rope in ipairs(plan.ropes) do
//@     local floats = 2 * rope.pairs
            take_rope(worker, $(rope_start[i]), $(floats), $(rope_first[i])); // $(rope.name)
//@   end
        }
//@ end

//@ for _, stage in ipairs(before) do call("        ", stage) end
//@ if loop then
        NO_UNROLL
        for (int layer_index = 0; layer_index < LAYERS; layer_index++) {
            const Layer &layer = LAYER_ROWS[layer_index];
//@   for i, stage in ipairs(layer_0) do
//@     call("            ", stage, streams(stage) and following_of(layer_0, i, "next_layer_slice"), true)
//@   end
        }
//@ else
//@   for layer = 0, plan.shape.layers - 1 do
        // ---- layer $(layer) ----
//@     local stages = stages_of_layer(layer)
//@     local last = layer + 1 < plan.shape.layers and stages_of_layer(layer + 1)[1].body .. "_slice" or "after_layers_slice"
//@     for i, stage in ipairs(stages) do
//@       call("        ", stage, streams(stage) and following_of(stages, i, last))
//@     end
//@   end
//@ end

        // ---- head, where this position needs it ----
        if (head) {
//@ for _, stage in ipairs(after) do
//@   local op = bodies[stage.body].op
//@   if op == "linear" then call("            ", stage, "first_layer_slice") end
//@   if op == "select" then call("            ", stage, nil, false, { "index", "epoch + EPOCHS_PER_STEP" }) end
//@ end
        }
//@ for _, stage in ipairs(after) do
//@   if bodies[stage.body].op == "token" then
//@     call("        ", stage, nil, false, { "index", "head" })
//@   end
//@ end
        token = uniform(lds.token[0]);
        if (uniform(lds.token[1]))
            break;
        workgroup_barrier(); // everybody has read it
    }
    if ((KIND & HANDS_OFF) && worker.cu == 0 && lane() == 0)
        argument_control()->ended = 1;
}

DEVICE void decode() {
    Worker worker;
    worker.weights = argument_weights();
    worker.vectors = argument_vectors();
    worker.kv = argument_kv();
    worker.mailboxes = argument_mailboxes();
    worker.step = 0;
    worker.position = argument_first_position();
    if (!take_role(worker))
        return;
    if constexpr (ONE_WAVE) {
        await_roles(worker);
        decode_loop<STREAMS | HANDS_OFF>(worker);
    } else if (wave() < STREAMING_WAVES) {
        decode_loop<STREAMS>(worker);
    } else {
        await_roles(worker);
        decode_loop<HANDS_OFF>(worker);
    }
}

KERNEL_ENTRY(monogen_decode, WORKGROUP_THREADS, decode)
