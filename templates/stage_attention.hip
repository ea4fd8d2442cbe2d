//@ local body = current_body
//@ local write = body.writes[1]
//@ local q, k, v = body.reads[1], body.reads[2], body.reads[3]
//@ local mail = "MAIL_" .. string.upper(q.mailbox)

// $(body.name): $(body.summary)
// A tile is a KV head with its $(plan.shape.heads // plan.shape.kv_heads) query heads. The CU that
// reads a head's cache also appends to it.
DEVICE void $(body.name)_prologue(Worker &worker, int head, u32 await_epoch, u8 *keys, u8 *values) {
    const u64 row = (u64)worker.position * KV_ROW;
    KvElement *key = (KvElement *)keys + row, *value = (KvElement *)values + row;
    receive<$(q.count)>(
        worker, $(mail) + $(q.first) + head * $(q.stride), await_epoch,
        [&](u32 i, u32 x) { lds.query[i] = from_bits(x) * $(string.format("%.9g", body.scale))f; });
    receive<$(k.count)>(worker, $(mail) + $(k.first) + head * $(k.stride), await_epoch,
                        [&](u32 i, u32 x) { store_kv(key + i, from_bits(x)); });
    receive<$(v.count)>(worker, $(mail) + $(v.first) + head * $(v.stride), await_epoch,
                        [&](u32 i, u32 x) { store_kv(value + i, from_bits(x)); });
}

// Merges the waves' parts in two passes: all maxima first, then the weighted sums.
DEVICE void $(body.name)_epilogue(Worker &worker, int head, u32 publish_epoch) {
    NO_UNROLL
    for (int i = (int)lane(); i < QUERY_GROUP * HEAD_DIM; i += (int)WAVE_LANES) {
        const int query = i / HEAD_DIM, dim = i % HEAD_DIM;
        float highest = attended_part(0, query)[0];
        UNROLL
        for (int w = 1; w < (int)STREAMING_WAVES; w++) {
            const float other = attended_part(w, query)[0];
            highest = other > highest ? other : highest;
        }
        float sum = 0, value = 0;
        UNROLL
        for (int w = 0; w < (int)STREAMING_WAVES; w++) {
            const float *part = attended_part(w, query);
            const float weight = exponential(part[0] - highest);
            sum += weight * part[1];
            value += weight * part[2 + dim];
        }
        const int slot = MAIL_$(string.upper(write.mailbox)) + head * QUERY_GROUP * HEAD_DIM + i;
        publish(worker, slot, bits(value / sum), publish_epoch);
    }
}

//@ stage_lines[body.op] = here()
template <u32 KIND>
DEVICE void stage_$(body.name)(Worker &worker, u32 step, u32 await_epoch, u32 publish_epoch,
                               u64 kv_offset) {
    worker.step = step;
    NO_UNROLL
    for (int head = $(body.partition)_first(), end = $(body.partition)_end(); head < end; head++) {
        u8 *keys = worker.kv + fresh(kv_offset) + (u64)head * KV_HEAD_BYTES;
        u8 *values = keys + (u64)KV_HEADS * KV_HEAD_BYTES;
        if constexpr (KIND & HANDS_OFF)
            $(body.name)_prologue(worker, head, await_epoch, keys, values);
        workgroup_barrier(); // the query is in LDS, this position in the cache
        if constexpr (KIND & STREAMS)
            attend(worker.position, keys, values);
        workgroup_barrier(); // the waves' parts are in LDS
        if constexpr (KIND & HANDS_OFF)
            $(body.name)_epilogue(worker, head, publish_epoch);
    }
}
