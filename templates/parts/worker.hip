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
    bool gave_up;           // this wave, after a fault: it no longer waits, nor publishes
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
    if (!worker.gave_up)
        store_pair(mail(worker, fresh_per_lane(slot)), make_pair(value, epoch));
}

// After a fault: this wave goes through the rest of the position with its CU's other waves, which
// it meets at barriers, and then the loop ends.
DEVICE void give_up(Worker &worker) {
    worker.gave_up = true;
    lds.token[2] = 1;
}

// A poll found nothing: has it been too long, or has another CU failed? Then says once, to the
// host, who waited for what. Returns whether to wait no longer. `since`: 0 at first; `missing`:
// whether this lane misses pair `slot`.
DEVICE bool check_late(Worker &worker, bool missing, u32 slot, u32 epoch, u64 &since) {
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
        give_up(worker);
    return worker.gave_up;
}

// All waves but the one that copies weights wait for each other.
DEVICE void stage_barrier() {
//@ if plan.machine.copy_waves > 0 then
    waves_barrier(1, STREAMING_WAVES + HANDOFF_WAVES);
//@ else
    workgroup_barrier();
//@ end
}

// Where this wave, or lane, stands among those of its CU that hand off.
DEVICE u32 handoff_wave() { return HANDOFF_WAVES == 1 ? 0 : wave() - FIRST_HANDOFF_WAVE; }
constexpr int HANDOFF_LANES = (int)(HANDOFF_WAVES * WAVE_LANES);
DEVICE u32 handoff_lane() { return handoff_wave() * WAVE_LANES + lane(); }
// What the waves that hand off wrote to LDS is there for each of them. All waves of the CU take
// part where they have no barrier of their own.
template <u32 KIND> DEVICE void handoff_barrier() {
//@ if plan.machine.copy_waves > 0 then
    if constexpr (KIND & HANDS_OFF)
        waves_barrier(2, HANDOFF_WAVES);
//@ else
    if constexpr (HANDOFF_WAVES > 1)
        workgroup_barrier();
    else if constexpr (KIND & HANDS_OFF)
        wave_fence();
//@ end
}

// N neighbours, and their values.
template <u32 N> struct alignas(4 * N) Floats { float x[N]; };
template <u32 N> struct PairGroup { u64 pair[N]; };
template <u32 N> DEVICE Floats<N> floats_of(const PairGroup<N> &group) {
    Floats<N> floats;
    UNROLL
    for (u32 n = 0; n < N; n++)
        floats.x[n] = from_bits(pair_value(group.pair[n]));
    return floats;
}
template <u32 N> DEVICE bool lacks(const PairGroup<N> &group, u32 epoch) {
    bool some = false;
    UNROLL
    for (u32 n = 0; n < N; n++)
        some |= pair_epoch(group.pair[n]) != epoch;
    return some;
}

// Pairs that one load takes, of runs of `run` neighbours.
DEVICE constexpr u32 pairs_a_load(u32 run) { return run % PAIRS_A_LOAD ? 1 : PAIRS_A_LOAD; }
// Loads of a lane that one poll looks at: all, where that is no more than `most`; or the most that
// divide `count` evenly, or, where several waves share them, about the same in each of as few polls
// as may be.
DEVICE constexpr u32 batch_of(u32 count, u32 most, u32 waves) {
    const u32 share = (count + waves * WAVE_LANES - 1) / (waves * WAVE_LANES);
    const u32 polls = (share + most - 1) / most;
    if (waves > 1 || polls == 1)
        return (share + polls - 1) / polls;
    for (u32 batch = most; batch > 1; batch--)
        if (count % (batch * WAVE_LANES) == 0)
            return batch;
    return 1;
}

// Waits for COUNT pairs and gives their values, WIDE neighbours at a time, to take(i, values,
// prepare(i)), where prepare is called before the wait: what it loads comes meanwhile. Pair i lies
// in slot place(i); if STRAIGHT, all follow the first. The lanes of WAVES waves share the pairs, or
// those of the calling one take them all; the wait is bounded in time, and ends early when any CU
// has failed.
template <u32 COUNT, u32 WIDE, u32 WAVES, bool STRAIGHT, class Place, class Prepare, class Take>
DEVICE void receive_groups(Worker &worker, u32 epoch, Place place, Prepare prepare, Take take) {
    // Where each load has an address of its own, that takes registers too.
    constexpr u32 A_POLL = STRAIGHT ? HANDOFF_BATCH / WIDE : HANDOFF_BATCH / (2 * WIDE);
    constexpr u32 LOADS = COUNT / WIDE, MOST = A_POLL > 0 ? A_POLL : 1;
    constexpr u32 BATCH = batch_of(LOADS, MOST, WAVES), STRIDE = BATCH * WAVE_LANES;
    constexpr bool EVEN = LOADS % STRIDE == 0;
    NO_UNROLL
    for (u32 base = WAVES == 1 ? 0 : handoff_wave() * STRIDE; base < LOADS;
         base += WAVES * STRIDE) {
        PairGroup<WIDE> group[BATCH];
        const u32 first = base + lane();
        // Whether group b of this lane is one of them, and which.
        const auto mine = [&](u32 b) { return EVEN || first + b * WAVE_LANES < LOADS; };
        const auto index = [&](u32 b) { return mine(b) ? (first + b * WAVE_LANES) * WIDE : 0; };
        const u64 *pairs = mail(worker, place(index(0)));
        decltype(prepare(0)) prepared[BATCH];
        UNROLL
        for (u32 b = 0; b < BATCH; b++)
            prepared[b] = prepare(index(b));
        u64 since = 0;
        NO_UNROLL
        for (u32 polls = 0;; polls++) {
            u32 missing = BATCH;
            UNROLL
            for (u32 b = 0; b < BATCH; b++)
                poll_pairs(group[b].pair,
                           STRAIGHT ? pairs + (mine(b) ? b * WAVE_LANES * WIDE : 0)
                                    : mail(worker, place(index(b))),
                           polls == 0 || lacks(group[b], epoch));
            UNROLL
            for (u32 b = 0; b < BATCH; b++)
                missing = mine(b) && lacks(group[b], epoch) ? b : missing;
            if (all_lanes(missing == BATCH))
                break;
            pause();
            if (polls % 64 == 63 &&
                check_late(worker, missing < BATCH, place(index(missing % BATCH)), epoch, since))
                break;
        }
        UNROLL
        for (u32 b = 0; b < BATCH; b++)
            if (mine(b))
                take(index(b), group[b], prepared[b]);
    }
    wave_fence(); // lanes read what others took
}
// COUNT pairs from `slot` on.
template <u32 COUNT, u32 WAVES, class Prepare, class Take>
DEVICE void receive_prepared(Worker &worker, u32 slot, u32 epoch, Prepare prepare, Take take) {
    receive_groups<COUNT, pairs_a_load(COUNT), WAVES, true>(
        worker, epoch, [=](u32 i) { return slot + i; }, prepare, take);
}
// The same, one value after the other.
template <u32 COUNT, u32 WAVES = 1, class Take>
DEVICE void receive(Worker &worker, u32 slot, u32 epoch, Take take) {
    constexpr u32 WIDE = pairs_a_load(COUNT);
    receive_prepared<COUNT, WAVES>(
        worker, slot, epoch, [](u32) { return 0; },
        [&](u32 i, const PairGroup<WIDE> &group, int) {
            UNROLL
            for (u32 n = 0; n < WIDE; n++)
                take(i + n, pair_value(group.pair[n]));
        });
}
// All waves that hand off share the pairs.
template <u32 COUNT, class Take>
DEVICE void receive_together(Worker &worker, u32 slot, u32 epoch, Take take) {
    receive<COUNT, HANDOFF_WAVES>(worker, slot, epoch, take);
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
DEVICE void await_roles(Worker &worker) {
    kernel_control *control = argument_control();
    const u64 since = clock_ns();
    NO_UNROLL
    for (;;) {
        const u32 claimed = uniform(load_shared(&control->claimed));
        if (claimed == (u32)CUS || worker.gave_up)
            return;
        pause();
        if (clock_ns() - since > argument_timeout_ns() && lane() == 0 &&
            set_once(&control->fault, KERNEL_FAULT_ROLES)) {
            control->fault_cu = xcd_id();
            control->fault_step = CUS;
            control->fault_slot = claimed;
        }
        if (uniform(load_shared(&control->fault)))
            give_up(worker);
    }
}
