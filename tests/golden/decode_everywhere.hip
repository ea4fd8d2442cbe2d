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

        stage_embed<KIND>(worker, 0, token);          // step 0  stage_embed.hip:26
        // ---- layer 0 ----
        stage_qkv<KIND, attention_output_slice>(      // step 1  stage_linear.hip:173
            worker, stream, 1, {MAIL_QKV_1, epoch + 0}, 0x0);
        stage_attention<KIND>(                        // step 2  stage_attention.hip:212
            worker, 2, {MAIL_QKV_1, epoch + 0}, {MAIL_PARTS_2, epoch + 0}, 0x0, 0);
        stage_merge<KIND>(                            // step 3  stage_merge.hip:9
            worker, 3, {MAIL_PARTS_2, epoch + 0}, {MAIL_ATTENDED_3, epoch + 0});
        stage_attention_output<KIND, gate_up_slice>(  // step 4  stage_linear.hip:173
            worker, stream, 4, {MAIL_ATTENDED_3, epoch + 0}, {MAIL_ATTENTION_OUTPUT_4, epoch + 0});
        stage_add_attention_output<KIND>(             // step 5  stage_residual.hip:7
            worker, 5, {MAIL_ATTENTION_OUTPUT_4, epoch + 0});
        stage_gate_up<KIND, down_slice>(              // step 6  stage_linear.hip:173
            worker, stream, 6, {MAIL_GATED_6, epoch + 0}, 0x100);
        stage_down<KIND, qkv_slice>(                  // step 7  stage_linear.hip:173
            worker, stream, 7, {MAIL_GATED_6, epoch + 0}, {MAIL_DOWN_7, epoch + 0});
        stage_add_down<KIND>(worker, 8, {MAIL_DOWN_7, epoch + 0}); // step 8  stage_residual.hip:7
        // ---- layer 1 ----
        stage_qkv<KIND, attention_output_slice>(      // step 9  stage_linear.hip:173
            worker, stream, 9, {MAIL_QKV_9, epoch + 0}, 0x200);
        stage_attention<KIND>(                        // step 10  stage_attention.hip:212
            worker, 10, {MAIL_QKV_9, epoch + 0}, {MAIL_PARTS_10, epoch + 0}, 0x2000, 0);
        stage_merge<KIND>(                            // step 11  stage_merge.hip:9
            worker, 11, {MAIL_PARTS_10, epoch + 0}, {MAIL_ATTENDED_11, epoch + 0});
        stage_attention_output<KIND, gate_up_slice>(  // step 12  stage_linear.hip:173
            worker, stream, 12, {MAIL_ATTENDED_11, epoch + 0},
            {MAIL_ATTENTION_OUTPUT_12, epoch + 0});
        stage_add_attention_output<KIND>(             // step 13  stage_residual.hip:7
            worker, 13, {MAIL_ATTENTION_OUTPUT_12, epoch + 0});
        stage_gate_up<KIND, down_slice>(              // step 14  stage_linear.hip:173
            worker, stream, 14, {MAIL_GATED_14, epoch + 0}, 0x300);
        stage_down<KIND, after_layers_slice>(         // step 15  stage_linear.hip:173
            worker, stream, 15, {MAIL_GATED_14, epoch + 0}, {MAIL_DOWN_15, epoch + 0});
        stage_add_down<KIND>(                         // step 16  stage_residual.hip:7
            worker, 16, {MAIL_DOWN_15, epoch + 0});

        // ---- head, where this position needs it ----
        if (head) {
            stage_lm_head<KIND, first_layer_slice>(   // step 17  stage_linear.hip:173
                worker, stream, 17, {MAIL_CANDIDATES_17, epoch + 0}, 0x400);
            stage_select<KIND>(                       // step 18  stage_select.hip:14
                worker, 18, {MAIL_CANDIDATES_17, epoch + 0}, {MAIL_NEXT_TOKEN_18, epoch + 0}, index,
                epoch + EPOCHS_PER_STEP);
        }
        stage_token<KIND>(                            // step 19  stage_token.hip:6
            worker, 19, {MAIL_NEXT_TOKEN_18, epoch + 0}, index, head);
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
