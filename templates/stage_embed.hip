//@ local body = current_body
//@ local head = plan.embedding.body and bodies[plan.embedding.body]
//@ local first, end_ = body.partition .. "_first()", body.partition .. "_end()"
//@ local owned = plan.residual == "owned"

// $(body.name): $(body.summary)
//@ if owned then
// Each CU takes the rows of the residual that it owns, keeps them in LDS and publishes them.
//@ else
// Each CU that keeps the residual takes the whole row.
//@ end
DEVICE float embedding(const Worker &worker, u32 token, int column) {
    const u8 *weights = worker.weights + $(hex(regions[plan.embedding.region].offset));
//@ if head then
    // Tied: the row lies in the head's tiles.
    const u32 tile = token / $(head.tile_rows), row = token % $(head.tile_rows);
    const u64 unit = (u64)tile * $(head.units) + (u32)column / $(head.unit_columns);
    const u32 element = weight_in_unit<$(head.name)_shape>(row, (u32)column % $(head.unit_columns));
    const float x = weight_to_float(((const Weight *)(weights + unit * UNIT_BYTES))[element]);
//@ else
    const float x = weight_to_float(((const Weight *)weights)[(u64)token * HIDDEN + column]);
//@ end
    return $(body.scale == 1 and "x" or "x * " .. float(body.scale));
}

//@ stage_lines[body.op] = here()
//@ if owned then
template <u32 KIND> DEVICE void stage_$(body.name)(Worker &worker, u32 step, u32 token, Mail out) {
    worker.step = step;
    if (!(KIND & HANDS_OFF))
        return;
    const int first = $(first) * $(body.tile_rows), end = $(end_) * $(body.tile_rows);
    NO_UNROLL
    for (int row = first + (int)handoff_lane(); row < end && row < $(body.rows);
         row += HANDOFF_LANES) {
        const float value = embedding(worker, token, row);
        lds.residual[row - first] = value;
        publish(worker, out.slot + row, bits(value), out.epoch);
    }
}
//@ else
template <u32 KIND> DEVICE void stage_$(body.name)(Worker &worker, u32 step, u32 token) {
    worker.step = step;
    if (!(KIND & HANDS_OFF) || $(first) == $(end_))
        return;
    NO_UNROLL
    for (int row = (int)handoff_lane(); row < $(body.rows); row += HANDOFF_LANES)
        lds.residual[row] = embedding(worker, token, row);
}
//@ end
