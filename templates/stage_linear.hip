//@ local body = current_body
//@ local read, write = body.reads[1], body.writes[1]
//@ local shape = body.name .. "_shape"
//@ local first, end_ = body.partition .. "_first()", body.partition .. "_end()"
//@ local await_mail = "MAIL_" .. string.upper(read.mailbox)
//@ local mail = "MAIL_" .. string.upper(write.mailbox)
//@ local head = body.epilogue == "logits"
//@ local outcome = head and "best" or "publish_epoch"
//@ local padded = body.units * body.unit_columns
//@ local passes = body.max_tiles > body.pass_tiles

// $(body.name): $(body.summary)
// $(body.rows) rows x $(body.columns) columns.
DEVICE Slice $(body.name)_slice(const Worker &worker) {
    const int tiles = $(end_) - $(first);
//@ if head then
    return Slice{head_weights(worker), tiles, $(shape)::UNITS};
//@ else
    return Slice{worker.run, tiles, $(shape)::UNITS};
//@ end
}

//@ if body.prologue ~= "none" then
// Awaits the input and stages it for the product.
DEVICE void $(body.name)_prologue(Worker &worker, u32 await_epoch, u64 norm_offset) {
//@   if body.prologue == "rmsnorm" then
    float squares = 0;
    receive<$(read.count)>(worker, $(await_mail), await_epoch, [&](u32 i, u32 value) {
        const float x = from_bits(value);
        squares += x * x;
        stage_activation(i, x);
    });
    const float mean = sum_over<(int)WAVE_LANES>(squares) / (float)$(read.count);
    const float scale = reciprocal_sqrt(mean + NORM_EPS);
    const float *norm = (const float *)(worker.vectors + fresh(norm_offset));
    for (int i = (int)lane(); i < $(body.columns); i += (int)WAVE_LANES)
        stage_activation(i, lds.activation[i] * scale * norm[i]);
//@   else
    (void)norm_offset;
    receive<$(read.count)>(worker, $(await_mail), await_epoch,
                           [&](u32 i, u32 value) { stage_activation(i, from_bits(value)); });
//@   end
//@   if padded > body.columns then
    // The last unit is padded: its weights are zero, and its activations must be finite.
    for (int i = $(body.columns) + (int)lane(); i < $(padded); i += (int)WAVE_LANES)
        stage_activation(i, 0);
//@   end
}
//@ end

//@ if head then
// The best token that this lane has seen.
struct Candidate {
    float score;
    u32 token;
};
DEVICE bool better(Candidate a, Candidate b) {
    return a.score > b.score || (a.score == b.score && a.token < b.token);
}
template <int MASK> DEVICE void take_better(Candidate &best) {
    if constexpr (MASK < (int)WAVE_LANES) {
        const Candidate other = {from_bits(lane_xor<MASK>(bits(best.score))),
                                 lane_xor<MASK>(best.token)};
        if (better(other, best))
            best = other;
        take_better<MASK * 2>(best);
    }
}

//@ end
// Finishes the rows of one pass: first_tile is the pass's first tile of this CU.
//@ if body.epilogue == "rope" then
DEVICE void $(body.name)_epilogue(Worker &worker, int first_tile, int tiles, u32 publish_epoch) {
    const int first_row = ($(first) + first_tile) * $(shape)::TILE_ROWS;
    for (u32 base = 0; base < $(shape)::PASS_TILES * $(shape)::TILE_ROWS; base += WAVE_LANES * 2) {
        const int i = (int)(base + lane() * 2);
        const int tile = i / $(shape)::TILE_ROWS, row = first_row + i;
        if (i >= tiles * $(shape)::TILE_ROWS || row >= $(shape)::ROWS)
            return;
        const float a = tile_row<$(shape)>(tile, i % $(shape)::TILE_ROWS);
        const float b = tile_row<$(shape)>(tile, i % $(shape)::TILE_ROWS + 1);
        if (row < $(body.rope_rows)) {
            // Rows of q and k come in RoPE pairs: dimension d of a head, then d + HEAD_DIM / 2.
            const int pair = row % HEAD_DIM / 2, slot = $(mail) + row / HEAD_DIM * HEAD_DIM + pair;
            const float cosine = lds.rope[pair * 2], sine = lds.rope[pair * 2 + 1];
            publish(worker, slot, bits(a * cosine - b * sine), publish_epoch);
            publish(worker, slot + HEAD_DIM / 2, bits(b * cosine + a * sine), publish_epoch);
        } else {
            publish(worker, $(mail) + row, bits(a), publish_epoch);
            publish(worker, $(mail) + row + 1, bits(b), publish_epoch);
        }
    }
}
//@ elseif body.epilogue == "gate" then
DEVICE void $(body.name)_epilogue(Worker &worker, int first_tile, int tiles, u32 publish_epoch) {
    const int first_row = ($(first) + first_tile) * $(shape)::TILE_ROWS;
    for (u32 base = 0; base < $(shape)::PASS_TILES * $(shape)::TILE_ROWS; base += WAVE_LANES * 2) {
        const int i = (int)(base + lane() * 2);
        const int tile = i / $(shape)::TILE_ROWS, row = first_row + i;
        if (i >= tiles * $(shape)::TILE_ROWS || row >= $(shape)::ROWS)
            return;
        const float gate = tile_row<$(shape)>(tile, i % $(shape)::TILE_ROWS);
        const float up = tile_row<$(shape)>(tile, i % $(shape)::TILE_ROWS + 1);
        const float silu = gate / (1.0f + exponential(-gate));
        publish(worker, $(mail) + row / 2, bits(silu * up), publish_epoch);
    }
}
//@ elseif body.epilogue == "residual" then
DEVICE void $(body.name)_epilogue(Worker &worker, int first_tile, int tiles, u32 publish_epoch) {
    const int first_row = ($(first) + first_tile) * $(shape)::TILE_ROWS;
    for (u32 base = 0; base < $(shape)::PASS_TILES * $(shape)::TILE_ROWS; base += WAVE_LANES) {
        const int i = (int)(base + lane());
        if (i >= tiles * $(shape)::TILE_ROWS || first_row + i >= $(shape)::ROWS)
            return;
        float *residual = &lds.residual[first_tile * $(shape)::TILE_ROWS + i];
        *residual += tile_row<$(shape)>(i / $(shape)::TILE_ROWS, i % $(shape)::TILE_ROWS);
        publish(worker, $(mail) + first_row + i, bits(*residual), publish_epoch);
    }
}
//@ elseif head then
DEVICE void $(body.name)_epilogue(Worker &worker, int first_tile, int tiles, Candidate &best) {
    const int first_row = ($(first) + first_tile) * $(shape)::TILE_ROWS;
    for (u32 base = 0; base < $(shape)::PASS_TILES * $(shape)::TILE_ROWS; base += WAVE_LANES) {
        const int i = (int)(base + lane());
        const int row = first_row + i;
        if (i >= tiles * $(shape)::TILE_ROWS || row >= $(shape)::ROWS)
            return;
        const float score = tile_row<$(shape)>(i / $(shape)::TILE_ROWS, i % $(shape)::TILE_ROWS);
        const Candidate candidate = {score, (u32)row};
        if (better(candidate, best))
            best = candidate;
        if (argument_export_logits()) {
            const u64 step = worker.position - argument_first_position();
            argument_logits()[step * $(shape)::ROWS + row] = score;
        }
    }
}
//@ end

//@ stage_lines[body.op] = here()
template <u32 KIND, Slice (*next_slice)(const Worker &)>
DEVICE void stage_$(body.name)(Worker &worker, Stream &stream, u32 step, u32 await_epoch,
                               u32 publish_epoch, u64 norm_offset) {
    worker.step = step;
    Slice slice = $(body.name)_slice(worker);
//@ if not head then
    worker.run += (u64)slice.tiles * $(shape)::UNITS * UNIT_BYTES;
//@ end
    const Slice next = next_slice(worker);
//@ if head then
    Candidate best = {-__builtin_inff(), 0xFFFFFFFF};
//@ end
    if constexpr (KIND & HANDS_OFF)
        if (slice.tiles > 0)
            $(body.name)_prologue(worker, await_epoch, norm_offset);
//@ if passes then
    const int tiles = slice.tiles;
    int done = 0;
    NO_UNROLL
    do {
        const int left = tiles - done;
        slice.tiles = left < $(shape)::PASS_TILES ? left : $(shape)::PASS_TILES;
        Slice following = next;
        if (left > $(shape)::PASS_TILES)
            following = Slice{slice.start + (u64)slice.tiles * $(shape)::UNITS * UNIT_BYTES,
                              left - slice.tiles, $(shape)::UNITS};
        workgroup_barrier(); // the activation is staged, the partial sums are free
        if constexpr (KIND & STREAMS)
            tile_product<$(shape)>(stream, slice, following);
        workgroup_barrier(); // the partial sums are there
        if constexpr (KIND & HANDS_OFF)
            $(body.name)_epilogue(worker, done, slice.tiles, $(outcome));
        slice.start = following.start;
        done += $(shape)::PASS_TILES;
    } while (done < tiles);
//@ else
    workgroup_barrier(); // the activation is staged
    if constexpr (KIND & STREAMS)
        tile_product<$(shape)>(stream, slice, next);
    workgroup_barrier(); // the partial sums are there
    if constexpr (KIND & HANDS_OFF)
        $(body.name)_epilogue(worker, 0, slice.tiles, $(outcome));
//@ end
//@ if head then
    // Every CU publishes a candidate, also one without rows: the selection waits for all.
    if constexpr (KIND & HANDS_OFF) {
        take_better<1>(best);
        if (lane() == 0) {
            const int slot = $(mail) + (int)worker.cu * $(write.per_cu);
            publish(worker, slot, bits(best.score), publish_epoch);
            publish(worker, slot + 1, best.token, publish_epoch);
        }
    }
//@ end
}
