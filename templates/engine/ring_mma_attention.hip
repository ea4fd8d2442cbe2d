//@ if plan.engine.attention == "rows" then
//@   -- As rows_vgpr does it.
//@   include("engine/rows_vgpr_attention.hip")
//@ else
//@ -- Attention by matrix instructions: a wave takes 16 positions at a time. Scores are queries times
//@ -- keys, [head][position]; what they weigh is values times scores, [dim][head]. Queries and weights
//@ -- are sums of two parts in bf16: of each four heads, four rows (of queries) or columns (of
//@ -- weights) are the upper parts and four the lower ones. K and V go from memory to the registers in
//@ -- which the instructions want them. Of a few small heads all waves but the one that
//@ -- copies take part, so that a short context is one step of each; for others the waves that
//@ -- hand off have no registers to spare. What a wave's first step takes is asked for before the
//@ -- query has come.
//@ local together = plan.engine.attending_waves > plan.machine.streaming_waves
constexpr u32 STEP_POSITIONS = 16, PART_HEADS = 8, QUERY_STRIDE = HEAD_DIM + 8;
constexpr int KEY_LOADS = HEAD_DIM / 32, VALUE_LOADS = HEAD_DIM / 64, DIM_TILES = HEAD_DIM / 16;
constexpr int FOURS = (QUERY_GROUP + 3) / 4; // of heads
constexpr u32 ATTENDING_WAVES = $(plan.engine.attending_waves);
constexpr u32 ATTENDS = $(together and "STREAMS | HANDS_OFF" or "STREAMS");

DEVICE void stage_query(int query, int dim, float x) {
    const u16 high = float_to_bf16(x);
    u16 *at = lds.query_parts + query * QUERY_STRIDE + dim;
    at[0] = high;
    at[PART_HEADS * QUERY_STRIDE] = float_to_bf16(x - bf16_to_float(high));
}

// An element of this position's key or value: for the cache, and for this position itself.
DEVICE void keep_key(KvElement *row, int dim, float x) {
    row[dim] = lds.fresh[dim] = float_to_bf16(x);
}
DEVICE void keep_value(KvElement *row, int dim, float x) {
    row[dim] = lds.fresh[KV_ROW + dim] = float_to_bf16(x);
}

// The part of wave `w` for one query head: [0] maximum, [1] sum, [2 ...] weighted values.
DEVICE float *attended_part(int w, int query) {
    return lds.attended + (w * QUERY_GROUP + query) * (KV_ROW + 2);
}

// Lane l holds of the keys 8 dimensions from l % 4 * 8 of each 32 on, of positions l / 4 and
// l / 4 + 8 of the step; of the values 8 dimensions from l / 4 * 8 of each 64 on, of positions
// l % 4 * 2, the next one, and those 8 further.
struct KvStep {
    u32x4 key[2][KEY_LOADS], value[4][VALUE_LOADS];
};
DEVICE u32 key_position(int i) { return lane() / 4 + i * 8; }
DEVICE u32 value_position(int i) { return i / 2 * 8 + lane() % 4 * 2 + i % 2; }
DEVICE const u8 *kv_row(const u8 *rows, u32 position, u32 last) {
    return rows + (u64)(position < last ? position : last) * (KV_ROW * sizeof(KvElement));
}
DEVICE void load_keys(KvStep &step, const u8 *keys, u32 base, u32 last) {
    UNROLL
    for (int i = 0; i < 2; i++) {
        const u32x4 *row = (const u32x4 *)kv_row(keys, base + key_position(i), last) + lane() % 4;
        UNROLL
        for (int c = 0; c < KEY_LOADS; c++)
            step.key[i][c] = load_streamed(row + c * 4);
    }
}
DEVICE void load_values(KvStep &step, const u8 *values, u32 base, u32 last) {
    UNROLL
    for (int i = 0; i < 4; i++) {
        const u32x4 *row =
            (const u32x4 *)kv_row(values, base + value_position(i), last) + lane() / 4;
        UNROLL
        for (int c = 0; c < VALUE_LOADS; c++)
            step.value[i][c] = load_streamed(row + c * 8);
    }
}
// From position `fresh` on what this position appends is taken: it was loaded too early.
DEVICE void take_fresh(KvStep &step, u32 base, u32 fresh) {
    UNROLL
    for (int i = 0; i < 2; i++)
        if (base + key_position(i) >= fresh)
            UNROLL
    for (int c = 0; c < KEY_LOADS; c++)
        step.key[i][c] = ((const u32x4 *)lds.fresh)[c * 4 + lane() % 4];
    UNROLL
    for (int i = 0; i < 4; i++)
        if (base + value_position(i) >= fresh)
            UNROLL
    for (int c = 0; c < VALUE_LOADS; c++)
        step.value[i][c] = ((const u32x4 *)(lds.fresh + KV_ROW))[c * 8 + lane() / 4];
}

// A wave's first step, asked for before the query is there.
constexpr u32 ROUND_POSITIONS = ATTENDING_WAVES * STEP_POSITIONS;
struct KvAhead {
    KvStep step;
};
template <u32 KIND>
DEVICE void load_ahead(KvAhead &ahead, u32 first, u32 end, const u8 *keys, const u8 *values) {
    const u32 base = first + wave() * STEP_POSITIONS;
    if (base < end) {
        load_keys(ahead.step, keys, base, end - 1);
        if constexpr (!(KIND & HANDS_OFF)) // the others have no registers for more
            load_values(ahead.step, values, base, end - 1);
    }
}

// What lane l knows of head l / 4 % 4 of each four: its running maximum, its own positions' part of
// the sum. And of columns l % 4 * 2 and the next one the weighted values: four for each DIM_TILES.
struct Attended {
    float highest[FOURS], sum[FOURS];
    float values[FOURS][DIM_TILES][4];
};
// Weights of the positions l % 4 * 2, the next one, and those 8 further, before they are split.
struct StepWeights {
    float of[FOURS][2][2];
};
template <class Shape>
DEVICE StepWeights attend_keys(Attended &attended, const KvStep &step, u32 base, u32 end) {
    const u32 part = lane() / 16, head = lane() / 4 % 4;
    const u16 *query[FOURS];
    UNROLL
    for (int f = 0; f < FOURS; f++)
        query[f] =
            lds.query_parts + lane() % 4 * 8 +
            (part * PART_HEADS + (head + f * 4 < QUERY_GROUP ? head + f * 4 : 0)) * QUERY_STRIDE;
    float scores[2][4] = {};
    UNROLL
    for (int c = 0; c < KEY_LOADS; c++) {
        u32x4 x[2] = {};
        UNROLL
        for (int f = 0; f < FOURS; f++)
            x[f] = *(const u32x4 *)(query[f] + c * 32);
        UNROLL
        for (int i = 0; i < 2; i++) {
            const u32x4 key = step.key[i][c];
            multiply_bf16(scores[i], u32x4{x[0].x, x[1].x, x[0].y, x[1].y}, key.x, key.y);
            multiply_bf16(scores[i], u32x4{x[0].z, x[1].z, x[0].w, x[1].w}, key.z, key.w);
        }
    }
    StepWeights weights;
    UNROLL
    for (int f = 0; f < FOURS; f++) {
        float top = attended.highest[f];
        UNROLL
        for (int i = 0; i < 2; i++)
            UNROLL
        for (int n = 0; n < 2; n++) {
            const float mine = scores[i][f * 2 + n];
            const float score = Shape::score(mine + from_bits(lane_xor<16>(bits(mine))));
            const bool there = base + i * 8 + lane() % 4 * 2 + n < end;
            weights.of[f][i][n] = there ? score : -infinity();
            top = there && score > top ? score : top;
        }
        const float next = from_bits(lane_xor<1>(bits(top)));
        top = next > top ? next : top;
        const float far = from_bits(lane_xor<2>(bits(top)));
        top = far > top ? far : top;
        if (!all_lanes(top == attended.highest[f])) {
            const float shrink = exponential(attended.highest[f] - top);
            attended.highest[f] = top;
            attended.sum[f] *= shrink;
            UNROLL
            for (u32 n = 0; n < 2; n++) { // of this lane's columns
                const float column = from_lane(shrink, (lane() % 4 * 2 + n) % 4 * 4);
                UNROLL
                for (int t = 0; t < DIM_TILES; t++) {
                    attended.values[f][t][n] *= column;
                    attended.values[f][t][n + 2] *= column;
                }
            }
        }
        UNROLL
        for (int i = 0; i < 2; i++)
            UNROLL
        for (int n = 0; n < 2; n++) {
            weights.of[f][i][n] = exponential(weights.of[f][i][n] - top);
            attended.sum[f] += weights.of[f][i][n];
        }
    }
    return weights;
}
DEVICE void attend_values(Attended &attended, const KvStep &step, const StepWeights &weights) {
    const bool upper = lane() < 16;
    u32 pair[FOURS][2];
    UNROLL
    for (int f = 0; f < FOURS; f++)
        UNROLL
    for (int i = 0; i < 2; i++) {
        const float a = weights.of[f][i][0], b = weights.of[f][i][1];
        const u32 high = floats_to_bf16(a, b);
        pair[f][i] = upper ? high : floats_to_bf16(a - bf16_low(high), b - bf16_high(high));
    }
    UNROLL
    for (int c = 0; c < VALUE_LOADS; c++)
        UNROLL
    for (int w = 0; w < 4; w++) {
        const u32 at[4] = {step.value[0][c][w], step.value[1][c][w], step.value[2][c][w],
                           step.value[3][c][w]};
        const u32x4 values = {low_halves(at[0], at[1]), high_halves(at[0], at[1]),
                              low_halves(at[2], at[3]), high_halves(at[2], at[3])};
        UNROLL
        for (int f = 0; f < FOURS; f++)
            multiply_bf16(attended.values[f][c * 4 + w], values, pair[f][0], pair[f][1]);
    }
}

// The part of rows first .. end - 1 of the cache in softmax(query keys) values, in one pass with a
// running maximum; rows from `fresh` on lie in LDS. Requires: lds.query_parts is scaled, and what
// load_ahead loaded.
template <u32 KIND, class Shape>
DEVICE void attend(KvAhead &ahead, u32 first, u32 fresh, u32 end, const u8 *keys,
                   const u8 *values) {
    Attended attended = {};
    UNROLL
    for (int f = 0; f < FOURS; f++)
        attended.highest[f] = -3e38f;
    KvStep &step = ahead.step;
    if constexpr (KIND & HANDS_OFF)
        if (first + wave() * STEP_POSITIONS < end)
            load_values(step, values, first + wave() * STEP_POSITIONS, end - 1);
    NO_UNROLL
    for (u32 base = first + wave() * STEP_POSITIONS; base < end; base += ROUND_POSITIONS) {
        const u32 later = base + ROUND_POSITIONS;
        if (base + STEP_POSITIONS > fresh)
            take_fresh(step, base, fresh);
        const StepWeights weights = attend_keys<Shape>(attended, step, base, end);
        if (later < end)
            load_keys(step, keys, later, end - 1);
        attend_values(attended, step, weights);
        if (later < end)
            load_values(step, values, later, end - 1);
    }
    UNROLL
    for (int f = 0; f < FOURS; f++) {
        const float sum = sum_over<4>(attended.sum[f]);
        const int head = (int)lane() / 4 % 4 + f * 4;
        if (lane() < 16 && head < QUERY_GROUP) {
            float *part = attended_part((int)wave(), head);
            part[0] = attended.highest[f];
            part[1] = sum;
        }
        // Columns of upper and lower parts lie two lanes apart.
        UNROLL
        for (int t = 0; t < DIM_TILES; t++)
            UNROLL
        for (int i = 0; i < 4; i++) {
            const float mine = attended.values[f][t][i];
            const float x = mine + from_bits(lane_xor<2>(bits(mine)));
            const int column = (int)lane() % 4 * 2 + i % 2 + f * 4;
            const int dim = t / 4 * 64 + (int)lane() / 4 * 8 + t % 4 * 2 + i / 2;
            if (lane() % 4 < 2 && column < QUERY_GROUP)
                attended_part((int)wave(), column)[2 + dim] = x;
        }
    }
}
//@ end
