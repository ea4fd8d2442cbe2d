//@ -- Attention on the CPU: one wave, one lane, position after position.
DEVICE void store_kv(float *at, float x) { *at = x; }
DEVICE void store_kv(u16 *at, float x) { *at = float_to_bf16(x); }
DEVICE float kv_to_float(float x) { return x; }
DEVICE float kv_to_float(u16 x) { return bf16_to_float(x); }

// The part of wave `w` for one query head: [0] maximum, [1] sum, [2 ...] weighted values.
DEVICE float *attended_part(int w, int query) {
    return lds.attended + (w * QUERY_GROUP + query) * (KV_ROW + 2);
}

// The part of rows first .. end - 1 of the cache in softmax(query keys) values, in one pass with a
// running maximum. Requires: lds.query is scaled.
template <class Shape> DEVICE void attend(u32 first, u32 end, const u8 *keys, const u8 *values) {
    for (int query = 0; query < QUERY_GROUP; query++) {
        const float *q = lds.query + query * HEAD_DIM;
        float *part = attended_part(0, query);
        float highest = -3e38f, sum = 0;
        for (int d = 0; d < HEAD_DIM; d++)
            part[2 + d] = 0;
        for (u32 p = first; p < end; p++) {
            const KvElement *key = (const KvElement *)keys + (u64)p * KV_ROW;
            const KvElement *value = (const KvElement *)values + (u64)p * KV_ROW;
            float score = 0;
            for (int d = 0; d < HEAD_DIM; d++)
                score += q[d] * kv_to_float(key[d]);
            score = Shape::score(score);
            if (score > highest) {
                const float shrink = exponential(highest - score);
                sum *= shrink;
                for (int d = 0; d < HEAD_DIM; d++)
                    part[2 + d] *= shrink;
                highest = score;
            }
            const float weight = exponential(score - highest);
            sum += weight;
            for (int d = 0; d < HEAD_DIM; d++)
                part[2 + d] += weight * kv_to_float(value[d]);
        }
        part[0] = highest;
        part[1] = sum;
    }
}
