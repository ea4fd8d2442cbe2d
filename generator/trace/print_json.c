// A trace as the JSON that Chrome and Perfetto read: an object with traceEvents, times in us.
#include "generator/plan/access.h"
#include "generator/trace/trace.h"

#include <string.h>

enum { PATH_PROCESS = 1, FIRST_XCD_PROCESS = 2 };

struct printing {
    const struct trace *trace;
    struct text *out;
    int *xcd_of; // [cus] index into machine.xcds
};

// What a CU ran on, in the words of its device.
static const char *processor_word(const struct plan_machine *machine) {
    return strcmp(machine->backend, "cuda") == 0  ? "SM"
           : strcmp(machine->backend, "hip") == 0 ? "XCD"
                                                  : "processor";
}

static int process_of(const struct printing *printing, int cu) {
    return FIRST_XCD_PROCESS + printing->xcd_of[cu];
}

static int thread_of(const struct printing *printing, int cu, int log) {
    return cu * printing->trace->logs_per_cu + log;
}

static void begin_event(struct printing *printing, const char *phase, int process, int thread) {
    const char *last = printing->out->bytes + printing->out->length - 1;
    text_format(printing->out, "%s\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%d", *last == '[' ? "" : ",",
                phase, process, thread);
}

static void print_string(struct text *out, const char *string) {
    struct arena arena = {0};
    struct text quoted = {0};
    value_print_json(&quoted, value_string(&arena, string));
    text_append_bytes(out, quoted.bytes, strcspn(quoted.bytes, "\n"));
    text_close(&quoted);
    arena_close(&arena);
}

// ---- names
static void name_process(struct printing *printing, int process, const char *name) {
    begin_event(printing, "M", process, 0);
    text_append(printing->out, ",\"name\":\"process_name\",\"args\":{\"name\":");
    print_string(printing->out, name);
    text_append(printing->out, "}}");
    begin_event(printing, "M", process, 0);
    text_format(printing->out, ",\"name\":\"process_sort_index\",\"args\":{\"sort_index\":%d}}",
                process);
}

static void name_threads(struct printing *printing) {
    const struct trace *trace = printing->trace;
    const char *word = processor_word(&trace->plan->machine);
    for (int cu = 0; cu < trace->plan->machine.cus; cu++)
        for (int log = 0; log < trace->logs_per_cu; log++) {
            const int process = process_of(printing, cu), thread = thread_of(printing, cu, log);
            begin_event(printing, "M", process, thread);
            text_format(printing->out, ",\"name\":\"thread_name\",\"args\":{\"name\":\"CU %d", cu);
            if (log == 0)
                text_format(printing->out, " (%s %u)\"}}", word, trace->processors[cu]);
            else
                text_append(printing->out, " weights\"}}");
            begin_event(printing, "M", process, thread);
            text_format(printing->out,
                        ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%d}}", thread);
        }
}

static void name_all(struct printing *printing) {
    const struct plan_plan *plan = printing->trace->plan;
    struct arena arena = {0};
    name_process(printing, PATH_PROCESS, "critical path");
    for (int i = 0; i < plan->machine.xcds_count; i++) {
        const struct plan_xcd *xcd = &plan->machine.xcds[i];
        name_process(printing, FIRST_XCD_PROCESS + i,
                     plan->machine.xcds_count > 1
                         ? arena_format(&arena, "%s on %s, XCD %d (IOD %d)", plan->model,
                                        plan->machine.name, xcd->xcd, xcd->iod)
                         : arena_format(&arena, "%s on %s", plan->model, plan->machine.name));
    }
    name_threads(printing);
    arena_close(&arena);
}

// ---- what happened
static void print_times(struct printing *printing, double from_us, double to_us) {
    text_format(printing->out, ",\"ts\":%.3f,\"dur\":%.3f", from_us, to_us - from_us);
}

static void print_stage_args(struct printing *printing, int step) {
    const struct plan_stage *stage = &printing->trace->plan->stages[step];
    text_format(printing->out, ",\"args\":{\"step\":%d,\"layer\":%d", step, stage->layer);
}

static void print_span(struct printing *printing, int process, int thread,
                       const struct trace_span *span) {
    const char *kind = trace_kind_name(span->kind);
    begin_event(printing, "X", process, thread);
    text_format(printing->out, ",\"name\":\"%s\",\"cat\":\"%s\"", kind, kind);
    print_times(printing, span->from_us, span->to_us);
    print_stage_args(printing, span->step);
    if (span->late_us > 0)
        text_format(printing->out, ",\"weights_late_us\":%.3f", span->late_us);
    if (span->transit_us > 0)
        text_format(printing->out, ",\"in_transit_us\":%.3f", span->transit_us);
    text_append(printing->out, "}}");
}

// The log of a wave that hands off: each stage once, and inside it what was done.
static void print_stages(struct printing *printing, int cu) {
    const struct trace_log *log = trace_log_of(printing->trace, cu, 0);
    const int process = process_of(printing, cu), thread = thread_of(printing, cu, 0);
    for (int first = 0, end; first < log->count; first = end) {
        const int step = log->spans[first].step;
        for (end = first; end < log->count && log->spans[end].step == step; end++)
            ;
        begin_event(printing, "X", process, thread);
        text_format(printing->out, ",\"name\":\"%s\",\"cat\":\"stage\"",
                    printing->trace->plan->stages[step].body);
        print_times(printing, log->spans[first].from_us, log->spans[end - 1].to_us);
        print_stage_args(printing, step);
        text_append(printing->out, "}}");
        for (int i = first; i < end; i++)
            print_span(printing, process, thread, &log->spans[i]);
    }
}

// The log of a wave that multiplies: only when it does.
static void print_streams(struct printing *printing, int cu) {
    const struct trace_log *log = trace_log_of(printing->trace, cu, 1);
    for (int i = 0; i < log->count; i++)
        if (log->spans[i].kind == TRACE_STREAM)
            print_span(printing, process_of(printing, cu), thread_of(printing, cu, 1),
                       &log->spans[i]);
}

// An end of an arrow lies within the span that it belongs to.
static void print_arrow_end(struct printing *printing, const char *phase, int cu, int number,
                            double us) {
    begin_event(printing, phase, process_of(printing, cu), thread_of(printing, cu, 0));
    text_format(printing->out, ",\"id\":%d,\"name\":\"hand-off\",\"cat\":\"path\",\"ts\":%.3f%s}",
                number, us, *phase == 'f' ? ",\"bp\":\"e\"" : "");
}

static void print_path(struct printing *printing, const struct trace_path *path) {
    const double within_us = 0.001;
    for (int i = 0; i < path->count; i++) {
        const struct trace_hop *hop = &path->hops[i];
        const bool handoff = hop->kind == TRACE_HANDOFF;
        begin_event(printing, "X", PATH_PROCESS, 0);
        text_format(printing->out, ",\"name\":\"%s %s\",\"cat\":\"path\"",
                    printing->trace->plan->stages[hop->step].body, trace_kind_name(hop->kind));
        print_times(printing, hop->from_us, hop->to_us);
        print_stage_args(printing, hop->step);
        text_format(printing->out, ",\"cu\":%d", hop->cu);
        if (handoff)
            text_format(printing->out, ",\"from_cu\":%d,\"from_step\":%d", hop->from_cu,
                        hop->from_step);
        text_append(printing->out, "}}");
        if (handoff) {
            print_arrow_end(printing, "s", hop->from_cu, i, hop->from_us - within_us);
            print_arrow_end(printing, "f", hop->cu, i, hop->to_us - within_us);
        }
    }
}

void trace_print_json(const struct trace *trace, const struct trace_path *path, struct text *out) {
    struct arena arena = {0};
    const int cus = trace->plan->machine.cus;
    struct printing printing = {trace, out, arena_array(&arena, (size_t)cus, sizeof(int))};
    access_xcds(trace->plan, printing.xcd_of);
    text_append(out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"position\":");
    text_format(out, "%u,\"plan\":", trace->position);
    print_string(out, trace->plan->command);
    text_append(out, "},\"traceEvents\":[");
    name_all(&printing);
    for (int cu = 0; cu < cus; cu++) {
        print_stages(&printing, cu);
        if (trace->logs_per_cu > 1)
            print_streams(&printing, cu);
    }
    print_path(&printing, path);
    text_append(out, "\n]}\n");
    arena_close(&arena);
}
