//@ local body = current_body
//@ local normed = body.prologue == "rmsnorm"
//@ local scale = body.scale == 1 and "" or float(body.scale) .. " * "

// $(body.name): $(body.summary)
// Each CU that keeps the residual receives the whole product and adds it to its own copy.
//@ stage_lines[body.op] = here()
template <u32 KIND>
DEVICE void stage_$(body.name)(Worker &worker, u32 step,
                               Mail in$(normed and ", u32 norm_offset" or "")) {
    worker.step = step;
    if (!(KIND & HANDS_OFF) || $(body.partition)_first() == $(body.partition)_end())
        return;
//@ if normed then
    float squares = 0;
    receive<$(body.rows)>(worker, in.slot, in.epoch, [&](u32 i, u32 value) {
        const float x = from_bits(value);
        squares += x * x;
        lds.activation[i] = x;
    });
    const float mean = sum_over<(int)WAVE_LANES>(squares) / (float)$(body.rows);
    const float scale = reciprocal_sqrt(mean + NORM_EPS);
    const float *norm = (const float *)(worker.vectors + fresh(norm_offset));
    for (int i = (int)lane(); i < $(body.rows); i += (int)WAVE_LANES)
        lds.residual[i] += $(scale)(lds.activation[i] * scale * norm[i]);
//@ else
    receive<$(body.rows)>(worker, in.slot, in.epoch,
                          [&](u32 i, u32 value) { lds.residual[i] += $(scale)from_bits(value); });
//@ end
}
