// The critical path of a trace, and what waits were for.
#include "generator/trace/producers.h"
#include "generator/trace/trace.h"

struct walk {
    struct trace *trace;
    struct arena *arena; // of the path
    struct producers producers;
    struct trace_path *path;
};

// When the CU was over with the step.
static double end_of(const struct trace *trace, int cu, int step, int *span) {
    const struct trace_log *log = trace_log_of(trace, cu, 0);
    int low = 0, high = log->count - 1; // the last span whose step is not behind it
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (log->spans[middle].step <= step)
            low = middle;
        else
            high = middle - 1;
    }
    *span = low;
    return log->spans[low].to_us;
}

// Of the CUs whose values `cu` awaits in the stage, the one that was over last; -1: it awaits none.
static int last_producer(struct walk *walk, int cu, int step, int from, double *end_us) {
    const struct producer_list list = producers_of(&walk->producers, step, from, cu);
    int last = -1;
    for (int i = 0; i < list.count; i++) {
        int span;
        const double end = end_of(walk->trace, list.cus[i], from, &span);
        if (last < 0 || end > *end_us) {
            last = list.cus[i];
            *end_us = end;
        }
    }
    return last;
}

static bool waits(const struct trace_span *span) {
    return span->kind == TRACE_WAIT || span->kind == TRACE_GATHER;
}

// Of each wait for others' values, the part in which all had been published.
static void measure_transits(struct walk *walk) {
    const struct trace *trace = walk->trace;
    for (int cu = 0; cu < trace->plan->machine.cus; cu++) {
        const struct trace_log *log = trace_log_of(trace, cu, 0);
        int step = -1, from_cu = -1;
        double end_us = 0;
        for (int i = 0; i < log->count; i++) {
            struct trace_span *span = &log->spans[i];
            if (span->step != step) {
                step = span->step;
                const int from = producers_stage(trace->plan, step);
                from_cu = from >= 0 ? last_producer(walk, cu, step, from, &end_us) : -1;
            }
            const double since_us = end_us > span->from_us ? end_us : span->from_us;
            if (from_cu >= 0 && waits(span) && since_us < span->to_us)
                span->transit_us = span->to_us - since_us;
        }
    }
}

static void add_hop(struct walk *walk, struct trace_hop hop) {
    struct trace_path *path = walk->path;
    if (hop.to_us <= hop.from_us)
        return;
    path->hops = arena_grow(walk->arena, path->hops, (size_t)path->count, sizeof *path->hops);
    path->hops[path->count++] = hop;
}

// Follows the path from `until` back through the spans of `cu` up to number `span`.
static void walk_back(struct walk *walk, int cu, int span, double until) {
    const struct trace *trace = walk->trace;
    const struct plan_plan *plan = trace->plan;
    while (span >= 0) {
        const struct trace_span *at = &trace_log_of(trace, cu, 0)->spans[span];
        const int producer = waits(at) ? producers_stage(plan, at->step) : -1;
        double end_us = 0;
        if (at->from_us >= until) {
            span--;
            continue;
        }
        const int from_cu =
            producer >= 0 ? last_producer(walk, cu, at->step, producer, &end_us) : -1;
        if (from_cu >= 0 && end_us > at->from_us) {
            const double from_us = end_us < until ? end_us : until;
            add_hop(walk, (struct trace_hop){from_us, until, cu, at->step, TRACE_HANDOFF, from_cu,
                                             producer});
            end_of(trace, from_cu, producer, &span);
            cu = from_cu;
            until = from_us;
        } else {
            add_hop(walk, (struct trace_hop){at->from_us, until, cu, at->step, at->kind, -1, -1});
            until = at->from_us;
            span--;
        }
    }
}

void trace_find_path(struct trace *trace, struct arena *arena, struct trace_path *path) {
    const struct plan_plan *plan = trace->plan;
    struct walk walk = {.trace = trace, .arena = arena, .path = path};
    producers_open(&walk.producers, plan, arena);
    measure_transits(&walk);
    *path = (struct trace_path){0};
    int last_cu = 0, last_span = 0;
    double until = -1;
    for (int cu = 0; cu < plan->machine.cus; cu++) {
        int span;
        const double end = end_of(trace, cu, plan->stages_count - 1, &span);
        if (end > until) {
            until = end;
            last_cu = cu;
            last_span = span;
        }
    }
    walk_back(&walk, last_cu, last_span, until);
    for (int i = 0, k = path->count - 1; i < k; i++, k--) {
        const struct trace_hop hop = path->hops[i];
        path->hops[i] = path->hops[k];
        path->hops[k] = hop;
    }
}
