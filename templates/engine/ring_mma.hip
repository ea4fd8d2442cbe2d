//@ -- Engine ring_mma: one wave copies weights to a ring in LDS, in the order of use and far ahead; the
//@ -- streaming waves multiply units from there with matrix instructions. A unit is
//@ -- [TILE_ROWS][UNIT_COLUMNS] weights in the order in which lanes take them.
//@ local parts, dtype = plan.engine.activation_parts, plan.shape.weight_dtype
//@ local activation
//@ for _, array in ipairs(plan.lds) do
//@   if array.name == "activation" then activation = array end
//@ end
constexpr u32 COPY_BYTES = $(plan.engine.copy_bytes), RING_COPIES = $(plan.engine.ring_copies);
constexpr u32 EXPECTED_BYTES = $(plan.engine.expected_bytes); // asked for beyond the ring, into L2
constexpr int ACTIVATION_PARTS = $(parts), ACTIVATION_STRIDE = $(activation.elements // parts);

// Where a wave that multiplies stands in the ring. A place holds PLACE_UNITS units, each another
// wave's: unit u of a run is multiplied by wave u % STREAMING_WAVES.
constexpr u32 PLACE_UNITS = COPY_BYTES / UNIT_BYTES;
static_assert(STREAMING_WAVES % PLACE_UNITS == 0, "the waves of a place are always as many");
struct Place {
    u32 at, round; // how often the ring has gone round, odd or even
};
DEVICE void move_on(Place &place, u32 places) {
    place.at += places;
    if (place.at >= RING_COPIES) {
        place.at -= RING_COPIES;
        place.round ^= 1;
    }
}
struct Stream {
    Place place, run_place;  // of this wave's next unit, and of the run's first
    u32 unit;                // the next one, from the start of the run on
    const u8 *run;           // which run
    const u8 *layers, *head; // where this CU's two runs start
};

// All waves call it before the first barrier of the workgroup.
DEVICE void stream_open() {
    if (wave() != 0 || lane() != 0)
        return;
    for (u32 i = 0; i < RING_COPIES; i++) {
        open_barrier(&lds.filled[i], 1);
        open_barrier(&lds.freed[i], PLACE_UNITS);
    }
    publish_barriers();
}

template <u32 KIND> DEVICE void stream_prefetch(const Worker &worker, Stream &stream, Slice) {
    stream = Stream{};
    stream.layers = layers_weights(worker);
    stream.head = head_weights(worker);
}

// This wave's next unit has come; and it is done with it.
DEVICE void await_unit(const Worker &worker, const Stream &stream) {
    (void)worker;
//@ if plan.trace then
    const u64 since = ticks();
//@ end
    await_barrier(&lds.filled[stream.place.at], stream.place.round);
//@ if plan.trace then
    worker.stalled += (u32)(ticks() - since);
//@ end
}
DEVICE void free_unit(Stream &stream) {
    wave_fence();
    if (lane() == 0)
        arrive_at_barrier(&lds.freed[stream.place.at]);
    stream.unit += STREAMING_WAVES;
    move_on(stream.place, STREAMING_WAVES / PLACE_UNITS);
}

// A run starts in a place of its own.
DEVICE void start_run(const Worker &worker, Stream &stream, const u8 *run) {
    if (stream.run) {
        const bool head = stream.run == stream.head;
        const u64 bytes = head ? lds.role[1].head_weights - lds.role[0].head_weights
                               : lds.role[1].layers_weights - lds.role[0].layers_weights;
        const u32 places = (u32)((bytes + COPY_BYTES - 1) / COPY_BYTES);
        if (stream.unit < places * PLACE_UNITS) { // the last place has no unit for this wave
            await_unit(worker, stream);
            free_unit(stream);
        }
        stream.run_place.round ^= places / RING_COPIES % 2;
        move_on(stream.run_place, places % RING_COPIES);
    }
    stream.run = run;
    stream.unit = wave();
    stream.place = stream.run_place;
    move_on(stream.place, wave() / PLACE_UNITS);
}

// ---- the wave that copies: it runs by itself, as far ahead as the ring has room, with no more
// copies under way than keep memory busy, so that whatever else is read need not wait long
struct Copies {
    u32 begun, landed; // copies, and those known to have landed
    Place next, landing;
};
DEVICE void await_landing(Copies &copies) {
    await_barrier(&lds.filled[copies.landing.at], copies.landing.round);
    copies.landed++;
    move_on(copies.landing, 1);
}
// A run of weights.
struct Run {
    const u8 *start;
    u64 bytes;
};
// Asks for what is `offset` bytes into a run, or that far into the one after it.
DEVICE void expect_weights(Run run, Run following, u64 offset) {
    if (offset >= run.bytes) {
        offset -= run.bytes;
        run = following;
    }
    const u64 left = offset < run.bytes ? run.bytes - offset : 0;
    if (left > 0)
        expect_bytes(run.start + offset, left < COPY_BYTES ? (u32)left : COPY_BYTES);
}
// Copies a run to the ring. Returns false when the launch ends first.
DEVICE bool copy_run(Copies &copies, Run run, Run following) {
    for (u64 offset = 0; offset < run.bytes; offset += COPY_BYTES) {
        if (copies.begun >= RING_COPIES)
            while (!barrier_passed(&lds.freed[copies.next.at], copies.next.round ^ 1))
                if (*(volatile u32 *)&lds.token[1])
                    return false;
        if (copies.begun - copies.landed >= PREFETCH_UNITS)
            await_landing(copies);
        const u64 left = run.bytes - offset;
        copy_to_lds(&lds.ring[copies.next.at * (COPY_BYTES / 16)], run.start + offset,
                    left < COPY_BYTES ? (u32)left : COPY_BYTES, &lds.filled[copies.next.at]);
        copies.begun++;
        move_on(copies.next, 1);
        if constexpr (EXPECTED_BYTES > 0)
            expect_weights(run, following, offset + EXPECTED_BYTES);
    }
    return true;
}
// The layers' run of a position, the head's where it is needed, the layers' run of the next ...
DEVICE void copy_weights(const Worker &worker) {
    const Run layers = {layers_weights(worker),
                        lds.role[1].layers_weights - lds.role[0].layers_weights};
    const Run head = {head_weights(worker), lds.role[1].head_weights - lds.role[0].head_weights};
    if (lane() != 0)
        return;
    const u32 prompt = argument_prompt_tokens(), positions = prompt + argument_max_tokens();
    Copies copies = {};
    for (u32 i = 0; i < positions; i++) {
        const bool needs_head =
            (i + 1 >= prompt && argument_max_tokens() > 0) || argument_export_logits();
        const Run next = i + 1 < positions ? layers : Run{};
        if (!copy_run(copies, layers, needs_head ? head : next) ||
            (needs_head && !copy_run(copies, head, next)))
            break;
    }
    // None may be under way when the workgroup ends.
    while (copies.landed < copies.begun)
        await_landing(copies);
}

// ---- the activation, split into parts whose sum it is, so that matrix instructions can take them
//@ if dtype == "bf16" then
DEVICE void stage_activations(u32 column, Floats<1> value) {
    const u16 high = float_to_bf16(value.x[0]);
    lds.activation[column] = high;
    lds.activation[ACTIVATION_STRIDE + column] = float_to_bf16(value.x[0] - bf16_to_float(high));
}
DEVICE void stage_activations(u32 column, Floats<2> value) {
    const u32 high = floats_to_bf16(value.x[0], value.x[1]);
    *(u32 *)(lds.activation + column) = high;
    *(u32 *)(lds.activation + ACTIVATION_STRIDE + column) =
        floats_to_bf16(value.x[0] - bf16_low(high), value.x[1] - bf16_high(high));
}
DEVICE float part_scale(u32) { return 1.0f; }
//@ else
// What is beyond the range of fp16 is in the first part, scaled; the third is scaled up.
constexpr float LARGEST_PLAIN = 32768.0f, BIG_SCALE = 65536.0f, SMALL_SCALE = 1.0f / 2048.0f;
DEVICE void stage_activation(u32 column, float value) {
    const bool big = value > LARGEST_PLAIN || value < -LARGEST_PLAIN;
    const u16 first = big ? float_to_fp16(value * (1.0f / BIG_SCALE)) : 0;
    value -= fp16_to_float(first) * BIG_SCALE;
    const u16 second = float_to_fp16(value);
    value -= fp16_to_float(second);
    lds.activation[column] = first;
    lds.activation[ACTIVATION_STRIDE + column] = second;
    lds.activation[2 * ACTIVATION_STRIDE + column] = float_to_fp16(value * (1.0f / SMALL_SCALE));
}
template <u32 N> DEVICE void stage_activations(u32 column, Floats<N> value) {
    UNROLL
    for (u32 n = 0; n < N; n++)
        stage_activation(column + n, value.x[n]);
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
    if constexpr (!(KIND & STREAMS))
        return;
    if (slice.tiles == 0)
        return;
    if (slice.start == stream.layers || slice.start == stream.head)
        start_run(worker, stream, slice.start);
    // Lane l holds columns l / 4 of the instruction's second operand, and afterwards columns l
    // % 4 * 2 and + 1 of the product. Column c is part c % ACTIVATION_PARTS of the activation
    // for part c / ACTIVATION_PARTS of the columns; the rest is there but never used.
    const u32 column = lane() / 4 < PARTS * ACTIVATION_PARTS ? lane() / 4 : 0;
    const u16 *activation = lds.activation + column % ACTIVATION_PARTS * ACTIVATION_STRIDE +
                            column / ACTIVATION_PARTS * PART_COLUMNS + lane() % 4 * 8;
    const u32x4 *ring = lds.ring + wave() % PLACE_UNITS * (UNIT_BYTES / 16) + lane();
    u32 end = (u32)(slice.start - stream.run) / UNIT_BYTES; // of the tile
    NO_UNROLL
    for (int tile = 0; tile < slice.tiles; tile++) {
        float sums[4][4] = {}; // independent ones, as a matrix instruction takes long
        const u32 first = end;
        end += Shape::UNITS;
        NO_UNROLL
        while (stream.unit < end) {
            await_unit(worker, stream);
            const u32x4 *weights = ring + stream.place.at * (COPY_BYTES / 16);
            const u16 *x = activation + (stream.unit - first) * Shape::UNIT_COLUMNS;
            UNROLL
            for (int i = 0; i < PART_COLUMNS / 32; i++) {
                const u32x4 columns = *(const u32x4 *)(x + i * 32);
                multiply_$(dtype)(sums[i % 2 * 2], weights[(i * 2) * WAVE_LANES], columns.x,
                                  columns.y);
                multiply_$(dtype)(sums[i % 2 * 2 + 1], weights[(i * 2 + 1) * WAVE_LANES], columns.z,
                                  columns.w);
            }
            free_unit(stream);
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
