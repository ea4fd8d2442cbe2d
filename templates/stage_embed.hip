//@ local body = current_body
//@ local write = body.writes[1]
//@ local head = plan.embedding.body and bodies[plan.embedding.body]

// $(body.name): $(body.summary)
// Each CU takes the rows of the residual that it owns, keeps them in LDS and publishes them.
DEVICE float embedding(const Worker &worker, u32 token, int column) {
    const u8 *weights = worker.weights + $(hex(regions[plan.embedding.region].offset));
//@ if head then
    // Tied: the row lies in the head's tiles.
    const u32 tile = token / $(head.tile_rows), row = token % $(head.tile_rows);
    const u64 unit = (u64)tile * $(head.units) + (u32)column / $(head.unit_columns);
    const u32 element = row * $(head.unit_columns) + (u32)column % $(head.unit_columns);
    return bf16_to_float(((const u16 *)(weights + unit * UNIT_BYTES))[element]);
//@ else
    return bf16_to_float(((const u16 *)weights)[(u64)token * HIDDEN + column]);
//@ end
}

//@ stage_lines[body.op] = here()
template <u32 KIND>
DEVICE void stage_$(body.name)(Worker &worker, u32 step, u32 token, u32 publish_epoch) {
    worker.step = step;
    if (!(KIND & HANDS_OFF))
        return;
    const int first = $(body.partition)_first() * $(body.tile_rows);
    const int end = $(body.partition)_end() * $(body.tile_rows);
    NO_UNROLL
    for (int row = first + (int)lane(); row < end && row < $(body.rows); row += (int)WAVE_LANES) {
        const float value = embedding(worker, token, row);
        lds.residual[row - first] = value;
        publish(worker, MAIL_$(string.upper(write.mailbox)) + row, bits(value), publish_epoch);
    }
}
