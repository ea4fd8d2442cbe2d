// Producers: which CUs a CU waits for in a stage, as the plan says.
#ifndef GENERATOR_TRACE_PRODUCERS_H
#define GENERATOR_TRACE_PRODUCERS_H

#include "generator/base/arena.h"
#include "generator/plan/plan.h"

struct producer_list {
    const int *cus; // [count]; none twice
    int count;
};

// What was asked for so far: it is the same in all layers.
struct producers {
    const struct plan_plan *plan;
    struct arena *arena;
    struct producer_list **lists; // [bodies that read][bodies that write] [cus]; NULL: not asked
};

void producers_open(struct producers *producers, const struct plan_plan *plan, struct arena *arena);

// The stage that makes what stage `step` awaits; -1: none of the same position.
int producers_stage(const struct plan_plan *plan, int step);

// The CUs that publish in stage `from` what `cu` awaits in stage `step`; none where it has no part
// in that. Requires: from = producers_stage(plan, step) >= 0.
struct producer_list producers_of(struct producers *producers, int step, int from, int cu);

#endif
