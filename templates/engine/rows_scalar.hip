//@ -- Engine rows_scalar: the CPU multiplies a unit at a time and lets the compiler make vectors.
//@ -- A unit is [TILE_ROWS][UNIT_COLUMNS] bf16, row-major.
// Nothing is in flight between stages: the processor's own prefetcher follows the run of weights.
struct Stream {};

DEVICE void stream_prefetch(Stream &, Slice) {}

DEVICE void stage_activation(int column, float value) { lds.activation[column] = value; }

DEVICE f32x8 load_weights(const u8 *at) {
    u16x8 raw;
    std::memcpy(&raw, at, sizeof raw);
    return (f32x8)(__builtin_convertvector(raw, u32x8) << 16);
}

// Multiplies the tiles of `slice`: leaves [tile][row] sums in lds.partial.
template <class Shape> DEVICE void tile_product(Stream &, Slice slice, Slice) {
    const u8 *weights = slice.start;
    for (int tile = 0; tile < slice.tiles; tile++) {
        f32x8 sum[Shape::TILE_ROWS] = {};
        for (int unit = 0; unit < Shape::UNITS; unit++) {
            for (int column = 0; column < Shape::UNIT_COLUMNS; column += 8) {
                const f32x8 x = load_floats(lds.activation + unit * Shape::UNIT_COLUMNS + column);
                for (int row = 0; row < Shape::TILE_ROWS; row++)
                    sum[row] +=
                        load_weights(weights + (row * Shape::UNIT_COLUMNS + column) * 2) * x;
            }
            weights += UNIT_BYTES;
        }
        for (int row = 0; row < Shape::TILE_ROWS; row++) {
            const f32x8 s = sum[row];
            lds.partial[tile * Shape::TILE_ROWS + row] =
                ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
        }
    }
}

// Row `row` of pass tile `tile`.
template <class Shape> DEVICE float tile_row(int tile, int row) {
    return lds.partial[tile * Shape::TILE_ROWS + row];
}
