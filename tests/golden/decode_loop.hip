// ==== 8. the decode loop ====

// What streams after the last layer: the head where this position needs it, else the first layer of
// the next position.
DEVICE Slice first_layer_slice(const Worker &worker) {
    const int tiles = qkv_end() - qkv_first();
    return Slice{layers_weights(worker), tiles, qkv_shape::UNITS};
}
DEVICE Slice after_layers_slice(const Worker &worker) {
    return Slice{worker.after_layers, worker.after_layers_tiles, worker.after_layers_units};
}

// The layers: one row each. Columns are the literals of the layer's stages.
struct Layer {
    u32 first_step;
    u32 qkv_in_epoch;
    u32 qkv_out_epoch;
    u64 qkv_norm;
    u32 attention_in_epoch;
    u32 attention_out_epoch;
    u64 attention_kv;
    u32 attention_output_in_epoch;
    u32 attention_output_out_epoch;
    u32 gate_up_in_epoch;
    u32 gate_up_out_epoch;
    u64 gate_up_norm;
    u32 down_in_epoch;
    u32 down_out_epoch;
};
CONSTANT_TABLE Layer LAYER_ROWS[LAYERS] = {
    {1, 0, 0,   0x0, 0, 0,    0x0, 0, 0, 0, 0, 0x100, 0, 1}, // layer 0
    {6, 1, 1, 0x200, 1, 1, 0x2000, 1, 1, 1, 1, 0x300, 1, 2}, // layer 1
};

// In the last layer the weights go on elsewhere.
DEVICE Slice next_layer_slice(const Worker &worker) {
    const bool last = worker.step + 5 > 11;
    return last ? after_layers_slice(worker) : qkv_slice(worker);
}

// Takes this position's row, `floats` long, of a table of RoPE to lds.rope + first.
DEVICE void take_rope(const Worker &worker, u64 table, int floats, int first) {
    const float *row = argument_rope() + table + (u64)worker.position * floats;
    for (int i = (int)lane(); i < floats; i += (int)WAVE_LANES)
        lds.rope[first + i] = row[i];
}

// A stage's call: (worker, weights in flight, step, {mailbox and epoch it awaits}, {those it
// publishes}, where its norm weights, its bias or its KV cache lie ...). In <>: whose weights to
// fetch while it ends. n: the layer.
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
        const Slice after = head ? lm_head_slice(worker) : first_layer_slice(worker);
        worker.after_layers = after.start;
        worker.after_layers_tiles = after.tiles;
        worker.after_layers_units = after.units;
        if constexpr (KIND & HANDS_OFF) {
            take_rope(worker, 0, 16, 0); // rope
        }

        stage_embed<KIND>(                                 // step 0    stage_embed.hip:26
            worker, 0, token, {MAIL_HIDDEN, epoch + 0});
        NO_UNROLL
        for (int layer_index = 0; layer_index < LAYERS; layer_index++) {
            const Layer &layer = LAYER_ROWS[layer_index];
            stage_qkv<KIND, attention_output_slice>(       // step 1 + 5 n  stage_linear.hip:160
                worker, stream, layer.first_step + 0, {MAIL_HIDDEN, epoch + layer.qkv_in_epoch},
                {MAIL_QKV, epoch + layer.qkv_out_epoch}, layer.qkv_norm);
            stage_attention<KIND>(                         // step 2 + 5 n  stage_attention.hip:191
                worker, layer.first_step + 1, {MAIL_QKV, epoch + layer.attention_in_epoch},
                {MAIL_ATTENDED, epoch + layer.attention_out_epoch}, layer.attention_kv, 0);
            stage_attention_output<KIND, gate_up_slice>(   // step 3 + 5 n  stage_linear.hip:160
                worker, stream, layer.first_step + 2,
                {MAIL_ATTENDED, epoch + layer.attention_output_in_epoch},
                {MAIL_HIDDEN_2, epoch + layer.attention_output_out_epoch});
            stage_gate_up<KIND, down_slice>(               // step 4 + 5 n  stage_linear.hip:160
                worker, stream, layer.first_step + 3,
                {MAIL_HIDDEN_2, epoch + layer.gate_up_in_epoch},
                {MAIL_GATED, epoch + layer.gate_up_out_epoch}, layer.gate_up_norm);
            stage_down<KIND, next_layer_slice>(            // step 5 + 5 n  stage_linear.hip:160
                worker, stream, layer.first_step + 4, {MAIL_GATED, epoch + layer.down_in_epoch},
                {MAIL_HIDDEN, epoch + layer.down_out_epoch});
        }

        // ---- head, where this position needs it ----
        if (head) {
            stage_lm_head<KIND, first_layer_slice>(        // step 11   stage_linear.hip:160
                worker, stream, 11, {MAIL_HIDDEN, epoch + 2}, {MAIL_CANDIDATES, epoch + 0}, 0x400);
            stage_select<KIND>(                            // step 12   stage_select.hip:14
                worker, 12, {MAIL_CANDIDATES, epoch + 0}, {MAIL_NEXT_TOKEN, epoch + 0}, index,
                epoch + EPOCHS_PER_STEP);
        }
        stage_token<KIND>(                                 // step 13   stage_token.hip:6
            worker, 13, {MAIL_NEXT_TOKEN, epoch + 0}, index, head);
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
