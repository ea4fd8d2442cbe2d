//@ local body = current_body
//@ local normed = body.prologue == "rmsnorm"
//@ local scale = body.scale == 1 and "" or float(body.scale) .. " * "

// $(body.name): $(body.summary)
// Each CU that keeps the residual receives the whole product and adds it to its own copy.
//@ stage_lines[body.op] = here()
template <u32 KIND>
$(declared("DEVICE void stage_" .. body.name .. "(Worker &worker, u32 step, Mail in" .. (normed and ", u32 norm_offset" or "") .. ")")) {
    worker.step = step;
    if ($(body.partition)_first() == $(body.partition)_end())
        return;
//@ if normed then
    if constexpr (KIND & HANDS_OFF) {
        float squares = 0;
        receive_together<$(body.rows)>(worker, in.slot, in.epoch, [&](u32 i, u32 value) {
            const float x = from_bits(value);
            squares += x * x;
            lds.summand[i] = x;
        });
        keep_squares(squares);
    }
//@   trace("    ", "GATHERS", "HANDS_OFF")
    handoff_barrier<KIND>();
//@   trace("    ", "FINISHES", "HANDS_OFF")
    if constexpr (KIND & HANDS_OFF) {
        const float scale = norm_scale($(body.rows));
        const float *norm = (const float *)(worker.vectors + fresh(norm_offset));
        for (int i = (int)handoff_lane(); i < $(body.rows); i += HANDOFF_LANES)
            lds.residual[i] += $(scale)(lds.summand[i] * scale * norm[i]);
    }
//@ else
    if constexpr (KIND & HANDS_OFF)
        receive_together<$(body.rows)>(worker, in.slot, in.epoch, [&](u32 i, u32 value) {
            lds.residual[i] += $(scale)from_bits(value);
        });
//@   trace("    ", "GATHERS", "HANDS_OFF")
//@ end
    handoff_barrier<KIND>();
}
