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

// What grows by the same from each layer to the next.
DEVICE u32 at(u32 layer, u32 first, u32 apart) { return first + fresh(layer) * apart; }
DEVICE u64 far_at(u32 layer, u64 first, u64 apart) { return first + fresh(layer) * apart; }

// In the last layer the weights go on elsewhere.
DEVICE Slice next_layer_slice(const Worker &worker) {
    const bool last = worker.step + 5 > 11;
    return last ? after_layers_slice(worker) : qkv_slice(worker);
}

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
        worker.run = layers_weights(worker);
        const Slice after = head ? lm_head_slice(worker) : first_layer_slice(worker);
        worker.after_layers = after.start;
        worker.after_layers_tiles = after.tiles;
        worker.after_layers_units = after.units;
        if constexpr (KIND & HANDS_OFF) {
            // rope
            const float *rope_1 =
                argument_rope() + 0 + (u64)worker.position * 16;
            for (int i = (int)handoff_lane(); i < 16; i += HANDOFF_LANES)
                lds.rope[0 + i] = rope_1[i];
        }

        stage_embed<KIND>(worker, 0, token, {MAIL_HIDDEN, epoch + 0}); // step 0  stage_embed.hip:26
        NO_UNROLL
        for (u32 layer = 0; layer < LAYERS; layer++) {
            stage_qkv<KIND, attention_output_slice>(  // step 1 + 5 a layer  stage_linear.hip:173
                worker, stream, 1 + layer * 5, {MAIL_HIDDEN, epoch + layer},
                {MAIL_QKV, epoch + layer}, at(layer, 0x0, 0x200));
            stage_attention<KIND>(                    // step 2 + 5 a layer  stage_attention.hip:212
                worker, 2 + layer * 5, {MAIL_QKV, epoch + layer}, {MAIL_ATTENDED, epoch + layer},
                far_at(layer, 0x0, 0x2000), 0);
            stage_attention_output<KIND, gate_up_slice>( // step 3 + 5 a layer  stage_linear.hip:173
                worker, stream, 3 + layer * 5, {MAIL_ATTENDED, epoch + layer},
                {MAIL_HIDDEN_2, epoch + layer});
            stage_gate_up<KIND, down_slice>(          // step 4 + 5 a layer  stage_linear.hip:173
                worker, stream, 4 + layer * 5, {MAIL_HIDDEN_2, epoch + layer},
                {MAIL_GATED, epoch + layer}, at(layer, 0x100, 0x200));
            stage_down<KIND, next_layer_slice>(       // step 5 + 5 a layer  stage_linear.hip:173
                worker, stream, 5 + layer * 5, {MAIL_GATED, epoch + layer},
                {MAIL_HIDDEN, epoch + 1 + layer});
        }

        // ---- head, where this position needs it ----
        if (head) {
            stage_lm_head<KIND, first_layer_slice>(   // step 11  stage_linear.hip:173
                worker, stream, 11, {MAIL_HIDDEN, epoch + 2}, {MAIL_CANDIDATES, epoch + 0}, 0x400);
            stage_select<KIND>(                       // step 12  stage_select.hip:14
                worker, 12, {MAIL_CANDIDATES, epoch + 0}, {MAIL_NEXT_TOKEN, epoch + 0}, index,
                epoch + EPOCHS_PER_STEP);
        }
        stage_token<KIND>(                            // step 13  stage_token.hip:6
            worker, 13, {MAIL_NEXT_TOKEN, epoch + 0}, index, head);
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
    } else {
        await_roles(worker);
        decode_loop<HANDS_OFF>(worker);
    }
}

KERNEL_ENTRY(monogen_decode, WORKGROUP_THREADS, decode)
