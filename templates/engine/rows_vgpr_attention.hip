//@ -- Attention in registers: a row of K or V is read by KV_LANES lanes of 16 bytes, so a wave sees
//@ -- WAVE_LANES / KV_LANES positions at once; positions are dealt to the streaming waves in turn.
constexpr int KV_PER_LANE = 16 / (int)sizeof(KvElement);
constexpr int KV_LANES = KV_ROW / KV_PER_LANE;
constexpr int WAVE_POSITIONS = (int)WAVE_LANES / KV_LANES;
//@ -- A query head takes registers for its elements, its weighted values, its maximum and its sum. The
//@ -- heads of a batch may take half of the registers that a wave can have on one of a CU's 4 SIMDs, the
//@ -- batches of a group are as equal as can be.
//@ local group, machine = plan.shape.heads // plan.shape.kv_heads, plan.machine
//@ local of_one = 2 * (16 // plan.kv.element_bytes) + 2
//@ local waves = (machine.workgroup_threads // machine.wave_lanes + 3) // 4
//@ local most = machine.registers_per_lane == 0 and group
//@   or math.max(machine.registers_per_lane // waves // 2 // of_one, 1)
//@ local batches = (group + most - 1) // most
constexpr int QUERY_BATCH =
    $((group + batches - 1) // batches); // query heads that a wave holds at once

//@ include("engine/rows_kv.hip")

// The part of wave `w` for one query head: [0] maximum, [1] sum, [2 ...] weighted values.
DEVICE float *attended_part(int w, int query) {
    return lds.attended + (w * QUERY_GROUP + query) * (KV_ROW + 2);
}

struct KvLane {
    float x[KV_PER_LANE];
};
DEVICE KvLane load_kv(const u8 *rows, u32 position) {
    const u32x4 raw =
        load_streamed((const u32x4 *)(rows + (u64)position * KV_ROW * sizeof(KvElement)) +
                      (int)lane() % KV_LANES);
    KvLane row;
    UNROLL
    for (int i = 0; i < 4; i++) {
        const u32 word = raw[i];
        if constexpr (sizeof(KvElement) == 4) {
            row.x[i] = from_bits(word);
        } else {
            row.x[i * 2] = bf16_low(word);
            row.x[i * 2 + 1] = bf16_high(word);
        }
    }
    return row;
}

// Adds up lanes that hold the same dimensions of different positions, MASK lanes apart and wider.
template <int MASK> DEVICE float sum_positions(float x) {
    if constexpr (MASK < (int)WAVE_LANES)
        return sum_positions<MASK * 2>(x + from_bits(lane_xor<MASK>(bits(x))));
    else
        return x;
}
template <int MASK> DEVICE float highest_position(float x) {
    if constexpr (MASK < (int)WAVE_LANES) {
        const float other = from_bits(lane_xor<MASK>(bits(x)));
        return highest_position<MASK * 2>(other > x ? other : x);
    } else {
        return x;
    }
}

// The part of rows first .. end - 1 of the cache in softmax(query keys) values, in one pass with a
// running maximum, for the heads of the group from `query_head` on that a batch has.
template <class Shape>
DEVICE void attend_batch(int query_head, u32 first, u32 end, const u8 *keys, const u8 *values) {
    const int dim = (int)lane() % KV_LANES * KV_PER_LANE;
    float query[QUERY_BATCH][KV_PER_LANE], value[QUERY_BATCH][KV_PER_LANE];
    float highest[QUERY_BATCH], sum[QUERY_BATCH];
    UNROLL
    for (int g = 0; g < QUERY_BATCH; g++) {
        highest[g] = -3e38f;
        sum[g] = 0;
        UNROLL
        for (int i = 0; i < KV_PER_LANE; i++) {
            query[g][i] = dim + i < HEAD_DIM ? lds.query[(query_head + g) * HEAD_DIM + dim + i] : 0;
            value[g][i] = 0;
        }
    }
    constexpr u32 STRIDE = STREAMING_WAVES * WAVE_POSITIONS;
    NO_UNROLL
    for (u32 base = first + wave() * WAVE_POSITIONS; base < end; base += STRIDE) {
        const u32 wanted = base + lane() / KV_LANES;
        const u32 there = wanted < end ? wanted : end - 1;
        const KvLane key = load_kv(keys, there), row = load_kv(values, there);
        UNROLL
        for (int g = 0; g < QUERY_BATCH; g++) {
            float score = 0;
            UNROLL
            for (int i = 0; i < KV_PER_LANE; i++)
                score += query[g][i] * key.x[i];
            score = Shape::score(sum_over<KV_LANES>(score));
            score = wanted < end ? score : -infinity();
            const float top = score > highest[g] ? score : highest[g];
            const float shrink = exponential(highest[g] - top), weight = exponential(score - top);
            highest[g] = top;
            sum[g] = sum[g] * shrink + weight;
            UNROLL
            for (int i = 0; i < KV_PER_LANE; i++)
                value[g][i] = value[g][i] * shrink + weight * row.x[i];
        }
    }
    UNROLL
    for (int g = 0; g < QUERY_BATCH; g++) {
        const float top = highest_position<KV_LANES>(highest[g]);
        const float shrink = exponential(highest[g] - top);
        const float total = sum_positions<KV_LANES>(sum[g] * shrink);
        float *part = attended_part((int)wave(), query_head + g);
        UNROLL
        for (int i = 0; i < KV_PER_LANE; i++) {
            const float x = sum_positions<KV_LANES>(value[g][i] * shrink);
            if ((int)lane() < KV_LANES)
                part[2 + dim + i] = x;
        }
        if (lane() == 0) {
            part[0] = top;
            part[1] = total;
        }
    }
}

// All heads of the group, batch after batch: where one holds them all, K and V are read once. The
// last batch ends with the group, and may begin with heads that the one before has had: they come
// out alike. Requires: lds.query is scaled.
template <u32 KIND, class Shape>
DEVICE void attend(KvAhead &, u32 first, u32, u32 end, const u8 *keys, const u8 *values) {
    NO_UNROLL
    for (int query_head = 0; query_head < QUERY_GROUP; query_head += QUERY_BATCH) {
        const int last = QUERY_GROUP - QUERY_BATCH;
        attend_batch<Shape>(query_head < last ? query_head : last, first, end, keys, values);
    }
}
