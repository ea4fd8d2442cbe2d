// Reading a trace: clocks, then states to spans.
#include "generator/trace/trace.h"

#include <string.h>

const char *trace_kind_name(enum trace_kind kind) {
    static const char *const names[TRACE_KINDS] = {[TRACE_WAIT] = "wait",
                                                   [TRACE_GATHER] = "gather",
                                                   [TRACE_STREAM] = "stream",
                                                   [TRACE_COMPUTE] = "compute",
                                                   [TRACE_HANDOFF] = "hand-off"};
    return names[kind];
}

const struct trace_log *trace_log_of(const struct trace *trace, int cu, int log) {
    return &trace->logs[cu * trace->logs_per_cu + log];
}

// The records of one log up to its end.
struct raw_log {
    const struct kernel_trace_record *records;
    int count;
};

struct reading {
    struct trace *trace;
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct raw_log *raw; // as trace->logs
    unsigned long long first_ns;
};

static bool wrong(const struct reading *reading, int cu, const char *what) {
    return diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                          "the trace of CU %d %s", cu, what);
}

// ---- what a log must be
static bool measure_log(const struct reading *reading, int cu,
                        const struct kernel_trace_record *records, struct raw_log *log) {
    const struct plan_plan *plan = reading->trace->plan;
    const int room = plan_trace_records(plan);
    unsigned due = 0; // the step that ends next
    if (records[0].state != KERNEL_TRACE_BEGINS)
        return wrong(reading, cu, "has no beginning: the kernel has not run");
    for (int i = 1; i < room; i++) {
        const struct kernel_trace_record *record = &records[i];
        if (record->state <= KERNEL_TRACE_BEGINS || record->state > KERNEL_TRACE_OVER)
            return wrong(reading, cu, "holds what is no state");
        if (record->ticks < records[i - 1].ticks || record->ns < records[i - 1].ns)
            return wrong(reading, cu, "goes back in time");
        if (record->state == KERNEL_TRACE_OVER) {
            *log = (struct raw_log){records, i + 1};
            return due == (unsigned)plan->stages_count ||
                   wrong(reading, cu, "does not have all steps: the position needed no head");
        }
        if (record->step != due)
            return wrong(reading, cu, "has its steps in another order than the plan");
        due += record->state == KERNEL_TRACE_ENDS;
    }
    return wrong(reading, cu, "has no end");
}

static bool measure_logs(struct reading *reading, const struct kernel_trace_record *records) {
    const struct trace *trace = reading->trace;
    const int cus = trace->plan->machine.cus, room = plan_trace_records(trace->plan);
    bool good = true;
    for (int i = 0; i < cus * trace->logs_per_cu && good; i++) {
        const struct kernel_trace_record *first = records + (size_t)i * (size_t)room;
        good = measure_log(reading, i / trace->logs_per_cu, first, &reading->raw[i]);
        if (i == 0 || first->ns < reading->first_ns)
            reading->first_ns = first->ns;
    }
    return good;
}

// ---- clocks
// ns since the common clock's first_ns, of a CU: base_ns + ns_a_tick * (ticks - base_ticks).
struct clock {
    unsigned long long base_ticks;
    double base_ns, ns_a_tick;
};

// The line of least squares: the coarse clock's steps, each somewhere within a step, even out.
static struct clock fit_clock(const struct reading *reading, int cu) {
    const int logs = reading->trace->logs_per_cu;
    const struct raw_log *raw = &reading->raw[cu * logs];
    const unsigned long long base_ticks = raw[0].records[0].ticks;
    double count = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (int pass = 0; pass < 2; pass++) { // means, then squares about them
        const double mean_x = pass ? x / count : 0, mean_y = pass ? y / count : 0;
        for (int log = 0; log < logs; log++)
            for (int i = 0; i < raw[log].count; i++) {
                const struct kernel_trace_record *record = &raw[log].records[i];
                const double ticks = (double)(int64_t)(record->ticks - base_ticks);
                const double ns = (double)(int64_t)(record->ns - reading->first_ns);
                count += pass ? 0 : 1;
                x += pass ? 0 : ticks;
                y += pass ? 0 : ns;
                xx += pass ? (ticks - mean_x) * (ticks - mean_x) : 0;
                xy += pass ? (ticks - mean_x) * (ns - mean_y) : 0;
            }
    }
    const double ns_a_tick = xx > 0 ? xy / xx : 0;
    return (struct clock){base_ticks, y / count - ns_a_tick * (x / count), ns_a_tick};
}

// Whatever the fit of hostile records is, time does not go back.
static double us_of(const struct clock *clock, unsigned long long ticks) {
    const double since = (double)(int64_t)(ticks - clock->base_ticks);
    return (clock->base_ns + (clock->ns_a_tick > 0 ? clock->ns_a_tick : 0) * since) * 1e-3;
}

// ---- spans
static enum trace_kind kind_of(const struct plan_stage *stage, unsigned state, int log) {
    switch (state) {
    case KERNEL_TRACE_GATHERS:
        return TRACE_GATHER;
    case KERNEL_TRACE_STREAMS:
        return TRACE_STREAM;
    case KERNEL_TRACE_FINISHES:
        return log == 0 ? TRACE_COMPUTE : TRACE_WAIT;
    default: // a stage that awaits nothing computes from its beginning
        return stage->reads_from || log > 0 ? TRACE_WAIT : TRACE_COMPUTE;
    }
}

static void make_spans(const struct reading *reading, const struct raw_log *raw, int log,
                       const struct clock *clock, struct trace_log *out) {
    const struct plan_plan *plan = reading->trace->plan;
    out->spans = arena_array(reading->arena, (size_t)raw->count, sizeof *out->spans);
    for (int i = 0; i + 2 < raw->count; i++) { // behind the last stage nothing follows
        const struct kernel_trace_record *record = &raw->records[i], *next = record + 1;
        const bool between =
            record->state == KERNEL_TRACE_BEGINS || record->state == KERNEL_TRACE_ENDS;
        const int step = (int)(between ? next->step : record->step);
        const struct trace_span span = {
            .from_us = us_of(clock, record->ticks),
            .to_us = us_of(clock, next->ticks),
            .late_us = next->stalled * clock->ns_a_tick * 1e-3,
            .step = step,
            .kind = kind_of(&plan->stages[step], record->state, log),
        };
        struct trace_span *last = out->count > 0 ? &out->spans[out->count - 1] : NULL;
        if (last && last->step == span.step && last->kind == span.kind) {
            last->to_us = span.to_us;
            last->late_us += span.late_us;
        } else {
            out->spans[out->count++] = span;
        }
    }
}

bool trace_read(const struct plan_plan *plan, const struct kernel_trace_record *records,
                struct arena *arena, struct trace *trace, struct diagnostics *diagnostics) {
    const int cus = plan->machine.cus, logs_per_cu = plan_trace_logs(plan);
    const size_t logs = (size_t)cus * (size_t)logs_per_cu;
    *trace = (struct trace){.plan = plan, .logs_per_cu = logs_per_cu};
    struct reading reading = {.trace = trace, .arena = arena, .diagnostics = diagnostics};
    reading.raw = arena_array(arena, logs, sizeof *reading.raw);
    trace->logs = arena_array(arena, logs, sizeof *trace->logs);
    trace->processors = arena_array(arena, (size_t)cus, sizeof *trace->processors);
    if (!measure_logs(&reading, records))
        return false;
    double first_us = 0;
    for (int cu = 0; cu < cus; cu++) {
        const struct clock clock = fit_clock(&reading, cu);
        for (int log = 0; log < logs_per_cu; log++) {
            const int i = cu * logs_per_cu + log;
            make_spans(&reading, &reading.raw[i], log, &clock, &trace->logs[i]);
            const struct trace_log *made = &trace->logs[i];
            if (i == 0 || made->spans[0].from_us < first_us)
                first_us = made->spans[0].from_us;
            if (i == 0 || made->spans[made->count - 1].to_us > trace->us)
                trace->us = made->spans[made->count - 1].to_us;
        }
        const struct raw_log *raw = &reading.raw[cu * logs_per_cu];
        trace->processors[cu] = raw->records[0].about;
        trace->position = raw->records[raw->count - 1].about;
    }
    trace->us -= first_us;
    for (size_t i = 0; i < logs; i++)
        for (int s = 0; s < trace->logs[i].count; s++) {
            trace->logs[i].spans[s].from_us -= first_us;
            trace->logs[i].spans[s].to_us -= first_us;
        }
    return true;
}
