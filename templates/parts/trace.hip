//@ local machine = plan.machine
//@ verbatim("device/" .. machine.prelude .. "_trace.h")

// ---- the trace of the newest position: see kernel_trace.h
constexpr u32 TRACE_LOGS = $(machine.handoff_waves > 0 and 2 or 1); // of a CU
constexpr u32 TRACE_RECORDS = $(plan.trace_records);                // of a log

// From here on this wave does something else. One wave of those that hand off keeps a log, and one
// of those that multiply.
template <u32 KIND> DEVICE void trace(Worker &worker, u32 state, u32 about = 0) {
    if constexpr (KIND & (STREAMS | HANDS_OFF)) {
        constexpr u32 LOG = KIND & HANDS_OFF ? 0 : 1;
        if (wave() != (LOG == 0 ? FIRST_HANDOFF_WAVE : 0) || worker.traced == TRACE_RECORDS)
            return;
        const u64 now = ticks();
        const u64 index = (worker.cu * TRACE_LOGS + LOG) * TRACE_RECORDS + worker.traced++;
        kernel_trace_record *record = argument_trace() + index;
        if (lane() == 0) {
            record->ticks = now;
            record->ns = TICKS_ARE_NS ? now : clock_ns();
            record->step = worker.step;
            record->state = state;
            record->stalled = worker.stalled;
            record->about = about;
        }
        worker.stalled = 0;
    }
}
template <u32 KIND> DEVICE void trace_position(Worker &worker) {
    worker.traced = 0;
    worker.stalled = 0;
    trace<KIND>(worker, KERNEL_TRACE_BEGINS, processor_id());
}
