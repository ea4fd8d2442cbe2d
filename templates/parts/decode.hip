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
//@ -- { name, type, value, text }. A slot and the epoch after it are a Mail.
//@ local function numbers(stage)
//@   local body, list = bodies[stage.body], {}
//@   local function add(name, type, value, text, there)
//@     if there then list[#list + 1] = { name = name, type = type, value = value, text = text } end
//@   end
//@   local function offset(name, type, value) add(name, type, value, hex(value), value >= 0) end
//@   local function mail(name, mailbox, epoch)
//@     if mailbox then
//@       add(name .. "_slot", "u32", mailboxes[mailbox].first_pair, "MAIL_" .. string.upper(mailbox), true)
//@       add(name .. "_epoch", "u32", epoch, tostring(epoch), true)
//@     end
//@   end
//@   mail("in", stage.reads_from, stage.read_epoch)
//@   mail("out", stage.writes_to, stage.write_epoch)
//@   offset("norm", "u32", stage.norm_offset)
//@   offset("bias", "u32", stage.bias_offset)
//@   offset("kv", "u64", stage.kv_offset)
//@   offset("q_norm", "u32", stage.q_norm_offset)
//@   offset("k_norm", "u32", stage.k_norm_offset)
//@   local rope = rope_first[stage.rope + 1]
//@   add("rope", "u32", rope, tostring(rope), stage.rope >= 0)
//@   add("window", "u32", stage.window, tostring(stage.window), body.op == "attention" and windows[stage.body])
//@   return list
//@ end
//@
//@ -- In a loop, a number is the same in all layers, grows by the same from each to the next, or is a
//@ -- column of the table of layers.
//@ local columns, in_loop = {}, {}
//@ local function number_in_loop(stage_index, number_index, number, name)
//@   local values = {}
//@   for layer = 0, plan.shape.layers - 1 do
//@     values[#values + 1] = numbers(stages_of_layer(layer)[stage_index])[number_index].value
//@   end
//@   local apart, even = (values[2] or values[1]) - values[1], true
//@   for i = 2, #values do even = even and values[i] - values[i - 1] == apart end
//@   if even and apart == 0 then return number.text end
//@   if even and apart > 0 then
//@     if apart == 1 then return values[1] == 0 and "layer" or values[1] .. " + layer" end
//@     return (number.type == "u64" and "far_at" or "at") .. "(layer, " .. hex(values[1]) .. ", " .. hex(apart) .. ")"
//@   end
//@   columns[#columns + 1] = { name = name, type = number.type, stage = stage_index, number = number_index }
//@   return "row." .. name
//@ end
//@ for i, stage in ipairs(loop and layer_0 or {}) do
//@   for k, number in ipairs(numbers(stage)) do
//@     local name = stage.body .. "_" .. number.name
//@     in_loop[name] = number_in_loop(i, k, number, name)
//@   end
//@ end
//@
//@ -- The call of a stage in two parts: the function, and its arguments, numbers as literals or from
//@ -- the layer's row.
//@ local function call(stage, following, row)
//@   local body = bodies[stage.body]
//@   local step = row and stage.step .. " + layer * " .. #layer_0 or stage.step
//@   local name = "stage_" .. body.name .. "<KIND" .. (following and ", " .. following or "") .. ">("
//@   local text = "worker, " .. (body.op == "linear" and "stream, " or "") .. step
//@   for _, number in ipairs(numbers(stage)) do
//@     local name = stage.body .. "_" .. number.name
//@     local value = row and in_loop[name] or number.text
//@     if string.sub(number.name, -5) == "_slot" then text = text .. ", {" .. value
//@     elseif string.sub(number.name, -6) == "_epoch" then text = text .. ", epoch + " .. value .. "}"
//@     else text = text .. ", " .. value end
//@   end
//@   return name, text
//@ end
//@ local function line(indent, stage, more, name, arguments)
//@   from(stage.step, stage.spec_file, stage.spec_line)
//@   local step = stage.step .. (loop and stage.layer == 0 and " + " .. #layer_0 .. " a layer" or "")
//@   local place = stage_lines[bodies[stage.body].op]
//@   local note = "// step " .. step .. "  " .. place
//@   local text, width = indent .. name .. arguments .. more .. ");", 53
//@   if #text < width or #text + 1 + #note <= COLUMNS then
$(pad(text, width) .. " " .. note)
//@   else
//@     local inner = indent .. "    "
$(pad(indent .. name, width) .. " " .. note)
$(wrapped(inner .. arguments .. more .. ");", #inner, 0))
//@   end
//@   from()
//@   trace(indent, "ENDS")
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

// What grows by the same from each layer to the next.
DEVICE u32 at(u32 layer, u32 first, u32 apart) { return first + fresh(layer) * apart; }
DEVICE u64 far_at(u32 layer, u64 first, u64 apart) { return first + fresh(layer) * apart; }
//@   if #columns > 0 then

// What else differs between layers: a row each.
struct Layer {
//@     for _, column in ipairs(columns) do
    $(column.type) $(column.name);
//@     end
};
CONSTANT_TABLE Layer LAYER_ROWS[LAYERS] = {
//@     for layer = 0, plan.shape.layers - 1 do
//@       local stages, fields = stages_of_layer(layer), {}
//@       for _, column in ipairs(columns) do
//@         fields[#fields + 1] = numbers(stages[column.stage])[column.number].text
//@       end
    {$(table.concat(fields, ", "))}, // layer $(layer)
//@     end
};
//@   end

// In the last layer the weights go on elsewhere.
DEVICE Slice next_layer_slice(const Worker &worker) {
    const bool last = worker.step + $(#layer_0) > $(head.step);
    return last ? after_layers_slice(worker) : $(first_linear.body)_slice(worker);
}
//@ end

// A stage's call: (worker, weights in flight, step, {mailbox and epoch it awaits}, {those it
// publishes}, where its norm weights, its bias or its KV cache lie ...). In <>: whose weights to
// fetch while it ends.
template <u32 KIND> DEVICE void decode_loop(Worker &worker) {
    Stream stream;
    stream_prefetch<KIND>(worker, stream, first_layer_slice(worker));
    u32 token = argument_prompt()[0];
    NO_UNROLL
    for (u32 index = 0;; index++) { // of the position in this launch
        const u32 epoch = argument_epoch_base() + index * EPOCHS_PER_STEP;
        const u32 generating = index + 1 >= argument_prompt_tokens() && argument_max_tokens() > 0;
        const u32 head = generating | argument_export_logits();
        worker.position = argument_first_position() + index;
//@ if plan.trace then
        trace_position<KIND>(worker);
//@ end
        worker.run = layers_weights(worker);
        const Slice after = head ? $(head.body)_slice(worker) : first_layer_slice(worker);
        worker.after_layers = after.start;
        worker.after_layers_tiles = after.tiles;
        worker.after_layers_units = after.units;
        if constexpr (KIND & HANDS_OFF) {
//@ for i, rope in ipairs(plan.ropes) do
            // $(rope.name)
            const float *rope_$(i) =
                argument_rope() + $(rope_start[i]) + (u64)worker.position * $(2 * rope.pairs);
            for (int i = (int)handoff_lane(); i < $(2 * rope.pairs); i += HANDOFF_LANES)
                lds.rope[$(rope_first[i]) + i] = rope_$(i)[i];
//@ end
        }

//@ for _, stage in ipairs(before) do
//@   local out = stage.writes_to and ", {MAIL_" .. string.upper(stage.writes_to) .. ", epoch + " .. stage.write_epoch .. "}" or ""
//@   line("        ", stage, ", token" .. out, "stage_" .. stage.body .. "<KIND>(", "worker, " .. stage.step)
//@ end
//@ if loop then
        NO_UNROLL
        for (u32 layer = 0; layer < LAYERS; layer++) {
//@   if #columns > 0 then
            const Layer &row = LAYER_ROWS[layer];
//@   end
//@   for i, stage in ipairs(layer_0) do
//@     line("            ", stage, "", call(stage, streams(stage) and following_of(layer_0, i, "next_layer_slice"), true))
//@   end
        }
//@ else
//@   for layer = 0, plan.shape.layers - 1 do
        // ---- layer $(layer) ----
//@     local stages = stages_of_layer(layer)
//@     local last = layer + 1 < plan.shape.layers and stages_of_layer(layer + 1)[1].body .. "_slice" or "after_layers_slice"
//@     for i, stage in ipairs(stages) do
//@       line("        ", stage, "", call(stage, streams(stage) and following_of(stages, i, last), false))
//@     end
//@   end
//@ end

        // ---- head, where this position needs it ----
        if (head) {
//@ for _, stage in ipairs(after) do
//@   local op = bodies[stage.body].op
//@   if op == "linear" then
//@     line("            ", stage, "", call(stage, "first_layer_slice", false))
//@   elseif op == "select" then
//@     line("            ", stage, ", index, epoch + EPOCHS_PER_STEP", call(stage, nil, false))
//@   end
//@ end
        }
//@ for _, stage in ipairs(after) do
//@   if bodies[stage.body].op == "token" then
//@     line("        ", stage, ", index, head", call(stage, nil, false))
//@   end
//@ end
//@ if plan.trace then
        trace<KIND>(worker, KERNEL_TRACE_OVER, worker.position);
//@ end
        token = uniform(lds.token[0]);
        if (uniform(lds.token[1] | lds.token[2]))
            break;
        stage_barrier(); // everybody has read it
    }
    lds.token[1] = 1; // also after a fault
    if ((KIND & HANDS_OFF) && worker.cu == 0 && handoff_lane() == 0)
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
    worker.gave_up = false;
    if (wave() == 0 && lane() == 0)
        lds.token[1] = lds.token[2] = 0;
    stream_open();
    if (!take_role(worker))
        return;
    if constexpr (ONE_WAVE) {
        await_roles(worker);
        decode_loop<STREAMS | HANDS_OFF>(worker);
    } else if (wave() < STREAMING_WAVES) {
        decode_loop<STREAMS>(worker);
//@ if plan.machine.copy_waves > 0 then
    } else if (wave() >= STREAMING_WAVES + HANDOFF_WAVES) {
        copy_weights(worker);
//@ end
    } else {
        await_roles(worker);
        decode_loop<HANDS_OFF>(worker);
    }
}

KERNEL_ENTRY(monogen_decode, WORKGROUP_THREADS, decode)
