//@ local function arrays(shared, indent)
//@   for _, array in ipairs(plan.lds) do
//@     if array.shared == shared then
//@       local declaration = "alignas(16) " .. array.type .. " " .. array.name .. "[" .. array.elements .. "];"
$(noted(indent, declaration, 0, array.holds))
//@     end
//@   end
//@ end
struct Lds {
//@ arrays(nil, "    ")
    // Products and attention never need theirs at the same time.
    union {
        struct {
//@ arrays("product", "            ")
        };
        struct {
//@ arrays("attention", "            ")
        };
    };
};
LDS_VARIABLE(Lds, lds);

// One wave of one CU, for the whole launch. Everything but the arguments is a scalar.
struct Worker {
    const u8 *weights, *vectors; // what every position uses of the arguments
    u8 *kv;
    u64 *mailboxes;
    u32 cu;                 // the role
    u32 step;               // of the schedule, for messages
    u32 position;           // in the context
    const u8 *run;          // next weights of this CU
    const u8 *after_layers; // what streams after the last layer of this position
    int after_layers_tiles, after_layers_units;
//@ if plan.trace then
    u32 traced;          // records of this wave's log
    mutable u32 stalled; // see kernel_trace.h
//@ end
};

// ---- what this CU's role is: kept in LDS, read when it is needed
//@ for _, partition in ipairs(dealt) do
DEVICE int $(partition.name)_first() { return (int)uniform((u32)lds.role[0].$(partition.name)); }
DEVICE int $(partition.name)_end() { return (int)uniform((u32)lds.role[1].$(partition.name)); }
//@ end
//@ for _, region in ipairs(streamed) do
DEVICE const u8 *$(region.name)_weights(const Worker &worker) {
    return worker.weights + uniform(lds.role[0].$(region.name)_weights);
}
//@ end

// A stage's weights of this CU: `tiles` tiles of `units` units.
struct Slice {
    const u8 *start;
    int tiles, units;
};

// ---- (value, epoch) pairs: the value in the low half, the epoch in the high half
DEVICE u64 make_pair(u32 value, u32 epoch) { return (u64)epoch << 32 | value; }
DEVICE u32 pair_value(u64 pair) { return (u32)pair; }
DEVICE u32 pair_epoch(u64 pair) { return (u32)(pair >> 32); }

// Where a stage's pairs start, and the epoch that they carry.
struct Mail {
    u32 slot, epoch;
};

// Where pair `slot` is: a 32-bit offset, so that the base stays a scalar.
DEVICE u64 *mail(const Worker &worker, u32 slot) {
    return (u64 *)((u8 *)worker.mailboxes + slot * 8);
}

DEVICE void publish(const Worker &worker, u32 slot, u32 value, u32 epoch) {
    store_pair(mail(worker, fresh_per_lane(slot)), make_pair(value, epoch));
}

// Ends this wave after a fault. It publishes nothing any more; the CU's other waves finish the
// position and find that the loop ends.
DEVICE void leave_after_fault() {
    lds.token[1] = 1;
    leave();
}

// A poll found nothing: has it been too long, or has another CU failed? Then says once, to the
// host, who waited for what. `since`: 0 at first; `missing`: whether this lane misses pair `slot`.
DEVICE void check_late(const Worker &worker, bool missing, u32 slot, u32 epoch, u64 &since) {
    const u64 now = clock_ns();
    since = since ? since : now;
    kernel_control *control = argument_control();
    if (now - since > argument_timeout_ns() && missing &&
        set_once(&control->fault, KERNEL_FAULT_HANDOFF)) {
        control->fault_cu = worker.cu;
        control->fault_step = worker.step;
        control->fault_slot = slot;
        control->fault_epoch = epoch;
        control->fault_seen = pair_epoch(load_pair(mail(worker, slot)));
        control->fault_position = worker.position;
    }
    if (uniform(load_shared(&control->fault)))
        leave_after_fault();
}

// Where this wave, or lane, stands among those of its CU that hand off.
DEVICE u32 handoff_wave() { return HANDOFF_WAVES == 1 ? 0 : wave() - FIRST_HANDOFF_WAVE; }
constexpr int HANDOFF_LANES = (int)(HANDOFF_WAVES * WAVE_LANES);
DEVICE u32 handoff_lane() { return handoff_wave() * WAVE_LANES + lane(); }
// What the waves that hand off wrote to LDS is there for each of them. All waves of the CU take
// part.
template <u32 KIND> DEVICE void handoff_barrier() {
    if constexpr (HANDOFF_WAVES > 1)
        workgroup_barrier();
    else if constexpr (KIND & HANDS_OFF)
        wave_fence();
}

// Pairs of a lane that one poll looks at: the most that divide `count` evenly, or, where several
// waves share them, as many as give each an equal part.
DEVICE constexpr u32 batch_of(u32 count, u32 waves) {
    const u32 share = (count + waves * WAVE_LANES - 1) / (waves * WAVE_LANES);
    if (waves > 1)
        return share < HANDOFF_BATCH ? share : HANDOFF_BATCH;
    for (u32 batch = HANDOFF_BATCH; batch > 1; batch--)
        if (count % (batch * WAVE_LANES) == 0)
            return batch;
    return 1;
}

// Waits for COUNT pairs and gives each value to take(i, value, prepare(i)), where prepare is called
// before the wait: what it loads comes meanwhile. Pairs in runs of RUN, the first
// from `slot` on, each APART pairs after the one before. The lanes of WAVES waves share the pairs,
// or those of the calling one take them all; the wait is bounded in time, and ends early when any
// CU has failed.
template <u32 COUNT, u32 RUN, u32 APART, u32 WAVES, class Prepare, class Take>
DEVICE void receive_prepared(const Worker &worker, u32 slot, u32 epoch, Prepare prepare,
                             Take take) {
    constexpr u32 BATCH = batch_of(COUNT, WAVES), STRIDE = BATCH * WAVE_LANES;
    constexpr bool EVEN = COUNT % STRIDE == 0;
    const auto place = [](u32 i) { return RUN == COUNT ? i : i / RUN * APART + i % RUN; };
    NO_UNROLL
    for (u32 base = WAVES == 1 ? 0 : handoff_wave() * STRIDE; base < COUNT;
         base += WAVES * STRIDE) {
        u64 pair[BATCH];
        const u32 first = base + lane();
        // Whether pair b of this lane is one of the COUNT.
        const auto mine = [&](u32 b) { return EVEN || first + b * WAVE_LANES < COUNT; };
        const auto at = [&](u32 b) {
            return mail(worker, slot + place(mine(b) ? first + b * WAVE_LANES : 0));
        };
        const u64 *pairs = at(0);
        decltype(prepare(0)) prepared[BATCH];
        UNROLL
        for (u32 b = 0; b < BATCH; b++)
            prepared[b] = prepare(mine(b) ? first + b * WAVE_LANES : 0);
        u64 since = 0;
        NO_UNROLL
        for (u32 polls = 0;; polls++) {
            u32 missing = BATCH;
            UNROLL
            for (u32 b = 0; b < BATCH; b++)
                poll_pair(pair[b], RUN == COUNT ? pairs + (mine(b) ? b * WAVE_LANES : 0) : at(b),
                          polls == 0 || pair_epoch(pair[b]) != epoch);
            UNROLL
            for (u32 b = 0; b < BATCH; b++)
                missing = mine(b) && pair_epoch(pair[b]) != epoch ? b : missing;
            if (all_lanes(missing == BATCH))
                break;
            pause();
            if (polls % 64 == 63)
                check_late(worker, missing < BATCH, slot + place(first + missing * WAVE_LANES),
                           epoch, since);
        }
        UNROLL
        for (u32 b = 0; b < BATCH; b++)
            if (mine(b))
                take(first + b * WAVE_LANES, pair_value(pair[b]), prepared[b]);
    }
    wave_fence(); // lanes read what others took
}
template <u32 COUNT, u32 RUN = COUNT, u32 APART = 0, u32 WAVES = 1, class Take>
DEVICE void receive(const Worker &worker, u32 slot, u32 epoch, Take take) {
    receive_prepared<COUNT, RUN, APART, WAVES>(
        worker, slot, epoch, [](u32) { return 0; }, [&](u32 i, u32 value, int) { take(i, value); });
}
// All waves that hand off share the pairs.
template <u32 COUNT, class Take>
DEVICE void receive_together(const Worker &worker, u32 slot, u32 epoch, Take take) {
    receive<COUNT, COUNT, 0, HANDOFF_WAVES>(worker, slot, epoch, take);
}

// Vectors lie in the order of use: those that follow are asked for while this stage multiplies, as
// memory is slow to answer while weights stream.
DEVICE void expect_vectors(const Worker &worker, u32 offset, u32 bytes) {
    constexpr u32 LINE_BYTES = 128;
    for (u32 at = handoff_lane() * LINE_BYTES; at < bytes; at += HANDOFF_LANES * LINE_BYTES)
        if (offset + at < $(plan.vector_bytes))
            expect_line(worker.vectors + offset + at);
}

//@ local normed = false
//@ for _, body in ipairs(plan.bodies) do normed = normed or body.prologue == "rmsnorm" end
//@ if normed then
// ---- the norm of a vector that the waves which hand off share: each adds up the squares of its
// elements, and after a barrier each knows 1 / rms
DEVICE void keep_squares(float squares) {
    const float sum = sum_over<(int)WAVE_LANES>(squares);
    if (lane() == 0)
        lds.squares[handoff_wave()] = sum;
}
DEVICE float norm_scale(int elements) {
    float sum = lds.squares[0];
    UNROLL
    for (u32 w = 1; w < HANDOFF_WAVES; w++)
        sum += lds.squares[w];
    return reciprocal_sqrt(sum / (float)elements + NORM_EPS);
}

//@ end
// Takes a role of the XCD that this workgroup runs on. Returns whether there was one: surplus
// workgroups leave, and an XCD that the table does not know stops the launch.
DEVICE bool take_role(Worker &worker) {
    kernel_control *control = argument_control();
    if (wave() == 0 && lane() == 0) {
        u32 role = CUS;
        const u32 here = xcd_id();
        bool known = false;
        NO_UNROLL
        for (int i = 0; i < XCDS; i++) {
            if (XCD_ROLES[i].xcd != here)
                continue;
            known = true;
            const u32 index = add_shared(&control->claimed_of_xcd[i], 1);
            if (index < XCD_ROLES[i].cus) {
                role = XCD_ROLES[i].first_cu + index;
                add_shared(&control->claimed, 1);
            }
        }
        if (!known && set_once(&control->fault, KERNEL_FAULT_ROLES)) {
            control->fault_cu = here;
            control->fault_step = CUS;
            control->fault_slot = load_shared(&control->claimed);
        }
        lds.token[3] = role;
    }
    workgroup_barrier();
    worker.cu = uniform(lds.token[3]);
    if (worker.cu >= (u32)CUS)
        return false;
    if (wave() == 0) {
        const u32 *rows = (const u32 *)&ROLES[worker.cu];
        for (u32 i = lane(); i < 2 * sizeof(Role) / 4; i += WAVE_LANES)
            ((u32 *)lds.role)[i] = rows[i];
    }
    workgroup_barrier();
    return true;
}

// Waits until every role is taken, so that no CU waits for one that never starts.
DEVICE void await_roles(const Worker &worker) {
    kernel_control *control = argument_control();
    const u64 since = clock_ns();
    NO_UNROLL
    for (;;) {
        const u32 claimed = uniform(load_shared(&control->claimed));
        if (claimed == (u32)CUS)
            return;
        pause();
        if (clock_ns() - since > argument_timeout_ns() && lane() == 0 &&
            set_once(&control->fault, KERNEL_FAULT_ROLES)) {
            control->fault_cu = xcd_id();
            control->fault_step = CUS;
            control->fault_slot = claimed;
        }
        if (uniform(load_shared(&control->fault)))
            leave_after_fault();
    }
}
