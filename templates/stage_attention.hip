//@ local body = current_body
//@ local q, k, v = body.reads[1].span, body.reads[2].span, body.reads[3].span
//@ local shape = body.name .. "_shape"
//@ local split, rotates, windowed = body.splits > 1, body.rope_dims > 0, windows[body.name]
//@ local q_norm, k_norm = body.q_norm ~= "none", body.k_norm ~= "none"
//@ local norms = q_norm or k_norm
//@ -- Query heads that one of the waves which hand off takes care of; a head's key and its value
//@ -- fall to the next waves.
//@ local group, waves = plan.shape.heads // plan.shape.kv_heads, math.max(plan.machine.handoff_waves, 1)
//@ local queries = group
//@ for count = group, 1, -1 do
//@   if group % count == 0 and group // count <= waves then queries = count end
//@ end
//@ local key_wave, value_wave = group // queries % waves, (group // queries + 1) % waves
//@ if body.q_norm == "all" then queries, key_wave, value_wave = group, 1 % waves, 2 % waves end
//@ local parameters = ""
//@ local function parameter(type, name, there)
//@   if there then
//@     parameters = parameters .. ", " .. type .. " " .. name
//@   end
//@ end
//@ parameter("u32", "q_norm_offset", q_norm)
//@ parameter("u32", "k_norm_offset", k_norm)
//@ parameter("u32", "rope_first", rotates)
//@ local turn = rotates and ", u32 rope_first" or ""
//@ local q_parameters = (q_norm and ", u32 q_norm_offset" or "") .. turn
//@ local k_parameters = (k_norm and ", u32 k_norm_offset" or "") .. turn
//@ local turned = rotates and ", rope_first" or ""
//@ local q_passed = (q_norm and ", q_norm_offset" or "") .. turned
//@ local k_passed = (k_norm and ", k_norm_offset" or "") .. turned

// $(body.name): $(body.summary)
// A tile is a KV head with its $(plan.shape.heads // plan.shape.kv_heads) query
// heads$(split and ", and one of " .. body.splits .. " splits of the context" or ""). The CU that
// reads a head's cache also appends to it.
struct $(shape) {
    static constexpr u32 SPLITS = $(body.splits);
    static constexpr bool CAPS = $(body.softcap > 0);
    DEVICE float score(float x) {
        return $(body.softcap > 0 and "softcap(x, " .. float(body.softcap) .. ")" or "x");
    }
};
//@ if split then
// How many of the positions below `position` a split holds: the context is dealt to the splits in
// blocks, in turn.
DEVICE u32 $(body.name)_rows_below(u32 position, u32 split) {
    constexpr u32 ROUND = KV_BLOCK * $(shape)::SPLITS;
    const u32 rest = position % ROUND, before = split * KV_BLOCK;
    const u32 mine = rest > before ? rest - before : 0;
    return position / ROUND * KV_BLOCK + (mine < KV_BLOCK ? mine : KV_BLOCK);
}
//@ end

//@ if norms then
// x * weight / rms(x) of a head whose squares' mean is known.
DEVICE void $(body.name)_norm(float *x, float mean, const float *weight) {
    const float scale = reciprocal_sqrt(mean + NORM_EPS);
    for (int d = (int)lane(); d < HEAD_DIM; d += (int)WAVE_LANES)
        x[d] = x[d] * scale * weight[d];
    wave_fence();
}
DEVICE float $(body.name)_mean_square(const float *x) {
    float squares = 0;
    for (int d = (int)lane(); d < HEAD_DIM; d += (int)WAVE_LANES)
        squares += x[d] * x[d];
    return sum_over<(int)WAVE_LANES>(squares) / (float)HEAD_DIM;
}
//@ end
//@ if rotates then
// Turns the pairs d, d + $(body.rope_dims // 2) of a head by the angles of this position.
DEVICE void $(body.name)_rotate(float *x, const float *rope) {
    for (int d = (int)lane(); d < $(body.rope_dims // 2); d += (int)WAVE_LANES) {
        const float a = x[d], b = x[d + $(body.rope_dims // 2)];
        const float cosine = rope[d * 2], sine = rope[d * 2 + 1];
        x[d] = a * cosine - b * sine;
        x[d + $(body.rope_dims // 2)] = b * cosine + a * sine;
    }
    wave_fence();
}
//@ end

//@ local function own(wave) return waves > 1 and "if (handoff_wave() == " .. wave .. ")\n                " or "" end
// Receives the query heads of head `head`; leaves them in LDS, normed, rotated and scaled.
$(declared("DEVICE void " .. body.name .. "_queries(Worker &worker, int head, Mail in" .. q_parameters .. ")")) {
//@ if queries < group then
    // $(queries) of the $(group) to a wave.
    const int first = (int)handoff_wave() * $(queries);
    if (first >= QUERY_GROUP)
        return;
//@ else
//@   if waves > 1 then
    if (handoff_wave() != 0)
        return;
//@   end
    constexpr int first = 0;
//@ end
//@ if body.q_norm == "all" then
    float q_squares = 0; // of all heads: they are normed together
    receive<$(q.count)>(worker, in.slot + $(q.first), in.epoch, [&](u32 i, u32 x) {
        const u32 mine = i - head * QUERY_GROUP * HEAD_DIM;
        q_squares += from_bits(x) * from_bits(x);
        if (mine < QUERY_GROUP * HEAD_DIM)
            lds.query[mine] = from_bits(x);
    });
    const float q_mean = sum_over<(int)WAVE_LANES>(q_squares) / (float)$(q.count);
//@ else
    receive<$(queries) * HEAD_DIM>(
        worker, in.slot + $(q.first) + head * $(q.stride) + first * HEAD_DIM, in.epoch,
        [&](u32 i, u32 x) { lds.query[first * HEAD_DIM + i] = from_bits(x); });
//@ end
//@ if q_norm or rotates then
    NO_UNROLL
    for (int query = first; query < first + $(queries); query++) {
        float *x = lds.query + query * HEAD_DIM;
//@   if body.q_norm == "head" then
        $(body.name)_norm(x, $(body.name)_mean_square(x),
                          (const float *)(worker.vectors + fresh(q_norm_offset)));
//@   elseif q_norm then
        $(body.name)_norm(x, q_mean,
                          (const float *)(worker.vectors + fresh(q_norm_offset)) +
                              (head * QUERY_GROUP + query) * HEAD_DIM);
//@   end
//@   if rotates then
        $(body.name)_rotate(x, lds.rope + rope_first);
//@   end
    }
//@ end
    for (int i = (int)lane(); i < $(queries) * HEAD_DIM; i += (int)WAVE_LANES)
        stage_query(first + i / HEAD_DIM, i % HEAD_DIM,
                    lds.query[first * HEAD_DIM + i] * $(float(body.scale)));
}

// Receives the key of head `head`; leaves it, normed and rotated, in row `row` of the cache where
// this CU keeps the position.
$(declared("DEVICE void " .. body.name .. "_key(Worker &worker, int head, Mail in, bool keeps, u32 row, u8 *keys" .. k_parameters .. ")")) {
//@ if body.k_norm == "all" then
    float k_squares = 0;
    receive<$(k.count)>(worker, in.slot + $(k.first), in.epoch, [&](u32 i, u32 x) {
        const u32 mine = i - head * HEAD_DIM;
        k_squares += from_bits(x) * from_bits(x);
        if (mine < HEAD_DIM)
            lds.key[mine] = from_bits(x);
    });
    const float k_mean = sum_over<(int)WAVE_LANES>(k_squares) / (float)$(k.count);
//@ else
    receive<$(k.count)>(worker, in.slot + $(k.first) + head * $(k.stride), in.epoch,
                        [&](u32 i, u32 x) { lds.key[i] = from_bits(x); });
//@ end
//@ if body.k_norm == "head" then
    $(body.name)_norm(lds.key, $(body.name)_mean_square(lds.key),
                      (const float *)(worker.vectors + fresh(k_norm_offset)));
//@ elseif k_norm then
    $(body.name)_norm(lds.key, k_mean,
                      (const float *)(worker.vectors + fresh(k_norm_offset)) + head * HEAD_DIM);
//@ end
//@ if rotates then
    $(body.name)_rotate(lds.key, lds.rope + rope_first);
//@ end
    KvElement *key = (KvElement *)keys + (u64)fresh(row) * KV_ROW;
    if (keeps)
        for (int d = (int)lane(); d < HEAD_DIM; d += (int)WAVE_LANES)
            keep_key(key, d, lds.key[d]);
}

// Receives the value of head `head`, for row `row` of the cache where this CU keeps the position.
DEVICE void $(body.name)_value(Worker &worker, int head, Mail in, bool keeps, u32 row, u8 *keys) {
    KvElement *value =
        (KvElement *)(keys + (u64)KV_HEADS * KV_HEAD_BYTES) + (u64)fresh(row) * KV_ROW;
    receive<$(v.count)>(worker, in.slot + $(v.first) + head * $(v.stride), in.epoch,
                        [&](u32 i, u32 x) {
                            if (keeps)
                                keep_value(value, i, from_bits(x));
                        });
}

// Merges the waves' parts in two passes: all maxima first, then the weighted sums.
DEVICE void $(body.name)_epilogue(Worker &worker, int head, u32 split, Mail out) {
    NO_UNROLL
    for (int i = (int)handoff_lane(); i < QUERY_GROUP * HEAD_DIM; i += HANDOFF_LANES) {
        const int query = i / HEAD_DIM, dim = i % HEAD_DIM;
        float highest = attended_part(0, query)[0];
        UNROLL
        for (int w = 1; w < (int)ATTENDING_WAVES; w++) {
            const float other = attended_part(w, query)[0];
            highest = other > highest ? other : highest;
        }
        float sum = 0, value = 0;
        UNROLL
        for (int w = 0; w < (int)ATTENDING_WAVES; w++) {
            const float *part = attended_part(w, query);
            const float weight = exponential(part[0] - highest);
            sum += weight * part[1];
            value += weight * part[2 + dim];
        }
//@ if split then
//@   local value_write, sum_write = body.writes[1].span, body.writes[2].span
        publish(worker,
                out.slot + split * $(value_write.repeat_stride) + head * QUERY_GROUP * HEAD_DIM + i,
                bits(value), out.epoch);
        if (dim == 0) {
            const u32 slot = out.slot + $(sum_write.first) + split * $(sum_write.repeat_stride) +
                             (head * QUERY_GROUP + query) * 2;
            publish(worker, slot, bits(highest), out.epoch);
            publish(worker, slot + 1, bits(sum), out.epoch);
        }
//@ else
        publish(worker, out.slot + head * QUERY_GROUP * HEAD_DIM + i, bits(value / sum), out.epoch);
//@ end
    }
}

//@ stage_lines[body.op] = here()
template <u32 KIND>
$(declared("DEVICE void stage_" .. body.name .. "(Worker &worker, u32 step, Mail in, Mail out, u64 kv_offset" .. parameters .. (windowed and ", u32 window" or "") .. ")")) {
    worker.step = step;
    const u32 position = worker.position;
//@ if windowed then
    const u32 first = window && position >= window ? position - window + 1 : 0;
//@ else
    constexpr u32 first = 0;
//@ end
    NO_UNROLL
    for (int tile = $(body.partition)_first(), end = $(body.partition)_end(); tile < end; tile++) {
//@ if split then
        const int head = tile / (int)$(shape)::SPLITS;
        const u32 split = (u32)tile % $(shape)::SPLITS;
        const u32 first_row = $(body.name)_rows_below(first, split);
        const u32 row = $(body.name)_rows_below(position, split);
        const u32 end_row = $(body.name)_rows_below(position + 1, split);
//@ else
        const int head = tile;
        constexpr u32 split = 0;
        const u32 first_row = first, row = position, end_row = position + 1;
//@ end
        u8 *keys =
            worker.kv + fresh(kv_offset) + (u64)head * KV_HEAD_BYTES + split * KV_SPLIT_BYTES;
        const u8 *values = keys + (u64)KV_HEADS * KV_HEAD_BYTES;
        KvAhead ahead;
        if constexpr (KIND & ATTENDS)
            load_ahead<KIND>(ahead, first_row, end_row, keys, values);
//@ trace("        ", "WAITS")
        if constexpr (KIND & HANDS_OFF) {
            const bool keeps = row < end_row;
            $(body.name)_queries(worker, head, in$(q_passed));
            $(own(key_wave))$(body.name)_key(worker, head, in, keeps, row, keys$(k_passed));
            $(own(value_wave))$(body.name)_value(worker, head, in, keeps, row, keys);
        }
//@ trace("        ", "GATHERS", "HANDS_OFF")
        stage_barrier(); // the query is in LDS, this position in the cache
//@ trace("        ", "STREAMS")
        if constexpr (KIND & ATTENDS)
            attend<KIND, $(shape)>(ahead, first_row, row, end_row, keys, values);
//@ trace("        ", "FINISHES", "STREAMS")
        stage_barrier(); // the waves' parts are in LDS
//@ trace("        ", "FINISHES", "HANDS_OFF")
        if constexpr (KIND & HANDS_OFF)
            $(body.name)_epilogue(worker, head, split, out);
    }
}
