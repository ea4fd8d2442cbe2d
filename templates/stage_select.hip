//@ local body = current_body
//@ local read = body.reads[1].span
//@ local eos = {}
//@ for _, id in ipairs(plan.shape.eos) do eos[#eos + 1] = "token == " .. id end

// $(body.name): $(body.summary)
// CU 0 alone: tells the host, and says whether the loop ends (stop token, enough tokens, or the
// host asked). Where the prompt goes on, its next token is taken and no candidate.
DEVICE bool is_stop_token(u32 token) {
    (void)token;
    return $(#eos > 0 and table.concat(eos, " || ") or "false");
}

//@ stage_lines[body.op] = here()
template <u32 KIND>
$(declared("DEVICE void stage_" .. body.name .. "(Worker &worker, u32 step, Mail in, Mail out, u32 index, u32 ring_epoch)")) {
    worker.step = step;
    if (!(KIND & HANDS_OFF) || fresh(worker.cu) != 0 || handoff_wave() != 0)
        return;
    // Even pairs are scores, odd ones tokens: they meet in LDS.
    receive<$(read.count)>(worker, in.slot, in.epoch,
                           [&](u32 i, u32 value) { lds.candidates[i] = value; });
    if (worker.gave_up)
        return; // the host is told of no token
//@ trace("    ", "FINISHES")
    Candidate best = {-infinity(), 0xFFFFFFFF};
    for (int cu = (int)lane(); cu < CUS; cu += (int)WAVE_LANES) {
        const Candidate candidate = {from_bits(lds.candidates[cu * 2]), lds.candidates[cu * 2 + 1]};
        if (better(candidate, best))
            best = candidate;
    }
    take_better<1>(best);
    if (lane() != 0)
        return;
    u32 token = best.token < VOCAB ? best.token : 0; // all scores were NaN
    const u32 max_tokens = argument_max_tokens(), generated = index + 1 - argument_prompt_tokens();
    u32 ends = load_host(argument_stop()) != 0;
    if (index + 1 < argument_prompt_tokens()) {
        token = argument_prompt()[index + 1];
    } else if (max_tokens == 0) {
        ends = 1;
    } else {
        ends |= is_stop_token(token) || generated + 1 == max_tokens;
        store_host_pair(argument_token_ring() + generated, make_pair(token, ring_epoch));
        argument_control()->tokens = generated + 1;
    }
    publish(worker, out.slot, token, out.epoch);
    publish(worker, out.slot + 1, ends, out.epoch);
}
