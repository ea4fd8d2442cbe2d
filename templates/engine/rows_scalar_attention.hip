//@ -- Attention on the CPU: one wave, one lane. Positions come in blocks: the scores of a block, then
//@ -- their weights, then the weighted values, each with vectors and for all query heads at once.
constexpr int ATTEND_BLOCK = 64;                             // positions
constexpr int KV_PADDED = KV_ROW < 16 ? 16 : KV_ROW;         // elements of a row, in whole pairs
constexpr int KV_LOADED = KV_PADDED == KV_ROW ? 16 : KV_ROW; // of them with one load

//@ include("engine/rows_kv.hip")

// 16 elements of a row in two vectors: of bf16, those of even and those of odd places.
struct KvPair {
    f32x8 half[2];
};
DEVICE KvPair load_kv(const float *at) {
    KvPair pair = {};
    std::memcpy(&pair, at, KV_LOADED * sizeof *at);
    return pair;
}
DEVICE KvPair load_kv(const u16 *at) {
    u32x8 raw = {};
    std::memcpy(&raw, at, KV_LOADED * sizeof *at);
    return {{(f32x8)(raw << 16), (f32x8)(raw & 0xFFFF0000u)}};
}
// Which element of a row load_kv leaves at place `i` of its pairs.
DEVICE constexpr int kv_element(int i) {
    const int half = i % 16 / 8, lane = i % 8;
    return i / 16 * 16 + (sizeof(KvElement) == 2 ? lane * 2 + half : half * 8 + lane);
}

// The part of wave `w` for one query head: [0] maximum, [1] sum, [2 ...] weighted values.
DEVICE float *attended_part(int w, int query) {
    return lds.attended + (w * QUERY_GROUP + query) * (KV_ROW + 2);
}

// One query head; rows are in the order of load_kv.
struct Attention {
    alignas(64) float query[KV_PADDED];
    alignas(64) float value[KV_PADDED];     // weighted, so far
    alignas(64) float weight[ATTEND_BLOCK]; // of the block's positions; first their scores
    float highest, sum;                     // of all scores and weights so far
};

template <class Shape>
DEVICE void score_block(Attention (&heads)[QUERY_GROUP], const KvElement *keys, int count) {
    for (int first = 0; first < count; first += 8) {
        f32x8 score[QUERY_GROUP][8] = {};
        for (int p = 0; p < 8 && first + p < count; p++)
            for (int d = 0; d < KV_PADDED; d += 16) {
                const KvPair key = load_kv(keys + (first + p) * KV_ROW + d);
                for (int q = 0; q < QUERY_GROUP; q++) {
                    score[q][p] += load_floats(heads[q].query + d) * key.half[0];
                    score[q][p] += load_floats(heads[q].query + d + 8) * key.half[1];
                }
            }
        for (int q = 0; q < QUERY_GROUP; q++)
            store_floats(heads[q].weight + first, sum_each(score[q]));
    }
    if constexpr (Shape::CAPS)
        for (int q = 0; q < QUERY_GROUP; q++)
            for (int p = 0; p < count; p++)
                heads[q].weight[p] = Shape::score(heads[q].weight[p]);
}

// Scores become weights, relative to the highest score so far.
DEVICE void weigh_block(Attention &head, int count) {
    for (int p = count; p < ATTEND_BLOCK; p++)
        head.weight[p] = -3e38f; // of no position: weighs nothing
    f32x8 most = load_floats(head.weight), sum = {};
    for (int p = 8; p < ATTEND_BLOCK; p += 8) {
        const f32x8 score = load_floats(head.weight + p);
        most = score > most ? score : most;
    }
    float highest = head.highest;
    for (int i = 0; i < 8; i++)
        highest = most[i] > highest ? most[i] : highest;
    for (int p = 0; p < ATTEND_BLOCK; p += 8) {
        const f32x8 weight = exponential(load_floats(head.weight + p) - highest);
        store_floats(head.weight + p, weight);
        sum += weight;
    }
    const float shrink = exponential(head.highest - highest);
    head.highest = highest;
    head.sum = head.sum * shrink +
               (((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
    for (int d = 0; d < KV_PADDED; d += 8)
        store_floats(head.value + d, load_floats(head.value + d) * shrink);
}

DEVICE void add_block(Attention (&heads)[QUERY_GROUP], const KvElement *values, int count) {
    for (int d = 0; d < KV_PADDED; d += 16) {
        f32x8 sum[QUERY_GROUP][2];
        for (int q = 0; q < QUERY_GROUP; q++)
            for (int half = 0; half < 2; half++)
                sum[q][half] = load_floats(heads[q].value + d + half * 8);
        for (int p = 0; p < count; p++) {
            const KvPair value = load_kv(values + p * KV_ROW + d);
            for (int q = 0; q < QUERY_GROUP; q++)
                for (int half = 0; half < 2; half++)
                    sum[q][half] += heads[q].weight[p] * value.half[half];
        }
        for (int q = 0; q < QUERY_GROUP; q++)
            for (int half = 0; half < 2; half++)
                store_floats(heads[q].value + d + half * 8, sum[q][half]);
    }
}

// The part of rows first .. end - 1 of the cache in softmax(query keys) values, in one pass with a
// running maximum. Requires: lds.query is scaled.
template <u32 KIND, class Shape>
DEVICE void attend(KvAhead &, u32 first, u32, u32 end, const u8 *keys, const u8 *values) {
    Attention heads[QUERY_GROUP] = {};
    for (int q = 0; q < QUERY_GROUP; q++) {
        heads[q].highest = -3e38f;
        for (int i = 0; i < KV_PADDED; i++)
            if (kv_element(i) < HEAD_DIM)
                heads[q].query[i] = lds.query[q * HEAD_DIM + kv_element(i)];
    }
    NO_UNROLL
    for (; first < end; first += ATTEND_BLOCK) {
        const u32 left = end - first;
        const int count = left < ATTEND_BLOCK ? (int)left : ATTEND_BLOCK;
        score_block<Shape>(heads, (const KvElement *)keys + (u64)first * KV_ROW, count);
        for (int q = 0; q < QUERY_GROUP; q++)
            weigh_block(heads[q], count);
        add_block(heads, (const KvElement *)values + (u64)first * KV_ROW, count);
    }
    for (int q = 0; q < QUERY_GROUP; q++) {
        float *part = attended_part(0, q);
        part[0] = heads[q].highest;
        part[1] = heads[q].sum;
        for (int i = 0; i < KV_PADDED; i++)
            if (kv_element(i) < HEAD_DIM)
                part[2 + kv_element(i)] = heads[q].value[i];
    }
}
