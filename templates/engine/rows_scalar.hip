//@ -- Engine rows_scalar: the CPU multiplies a few columns of each row of a tile at a time.
//@ -- A unit is [TILE_ROWS][UNIT_COLUMNS] weights, row-major.
//@ local wide = plan.shape.weight_dtype == "fp32" -- else two weights to a word
// Nothing is kept in flight between stages; but the run of weights goes on from stage to stage, and
// what is fetched into the cache ahead of a stage's end is the start of the next.
struct Stream {};

DEVICE void stream_open() {}

template <u32 KIND> DEVICE void stream_prefetch(const Worker &, Stream &, Slice) {}

// How far ahead of their use weights are asked for: the bytes that a core reads while one line
// comes from memory, and some more (40 GB/s times 100 ns are 4 KiB).
constexpr int PREFETCH_BYTES = 6 * 1024;

// Where a weight lies in its unit, in elements.
template <class Shape> DEVICE u32 weight_in_unit(u32 row, u32 column) {
    return row * Shape::UNIT_COLUMNS + column;
}

template <u32 N> DEVICE void stage_activations(u32 column, Floats<N> value) {
    UNROLL
    for (u32 n = 0; n < N; n++)
        lds.activation[column + n] = value.x[n];
}

//@ if wide then
constexpr int COLUMNS_AT_ONCE = 8;
//@ else
constexpr int COLUMNS_AT_ONCE = 16;
// 16 weights: those of even and those of odd columns, the halves of the same 32 bytes.
struct WeightPair {
    f32x8 even, odd;
};
DEVICE WeightPair load_weights(const u8 *at) {
    u32x8 raw;
    std::memcpy(&raw, at, sizeof raw);
    return {$(plan.shape.weight_dtype)_low(raw), $(plan.shape.weight_dtype)_high(raw)};
}
//@ end

// Multiplies the tiles of `slice`: leaves [tile][row] sums in lds.partial.
template <u32 KIND, class Shape>
DEVICE void tile_product(const Worker &, Stream &, Slice slice, Slice) {
    static_assert(Shape::UNIT_COLUMNS % COLUMNS_AT_ONCE == 0 && Shape::TILE_ROWS <= 8,
                  "the loops below");
//@ if not wide then
    constexpr int COLUMNS = Shape::UNITS * Shape::UNIT_COLUMNS;
    alignas(64) float x[COLUMNS]; // the activation in the order of load_weights
    for (int column = 0; column < COLUMNS; column += 16)
        for (int i = 0; i < 8; i++) {
            x[column + i] = lds.activation[column + 2 * i];
            x[column + 8 + i] = lds.activation[column + 2 * i + 1];
        }
//@ end
    const u8 *weights = slice.start;
    for (int tile = 0; tile < slice.tiles; tile++) {
        f32x8 sum[8] = {}; // of each row
        for (int unit = 0; unit < Shape::UNITS; unit++) {
            for (int column = 0; column < Shape::UNIT_COLUMNS; column += COLUMNS_AT_ONCE) {
//@ if wide then
                const f32x8 x = load_floats(lds.activation + unit * Shape::UNIT_COLUMNS + column);
                for (int row = 0; row < Shape::TILE_ROWS; row++)
                    sum[row] +=
                        load_floats((const float *)weights + row * Shape::UNIT_COLUMNS + column) *
                        x;
//@ else
                const float *at = x + unit * Shape::UNIT_COLUMNS + column;
                const f32x8 even = load_floats(at), odd = load_floats(at + 8);
                for (int row = 0; row < Shape::TILE_ROWS; row++) {
                    const WeightPair w =
                        load_weights(weights + (row * Shape::UNIT_COLUMNS + column) * WEIGHT_BYTES);
                    sum[row] += w.even * even;
                    sum[row] += w.odd * odd;
                }
//@ end
            }
            for (int line = 0; line < UNIT_BYTES; line += 64)
                __builtin_prefetch(weights + PREFETCH_BYTES + line);
            weights += UNIT_BYTES;
        }
        const f32x8 sums = sum_each(sum);
        std::memcpy(&lds.partial[tile * Shape::TILE_ROWS], &sums, Shape::TILE_ROWS * 4);
    }
}

// Row `row` of pass tile `tile`.
template <class Shape> DEVICE float tile_row(int tile, int row) {
    return lds.partial[tile * Shape::TILE_ROWS + row];
}
