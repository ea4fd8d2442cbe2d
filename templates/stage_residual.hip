//@ local body = current_body
//@ local normed = body.prologue == "rmsnorm"
//@ local scaled = body.scale == 1 and "" or float(body.scale) .. " * "
//@ local before = "template <u32 KIND> DEVICE void stage_" .. body.name .. "(Worker &worker, u32 step"
//@ local rest = continued(before, { "Mail in", normed and "u64 norm_offset" or nil })

// $(body.name): $(body.summary)
// Each CU that keeps the residual receives the whole product and adds it to its own copy.
//@ stage_lines[body.op] = here()
template <u32 KIND> DEVICE void stage_$(body.name)(Worker &worker, u32 step$(rest)) {
    worker.step = step;
    if (!(KIND & HANDS_OFF) || $(body.partition)_first() == $(body.partition)_end())
        return;
//@ if normed then
    constexpr int ROWS = $(body.rows);
    float squares = 0;
    receive<ROWS>(worker, in.slot, in.epoch, [&](u32 i, u32 value) {
        const float x = from_bits(value);
        squares += x * x;
        lds.activation[i] = x;
    });
    const float mean = sum_over<(int)WAVE_LANES>(squares) / (float)ROWS;
    const float scale = reciprocal_sqrt(mean + NORM_EPS);
    const float *norm = (const float *)(worker.vectors + fresh(norm_offset));
    for (int i = (int)lane(); i < ROWS; i += (int)WAVE_LANES)
        lds.residual[i] += $(scaled)(lds.activation[i] * scale * norm[i]);
//@ else
    receive<$(body.rows)>(worker, in.slot, in.epoch, [&](u32 i, u32 bits_of_x) {
        const float x = from_bits(bits_of_x);
        lds.residual[i] += $(scaled)x;
    });
//@ end
}
