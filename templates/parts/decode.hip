//@ local loop = plan.unroll == "loop"
//@ local before, after = stages_outside(false), stages_outside(true)
//@ local layer_0 = stages_of_layer(0)
//@ local head
//@ for _, stage in ipairs(after) do
//@   if bodies[stage.body].op == "linear" then head = stage end
//@ end
//@ local first_linear = next_streaming(layer_0, 0)
//@
//@ -- What a stage's call takes beside the worker: literals, or columns of the layer's row.
//@ local function call(stage, following, row)
//@   local body = bodies[stage.body]
//@   local function number(name, literal)
//@     return row and "layer." .. body.name .. "_" .. name or tostring(literal)
//@   end
//@   local step = row and "layer.first_step + " .. (stage.step - layer_0[1].step) or stage.step
//@   local await = "epoch + " .. number("await", stage.read_epoch)
//@   local publish = "epoch + " .. number("publish", stage.write_epoch)
//@   local name, arguments = "stage_" .. body.name, nil
//@   if body.op == "linear" then
//@     local norm = stage.vector_offset < 0 and "0" or number("norm", hex(stage.vector_offset))
//@     name = name .. "<KIND, " .. following .. ">"
//@     arguments = "worker, stream, " .. step .. ", " .. await .. ", " .. publish .. ", " .. norm
//@   elseif body.op == "attention" then
//@     name = name .. "<KIND>"
//@     arguments = "worker, " .. step .. ", " .. await .. ", " .. publish .. ", " .. number("kv", hex(stage.kv_offset))
//@   end
//@   return name .. "(" .. arguments .. ");"
//@ end
//@ local function line(indent, stage, text)
//@   from(stage.step, stage.spec_file, stage.spec_line)
//@   local step = stage.step .. (loop and stage.layer == 0 and " + " .. #layer_0 .. " a layer" or "")
//@   local place = stage_lines[bodies[stage.body].op]
//@   local note = "// step " .. step .. "   " .. place
//@   local cut = string.find(text, ", epoch")
//@   if #indent + #text <= 92 or not cut then
$(indent .. pad(text, 92 - #indent) .. " " .. note)
//@   else
$(indent .. pad(string.sub(text, 1, cut), 92 - #indent) .. " " .. note)
$(indent .. "    " .. string.sub(text, cut + 2))
//@   end
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
//@   local columns = {}
//@   for _, stage in ipairs(layer_0) do
//@     local name, op = stage.body, bodies[stage.body].op
//@     columns[#columns + 1] = { name = name .. "_await", type = "u32", field = "read_epoch", body = name }
//@     columns[#columns + 1] = { name = name .. "_publish", type = "u32", field = "write_epoch", body = name }
//@     if stage.vector_offset >= 0 then
//@       columns[#columns + 1] = { name = name .. "_norm", type = "u64", field = "vector_offset", body = name }
//@     end
//@     if stage.kv_offset >= 0 then
//@       columns[#columns + 1] = { name = name .. "_kv", type = "u64", field = "kv_offset", body = name }
//@     end
//@   end
//@   for _, column in ipairs(columns) do
    $(column.type) $(column.name);
//@   end
};
CONSTANT_TABLE Layer LAYER_ROWS[LAYERS] = {
//@   for layer = 0, plan.shape.layers - 1 do
//@     local stages = stages_of_layer(layer)
//@     local fields = { stages[1].step }
//@     for _, column in ipairs(columns) do
//@       for _, stage in ipairs(stages) do
//@         if stage.body == column.body then
//@           local number = stage[column.field]
//@           fields[#fields + 1] = column.type == "u64" and hex(number) or number
//@         end
//@       end
//@     end
    {$(table.concat(fields, ", "))}, // layer $(layer)
//@   end
};

// In the last layer the weights go on elsewhere.
DEVICE Slice next_layer_slice(const Worker &worker) {
    const bool last = worker.step + $(#layer_0) > $(head.step);
    return last ? after_layers_slice(worker) : $(first_linear.body)_slice(worker);
}
//@ end

// A stage's call: (worker, weights in flight, step, epoch it awaits, epoch it publishes, where its
// norm weights or its KV cache lie). In <>: whose weights to fetch while it ends.
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
        if constexpr (KIND & HANDS_OFF) {
            const float *rope = argument_rope() + (u64)worker.position * HEAD_DIM;
            for (int i = (int)lane(); i < HEAD_DIM; i += (int)WAVE_LANES)
                lds.rope[i] = rope[i];
        }

//@ for _, stage in ipairs(before) do
//@   line("        ", stage, "stage_" .. stage.body .. "<KIND>(worker, " .. stage.step .. ", token, epoch + " .. stage.write_epoch .. ");")
//@ end
//@ if loop then
        NO_UNROLL
        for (int layer_index = 0; layer_index < LAYERS; layer_index++) {
            const Layer &layer = LAYER_ROWS[layer_index];
//@   for i, stage in ipairs(layer_0) do
//@     line("            ", stage, call(stage, following_of(layer_0, i, "next_layer_slice"), true))
//@   end
        }
//@ else
//@   for layer = 0, plan.shape.layers - 1 do
        // ---- layer $(layer) ----
//@     local stages = stages_of_layer(layer)
//@     local last = layer + 1 < plan.shape.layers and stages_of_layer(layer + 1)[1].body .. "_slice" or "after_layers_slice"
//@     for i, stage in ipairs(stages) do
//@       line("        ", stage, call(stage, following_of(stages, i, last), false))
//@     end
//@   end
//@ end

        // ---- head, where this position needs it ----
        if (head) {
//@ for _, stage in ipairs(after) do
//@   local op = bodies[stage.body].op
//@   if op == "linear" then
//@     line("            ", stage, call(stage, "first_layer_slice", false))
//@   elseif op == "select" then
//@     line("            ", stage, "stage_" .. stage.body .. "<KIND>(worker, " .. stage.step .. ", epoch + " .. stage.read_epoch .. ", epoch + " .. stage.write_epoch .. ", index, epoch + EPOCHS_PER_STEP);")
//@   end
//@ end
        }
//@ for _, stage in ipairs(after) do
//@   if bodies[stage.body].op == "token" then
//@     line("        ", stage, "stage_" .. stage.body .. "<KIND>(worker, " .. stage.step .. ", epoch + " .. stage.read_epoch .. ", index, head);")
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
