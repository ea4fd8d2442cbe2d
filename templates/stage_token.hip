//@ local body = current_body
//@ local read = body.reads[1].span

// $(body.name): $(body.summary)
// Without a head the prompt goes on: its next token is known, and nobody waits.
//@ stage_lines[body.op] = here()
template <u32 KIND>
DEVICE void stage_$(body.name)(Worker &worker, u32 step, Mail in, u32 index, u32 head) {
    worker.step = step;
    if ((KIND & HANDS_OFF) && handoff_wave() == 0) {
        if (head) {
            receive<$(read.count)>(worker, in.slot, in.epoch,
                                   [&](u32 i, u32 value) { lds.token[i] = value; });
        } else if (lane() == 0) {
            const bool prompt_ends = index + 1 >= argument_prompt_tokens();
            lds.token[0] = prompt_ends ? 0 : argument_prompt()[index + 1];
            lds.token[1] = prompt_ends;
        }
    }
//@ trace("    ", "GATHERS", "HANDS_OFF")
    stage_barrier(); // the token is in LDS
}
