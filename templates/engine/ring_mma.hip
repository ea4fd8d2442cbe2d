//@ -- Engine ring_mma: one wave copies weights to a ring in LDS, in the order of use and far ahead; the
//@ -- streaming waves multiply units from there with matrix instructions. A unit is
//@ -- [TILE_ROWS][UNIT_COLUMNS] weights in the order in which lanes take them.
//@ local parts, dtype = plan.engine.activation_parts, plan.shape.weight_dtype
//@ local activation
//@ for _, array in ipairs(plan.lds) do
//@   if array.name == "activation" then activation = array end
//@ end
constexpr u32 COPY_BYTES = $(plan.engine.copy_bytes), RING_COPIES = $(plan.engine.ring_copies);
constexpr int ACTIVATION_PARTS = $(parts), ACTIVATION_STRIDE = $(activation.elements // parts);

// One place of the ring after the other is filled, used and freed. A wave's next place, and how
// often the ring has gone round, odd or even; the weights in it are copied from `start` on.
struct Stream {
    u32 place, round;
    bool open, there; // a part of it is used up; this wave knows that the weights have come
    const u8 *start;
    const u8 *layers, *head; // where this CU's two runs start
    // Of the copying wave: what it has yet to copy of the run it is at, of which position.
    const u8 *source;
    u32 left, position, outstanding;
    bool at_head;
};

// The positions of this launch need the head from the last of the prompt on, or all do.
DEVICE bool needs_head(u32 index) {
    return (index + 1 >= argument_prompt_tokens() && argument_max_tokens() > 0) ||
           argument_export_logits();
}
DEVICE u32 run_bytes(const Worker &worker, bool head) {
    return (u32)(head ? lds.role[1].head_weights - lds.role[0].head_weights
                      : lds.role[1].layers_weights - lds.role[0].layers_weights);
}

// Copies the next piece of the weights to the current place: the layers' run of a position, the
// head's where it is needed, the layers' run of the next position ... until the launch ends.
DEVICE void stream_copy(const Worker &worker, Stream &stream) {
    const u32 positions = argument_prompt_tokens() + argument_max_tokens();
    while (stream.left == 0) {
        if (stream.position >= positions)
            return;
        if (!stream.at_head && needs_head(stream.position)) {
            stream.at_head = true;
        } else {
            stream.at_head = false;
            stream.position++;
        }
        stream.source = stream.at_head ? stream.head : stream.layers;
        stream.left = stream.position < positions ? run_bytes(worker, stream.at_head) : 0;
    }
    const u32 bytes = stream.left < COPY_BYTES ? stream.left : COPY_BYTES;
    copy_to_lds(&lds.ring[stream.place * (COPY_BYTES / 16)], stream.source, bytes,
                &lds.filled[stream.place]);
    stream.source += bytes;
    stream.left -= bytes;
    stream.outstanding++;
}

// All waves call it before the first barrier of the workgroup.
DEVICE void stream_open() {
    if (wave() != 0 || lane() != 0)
        return;
    for (u32 i = 0; i < RING_COPIES; i++) {
        open_barrier(&lds.filled[i], 1);
        open_barrier(&lds.freed[i], STREAMING_WAVES);
    }
    publish_barriers();
}

DEVICE void stream_step(Stream &stream) {
    stream.there = false;
    if (++stream.place == RING_COPIES) {
        stream.place = 0;
        stream.round ^= 1;
    }
}

template <u32 KIND> DEVICE void stream_prefetch(const Worker &worker, Stream &stream, Slice) {
    stream = Stream{};
    stream.layers = layers_weights(worker);
    stream.head = head_weights(worker);
    if constexpr (KIND & COPIES) {
        stream.source = stream.layers;
        stream.left = run_bytes(worker, false);
        for (u32 i = 0; i < RING_COPIES; i++) {
            if (lane() == 0)
                stream_copy(worker, stream);
            stream_step(stream);
        }
        stream.round = 0; // the first that is freed
    }
}

// No copy may be under way when the workgroup ends.
template <u32 KIND> DEVICE void stream_close(Stream &stream) {
    if constexpr (KIND & COPIES) {
        const u32 outstanding = uniform(stream.outstanding);
        for (u32 i = 0; i < outstanding; i++) {
            await_barrier(&lds.filled[stream.place], stream.round);
            stream_step(stream);
        }
    }
}

//@ -- How a wave that multiplies waits for the weights of the current place.
//@ local await = "await_barrier(&lds.filled[stream.place], stream.round)"
//@ if plan.trace then
//@   await = "await_weights(worker, stream)"
DEVICE void await_weights(const Worker &worker, const Stream &stream) {
    const u64 since = ticks();
    await_barrier(&lds.filled[stream.place], stream.round);
    worker.stalled += (u32)(ticks() - since);
}

//@ end
// Goes on to the next place: a wave that multiplies is done with this one, the one that copies
// fills it again when all are.
template <u32 KIND> DEVICE void stream_pass(const Worker &worker, Stream &stream) {
    if constexpr (KIND & STREAMS) {
        if (!stream.there)
            $(await);
        wave_fence();
        if (lane() == 0)
            arrive_at_barrier(&lds.freed[stream.place]);
    }
    if constexpr (KIND & COPIES) {
        await_barrier(&lds.freed[stream.place], stream.round);
        if (lane() == 0) {
            stream.outstanding--;
            stream_copy(worker, stream);
        }
        wave_fence();
    }
    stream_step(stream);
    stream.start += COPY_BYTES;
}

// ---- the activation, split into parts whose sum it is, so that matrix instructions can take them
//@ if dtype == "bf16" then
DEVICE void stage_activation(int column, float value) {
    const u16 high = float_to_bf16(value);
    lds.activation[column] = high;
    lds.activation[ACTIVATION_STRIDE + column] = float_to_bf16(value - bf16_to_float(high));
}
DEVICE float part_scale(u32) { return 1.0f; }
//@ else
// What is beyond the range of fp16 is in the first part, scaled; the third is scaled up.
constexpr float LARGEST_PLAIN = 32768.0f, BIG_SCALE = 65536.0f, SMALL_SCALE = 1.0f / 2048.0f;
DEVICE void stage_activation(int column, float value) {
    const bool big = value > LARGEST_PLAIN || value < -LARGEST_PLAIN;
    const u16 first = big ? float_to_fp16(value * (1.0f / BIG_SCALE)) : 0;
    value -= fp16_to_float(first) * BIG_SCALE;
    const u16 second = float_to_fp16(value);
    value -= fp16_to_float(second);
    lds.activation[column] = first;
    lds.activation[ACTIVATION_STRIDE + column] = second;
    lds.activation[2 * ACTIVATION_STRIDE + column] = float_to_fp16(value * (1.0f / SMALL_SCALE));
}
DEVICE float part_scale(u32 part) { return part == 0 ? BIG_SCALE : part == 1 ? 1.0f : SMALL_SCALE; }
//@ end

// ---- units
// A matrix instruction multiplies 16 rows by 16 columns, with one lane's 16 bytes. A tile of fewer
// rows is cut along the columns into 16 / TILE_ROWS parts that take the place of the other rows.
constexpr int STEP_ROWS = 16;
template <class Shape> DEVICE constexpr int column_parts() { return STEP_ROWS / Shape::TILE_ROWS; }
constexpr int PART_COLUMNS = UNIT_BYTES / WEIGHT_BYTES / STEP_ROWS; // of a unit

// Where a weight lies in its unit, in elements. Columns come by 32: two instructions, of which lane
// l takes columns l % 4 * 8 .. + 7 of rows l / 4 and l / 4 + 8.
template <class Shape> DEVICE u32 weight_in_unit(u32 row, u32 column) {
    row += column / PART_COLUMNS * Shape::TILE_ROWS;
    column %= PART_COLUMNS;
    const u32 step = column / 32 * 2 + column % 8 / 4;
    const u32 taker = row % 8 * 4 + column % 32 / 8;
    const u32 word = column % 4 / 2 * 2 + row / 8;
    return (step * WAVE_LANES + taker) * 8 + word * 2 + column % 2;
}

// Multiplies the tiles of `slice`: leaves [tile][wave][row] sums in lds.partial. Requires: the
// activation is staged.
template <u32 KIND, class Shape>
DEVICE void tile_product(const Worker &worker, Stream &stream, Slice slice, Slice) {
    constexpr int PARTS = column_parts<Shape>();
    if constexpr (!(KIND & (STREAMS | COPIES)))
        return;
    if (slice.tiles == 0)
        return;
    if (slice.start == stream.layers || slice.start == stream.head) { // a new run, in a new place
        if (stream.open)
            stream_pass<KIND>(worker, stream);
        stream.start = slice.start;
    }
    u32 offset = (u32)(slice.start - stream.start); // of the tile, from the place's start
    if constexpr (KIND & STREAMS) {
        // Lane l holds columns l / 4 of the instruction's second operand, and afterwards columns l
        // % 4 * 2 and + 1 of the product. Column c is part c % ACTIVATION_PARTS of the activation
        // for part c / ACTIVATION_PARTS of the columns; the rest is there but never used.
        const u32 column = lane() / 4 < PARTS * ACTIVATION_PARTS ? lane() / 4 : 0;
        const u16 *activation = lds.activation + column % ACTIVATION_PARTS * ACTIVATION_STRIDE +
                                column / ACTIVATION_PARTS * PART_COLUMNS + lane() % 4 * 8;
        NO_UNROLL
        for (int tile = 0; tile < slice.tiles; tile++, offset += Shape::UNITS * UNIT_BYTES) {
            float sums[4][4] = {}; // independent ones, as a matrix instruction takes long
            NO_UNROLL
            for (int unit = (int)wave(); unit < Shape::UNITS; unit += (int)STREAMING_WAVES) {
                u32 at = offset + unit * UNIT_BYTES;
                while (at >= COPY_BYTES) {
                    stream_pass<KIND>(worker, stream);
                    at -= COPY_BYTES;
                    offset -= COPY_BYTES;
                }
                if (!stream.there)
                    $(await);
                stream.there = true;
                const u32x4 *weights =
                    lds.ring + stream.place * (COPY_BYTES / 16) + at / 16 + lane();
                const u16 *x = activation + unit * Shape::UNIT_COLUMNS;
                UNROLL
                for (int i = 0; i < PART_COLUMNS / 32; i++) {
                    const u32x4 columns = *(const u32x4 *)(x + i * 32);
                    multiply_$(dtype)(sums[i % 2 * 2], weights[(i * 2) * WAVE_LANES], columns.x,
                                      columns.y);
                    multiply_$(dtype)(sums[i % 2 * 2 + 1], weights[(i * 2 + 1) * WAVE_LANES],
                                      columns.z, columns.w);
                }
            }
            // Rows l / 4 and l / 4 + 8 of the instruction: the sums of this lane's two columns that
            // belong to the row's part.
            float sum[2] = {0, 0};
            UNROLL
            for (u32 half = 0; half < 2; half++) {
                UNROLL
                for (u32 j = 0; j < 2; j++) {
                    const u32 held = lane() % 4 * 2 + j, row = lane() / 4 + half * 8;
                    if (held / ACTIVATION_PARTS == row / Shape::TILE_ROWS)
                        sum[half] += part_scale(held % ACTIVATION_PARTS) *
                                     ((sums[0][half * 2 + j] + sums[1][half * 2 + j]) +
                                      (sums[2][half * 2 + j] + sums[3][half * 2 + j]));
                }
                if constexpr (PARTS * ACTIVATION_PARTS > 2)
                    sum[half] = sum_over<4>(sum[half]);
            }
            float *rows = lds.partial + (tile * STREAMING_WAVES + wave()) * Shape::TILE_ROWS;
            if constexpr (PARTS > 1) {
                sum[0] += sum[1];
                if constexpr (PARTS > 2)
                    sum[0] += from_bits(lane_xor<16>(bits(sum[0])));
                if (lane() % 4 == 0 && lane() / 4 < Shape::TILE_ROWS)
                    rows[lane() / 4] = sum[0];
            } else if (lane() % 4 == 0) {
                rows[lane() / 4] = sum[0];
                rows[lane() / 4 + 8] = sum[1];
            }
        }
    } else {
        offset += slice.tiles * Shape::UNITS * UNIT_BYTES;
    }
    // What this stage has used up is free for what follows, without waiting for that.
    for (; offset >= COPY_BYTES; offset -= COPY_BYTES)
        stream_pass<KIND>(worker, stream);
    stream.open = offset > 0;
}

// Row `row` of pass tile `tile`: the waves' sums, added in their order.
template <class Shape> DEVICE float tile_row(int tile, int row) {
    const float *sums = lds.partial + tile * (int)STREAMING_WAVES * Shape::TILE_ROWS + row;
    float total = sums[0];
    UNROLL
    for (int w = 1; w < (int)STREAMING_WAVES; w++)
        total += sums[w * Shape::TILE_ROWS];
    return total;
}
