//@ -- Engine rows_scalar: the CPU multiplies 16 columns of each row of a tile at a time.
//@ -- A unit is [TILE_ROWS][UNIT_COLUMNS] bf16, row-major.
// Nothing is kept in flight between stages; but the run of weights goes on from stage to stage, and
// what is fetched into the cache ahead of a stage's end is the start of the next.
struct Stream {};

DEVICE void stream_prefetch(Stream &, Slice) {}

// How far ahead of their use weights are asked for: the bytes that a core reads while one line
// comes from memory, and some more (40 GB/s times 100 ns are 4 KiB).
constexpr int PREFETCH_BYTES = 6 * 1024;

DEVICE void stage_activation(int column, float value) { lds.activation[column] = value; }

// 16 weights: those of even and those of odd columns, a shift and a mask of the same 32 bytes.
struct WeightPair {
    f32x8 even, odd;
};
DEVICE WeightPair load_weights(const u8 *at) {
    u32x8 raw;
    std::memcpy(&raw, at, sizeof raw);
    return {(f32x8)(raw << 16), (f32x8)(raw & 0xFFFF0000u)};
}

// Multiplies the tiles of `slice`: leaves [tile][row] sums in lds.partial.
template <class Shape> DEVICE void tile_product(Stream &, Slice slice, Slice) {
    static_assert(Shape::UNIT_COLUMNS % 16 == 0 && Shape::TILE_ROWS <= 8, "the loops below");
    constexpr int COLUMNS = Shape::UNITS * Shape::UNIT_COLUMNS;
    alignas(64) float x[COLUMNS]; // the activation in the order of load_weights
    for (int column = 0; column < COLUMNS; column += 16)
        for (int i = 0; i < 8; i++) {
            x[column + i] = lds.activation[column + 2 * i];
            x[column + 8 + i] = lds.activation[column + 2 * i + 1];
        }
    const u8 *weights = slice.start;
    for (int tile = 0; tile < slice.tiles; tile++) {
        f32x8 sum[8] = {}; // of each row
        for (int unit = 0; unit < Shape::UNITS; unit++) {
            for (int column = 0; column < Shape::UNIT_COLUMNS; column += 16) {
                const float *at = x + unit * Shape::UNIT_COLUMNS + column;
                const f32x8 even = load_floats(at), odd = load_floats(at + 8);
                for (int row = 0; row < Shape::TILE_ROWS; row++) {
                    const WeightPair w =
                        load_weights(weights + (row * Shape::UNIT_COLUMNS + column) * 2);
                    sum[row] += w.even * even;
                    sum[row] += w.odd * odd;
                }
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
