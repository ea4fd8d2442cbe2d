//@ local body = current_body
//@ local values, sums = body.reads[1].span, body.reads[2].span
//@ local splits, rows = body.splits, body.tile_rows
//@ local a_head = sums["repeat"]

// $(body.name): $(body.summary)
// A tile is $(rows) dimensions of a query head. In two passes: the maxima of all splits first, then
// the weighted sums, so that no split waits for another.
//@ stage_lines[body.op] = here()
template <u32 KIND> DEVICE void stage_$(body.name)(Worker &worker, u32 step, Mail in, Mail out) {
    worker.step = step;
    if (!(KIND & HANDS_OFF))
        return;
    constexpr int SPLITS = $(splits), ROWS = $(rows);
    float *sums = lds.merged + handoff_wave() * (SPLITS * (ROWS + 2)); // [split][2]: maximum, sum
    float *values = sums + 2 * SPLITS;                                 // [split][ROWS]
    NO_UNROLL
    for (int tile = $(body.partition)_first() + (int)handoff_wave(), end = $(body.partition)_end();
         tile < end; tile += (int)HANDOFF_WAVES) {
//@ trace("        ", "WAITS")
        // Sums and values together: pair i of the sums, or pair i - 2 * SPLITS of the values.
        constexpr u32 SUMS = 2 * SPLITS, WIDE = pairs_a_load(ROWS);
        const u32 head = (u32)tile / $(a_head) * 2;
        receive_groups<SUMS + SPLITS * ROWS, WIDE, 1, false>(
            worker, in.epoch,
            [&](u32 i) {
                if (i < SUMS)
                    return in.slot + $(sums.first) + head + i / 2 * $(sums.chunk_stride) + i % 2;
                i -= SUMS;
                return in.slot + (u32)tile * ROWS + i / ROWS * $(values.chunk_stride) + i % ROWS;
            },
            [](u32) { return 0; },
            [&](u32 i, const PairGroup<WIDE> &group, int) {
                UNROLL
                for (u32 n = 0; n < WIDE; n++)
                    sums[i + n] = from_bits(pair_value(group.pair[n]));
            });
//@ trace("        ", "FINISHES")
        float highest = sums[0];
        UNROLL_SOME
        for (int s = 1; s < SPLITS; s++)
            highest = sums[2 * s] > highest ? sums[2 * s] : highest;
        NO_UNROLL
        for (int row = (int)lane(); row < ROWS; row += (int)WAVE_LANES) {
            float sum = 0, value = 0;
            UNROLL_SOME
            for (int s = 0; s < SPLITS; s++) {
                const float weight = exponential(sums[2 * s] - highest);
                sum += weight * sums[2 * s + 1];
                value += weight * values[s * ROWS + row];
            }
            publish(worker, out.slot + tile * ROWS + row, bits(value / sum), out.epoch);
        }
    }
}
