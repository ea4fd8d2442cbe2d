//@ -- Engine rows_scalar: the CPU multiplies a unit at a time and lets the compiler make vectors.
//@ -- A unit is [TILE_ROWS][UNIT_COLUMNS] weights, row-major.
// Nothing is in flight between stages: the processor's own prefetcher follows the run of weights.
struct Stream {};

DEVICE void stream_prefetch(Stream &, Slice) {}

DEVICE void stage_activation(int column, float value) { lds.activation[column] = value; }

DEVICE f32x8 load_floats(const float *at) {
    f32x8 x;
    std::memcpy(&x, at, sizeof x);
    return x;
}
DEVICE f32x8 load_weights(const u8 *at) {
//@ if plan.shape.weight_dtype == "fp32" then
    return load_floats((const float *)at);
//@ else
    u16x8 raw;
    std::memcpy(&raw, at, sizeof raw);
    const u32x8 wide = __builtin_convertvector(raw, u32x8);
//@   if plan.shape.weight_dtype == "bf16" then
    return (f32x8)(wide << 16);
//@   else
    // As fp16_to_float.
    const f32x8 magnitude = (f32x8)((wide & 0x7FFF) << 13) * 0x1p112f;
    const u32x8 special = (u32x8)((wide & 0x7C00) == 0x7C00) & 0x7F800000u;
    return (f32x8)((u32x8)magnitude | special | (wide & 0x8000) << 16);
//@   end
//@ end
}

// Multiplies the tiles of `slice`: leaves [tile][row] sums in lds.partial.
template <class Shape> DEVICE void tile_product(Stream &, Slice slice, Slice) {
    const u8 *weights = slice.start;
    for (int tile = 0; tile < slice.tiles; tile++) {
        f32x8 sum[Shape::TILE_ROWS] = {};
        for (int unit = 0; unit < Shape::UNITS; unit++) {
            for (int column = 0; column < Shape::UNIT_COLUMNS; column += 8) {
                const f32x8 x = load_floats(lds.activation + unit * Shape::UNIT_COLUMNS + column);
                for (int row = 0; row < Shape::TILE_ROWS; row++) {
                    const int weight = row * Shape::UNIT_COLUMNS + column;
                    sum[row] += load_weights(weights + weight * WEIGHT_BYTES) * x;
                }
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

// Row `row` of the tiles of a pass.
template <class Shape> DEVICE float product_row(int row) { return lds.partial[row]; }
