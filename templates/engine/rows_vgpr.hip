//@ -- Engine rows_vgpr: weights go from memory to registers, a wave multiplies a unit at a time.
//@ -- A unit is [TILE_ROWS][UNIT_COLUMNS] weights, row-major: with 64 lanes of 16 bytes, lane l holds
//@ -- some columns of row l / (64 / TILE_ROWS). Units of a tile are dealt to the streaming waves in turn.
constexpr int LANE_WEIGHTS = 16 / WEIGHT_BYTES; // in a unit
// The next PREFETCH_UNITS units of this wave, always in flight: while a stage ends and the next
// one's inputs are awaited, its first weights are already on their way.
struct Stream {
    u32x4 unit[PREFETCH_UNITS];
};

// Walks the units of this wave through a slice: a round is STREAMING_WAVES units, one for each
// wave; a tile is a number of rounds, the last of which may be short. Where it is, and past the end
// of the slice, what is loaded is what lies there: it is never used, and the arena has room at its
// end.
struct Cursor {
    const u8 *at;
    int round, rounds, overhang; // overhang: bytes by which the rounds exceed the tile
};
DEVICE Cursor cursor_at(Slice slice) {
    const int rounds = (slice.units + (int)STREAMING_WAVES - 1) / (int)STREAMING_WAVES;
    return Cursor{slice.start + wave() * UNIT_BYTES, 0, rounds,
                  (rounds * (int)STREAMING_WAVES - slice.units) * UNIT_BYTES};
}
DEVICE void skip_unit(Cursor &cursor) {
    cursor.at += fresh(STREAMING_WAVES * UNIT_BYTES); // a scalar step: lanes keep one offset
    if (++cursor.round == cursor.rounds) {
        cursor.round = 0;
        cursor.at -= cursor.overhang;
    }
}
DEVICE u32x4 take_unit(Cursor &cursor) {
    const u32x4 unit = load_streamed((const u32x4 *)(cursor.at + lane() * 16));
    skip_unit(cursor);
    return unit;
}

DEVICE void stream_open() {}

template <u32 KIND> DEVICE void stream_prefetch(const Worker &, Stream &stream, Slice slice) {
    if constexpr (!(KIND & STREAMS))
        return;
    Cursor cursor = cursor_at(slice);
    UNROLL
    for (int i = 0; i < PREFETCH_UNITS; i++)
        stream.unit[i] = take_unit(cursor);
}

// Where a weight lies in its unit, in elements.
template <class Shape> DEVICE u32 weight_in_unit(u32 row, u32 column) {
    return row * Shape::UNIT_COLUMNS + column;
}

template <u32 N> DEVICE void stage_activations(u32 column, Floats<N> value) {
    UNROLL
    for (u32 n = 0; n < N; n++)
        lds.activation[column + n] = value.x[n];
}

// The weights of this lane times their activations, onto two partial sums.
DEVICE f32x2 multiply_unit(f32x2 sum, u32x4 weights, const float *activation) {
//@ local dtype = plan.shape.weight_dtype
//@ if dtype == "fp32" then
    const f32x4 x = *(const f32x4 *)activation;
    sum += f32x2{from_bits(weights.x), from_bits(weights.y)} * f32x2{x.x, x.y};
    sum += f32x2{from_bits(weights.z), from_bits(weights.w)} * f32x2{x.z, x.w};
//@ else
    const f32x4 low = *(const f32x4 *)activation, high = *(const f32x4 *)(activation + 4);
    sum += f32x2{$(dtype)_low(weights.x), $(dtype)_high(weights.x)} * f32x2{low.x, low.y};
    sum += f32x2{$(dtype)_low(weights.y), $(dtype)_high(weights.y)} * f32x2{low.z, low.w};
    sum += f32x2{$(dtype)_low(weights.z), $(dtype)_high(weights.z)} * f32x2{high.x, high.y};
    sum += f32x2{$(dtype)_low(weights.w), $(dtype)_high(weights.w)} * f32x2{high.z, high.w};
//@ end
    return sum;
}

// Multiplies the tiles of `slice`: leaves [tile][wave][row] sums in lds.partial, and the first
// units of `next` in flight. Requires: the activation is staged, this wave's units of `slice` in
// flight.
template <u32 KIND, class Shape>
DEVICE void tile_product(const Worker &, Stream &stream, Slice slice, Slice next) {
    if constexpr (!(KIND & STREAMS))
        return;
    constexpr int ROUNDS = (Shape::UNITS + (int)STREAMING_WAVES - 1) / (int)STREAMING_WAVES;
    constexpr int LANES_PER_ROW = (int)WAVE_LANES / Shape::TILE_ROWS;
    // Where a tile ends is known here if the units in flight are whole tiles, or a part of one.
    constexpr bool WHOLE_TILES = PREFETCH_UNITS % ROUNDS == 0;
    constexpr bool WHOLE_BATCHES = ROUNDS % PREFETCH_UNITS == 0;
    const u32 column = lane() % LANES_PER_ROW * LANE_WEIGHTS + wave() * Shape::UNIT_COLUMNS;
    const int count = slice.tiles * ROUNDS;
    Cursor ahead = cursor_at(slice);
    if (count > PREFETCH_UNITS)
        for (int i = 0; i < PREFETCH_UNITS; i++)
            skip_unit(ahead);
    f32x2 sum = {0, 0};
    int tile = 0, round = 0;
    int done = 0;
    NO_UNROLL
    do { // once at least: also without tiles, the next units are fetched here
        if (done + PREFETCH_UNITS >= count)
            ahead = cursor_at(next);
        UNROLL
        for (int i = 0; i < PREFETCH_UNITS; i++) {
            if (WHOLE_BATCHES ? done < count : done + i < count) {
                const int here = WHOLE_TILES ? i % ROUNDS : round;
                if (Shape::UNITS % STREAMING_WAVES == 0 ||
                    (int)wave() + here * (int)STREAMING_WAVES < Shape::UNITS)
                    sum = multiply_unit(sum, stream.unit[i],
                                        lds.activation + column +
                                            here * (int)STREAMING_WAVES * Shape::UNIT_COLUMNS);
                round++;
                const bool may_end = WHOLE_TILES ? i % ROUNDS == ROUNDS - 1
                                                 : !WHOLE_BATCHES || i == PREFETCH_UNITS - 1;
                if (may_end && (WHOLE_TILES || round == ROUNDS)) {
                    const float total = sum_over<LANES_PER_ROW>(sum.x + sum.y);
                    if (lane() % LANES_PER_ROW == 0)
                        lds.partial[(tile * STREAMING_WAVES + wave()) * Shape::TILE_ROWS +
                                    lane() / LANES_PER_ROW] = total;
                    sum = f32x2{0, 0};
                    round = 0;
                    tile++;
                }
            }
            schedule_fence();
            stream.unit[i] = take_unit(ahead);
            schedule_fence();
        }
        done += PREFETCH_UNITS;
    } while (done < count);
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
