// The critical path of a trace.
#include "generator/plan/access.h"
#include "generator/trace/trace.h"

#include <string.h>

struct walk {
    const struct trace *trace;
    struct arena *arena;
    int **owners; // [bodies] of each element that it writes, the CU; NULL: not asked yet
    struct trace_path *path;
};

// The stage that makes what `stage` awaits; -1: none of this position.
static int producer_of(const struct plan_plan *plan, const struct plan_stage *stage) {
    for (int p = stage->step - 1; p >= 0 && stage->reads_from; p--)
        if (plan->stages[p].writes_to && plan->stages[p].write_epoch == stage->read_epoch &&
            strcmp(plan->stages[p].writes_to, stage->reads_from) == 0)
            return p;
    return -1;
}

static const int *owners_of(struct walk *walk, const struct plan_stage *producer) {
    const struct plan_plan *plan = walk->trace->plan;
    const struct plan_body *body = plan_body_named(plan, producer->body);
    const int pairs = plan_mailbox_named(plan, producer->writes_to)->pairs;
    int **owners = &walk->owners[body - plan->bodies];
    int64_t bad;
    if (!*owners) {
        *owners = arena_array(walk->arena, (size_t)pairs, sizeof **owners);
        access_owners(plan, body, pairs, *owners, &bad);
    }
    return *owners;
}

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
static int last_producer(struct walk *walk, int cu, const struct plan_stage *stage, int producer,
                         double *end_us) {
    const struct plan_plan *plan = walk->trace->plan;
    const struct plan_body *body = plan_body_named(plan, stage->body);
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    const int *owners = owners_of(walk, &plan->stages[producer]);
    const int pairs = plan_mailbox_named(plan, stage->reads_from)->pairs;
    bool *seen = arena_array(walk->arena, (size_t)plan->machine.cus, sizeof *seen);
    int last = -1;
    for (int r = 0; r < body->reads_count; r++)
        for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++)
            for (int chunk = 0; chunk < body->reads[r].span.chunks; chunk++) {
                const struct element_range range = access_range(&body->reads[r].span, tile, chunk);
                for (int64_t e = range.first; e < range.first + range.count && e < pairs; e++) {
                    const int owner = owners[e];
                    int span;
                    if (owner < 0 || seen[owner])
                        continue;
                    seen[owner] = true;
                    const double end = end_of(walk->trace, owner, producer, &span);
                    if (last < 0 || end > *end_us) {
                        last = owner;
                        *end_us = end;
                    }
                }
            }
    return last;
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
        const struct plan_stage *stage = &plan->stages[at->step];
        const int producer = producer_of(plan, stage);
        const bool waits = at->kind == TRACE_WAIT || at->kind == TRACE_GATHER;
        double end_us = 0;
        if (at->from_us >= until) {
            span--;
            continue;
        }
        const int from_cu =
            waits && producer >= 0 ? last_producer(walk, cu, stage, producer, &end_us) : -1;
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

void trace_find_path(const struct trace *trace, struct arena *arena, struct trace_path *path) {
    const struct plan_plan *plan = trace->plan;
    struct walk walk = {.trace = trace, .arena = arena, .path = path};
    walk.owners = arena_array(arena, (size_t)plan->bodies_count, sizeof *walk.owners);
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
