// Planner: a model on a target becomes a plan.
#ifndef GENERATOR_PLAN_PLANNER_H
#define GENERATOR_PLAN_PLANNER_H

#include "generator/model/model.h"
#include "generator/plan/plan.h"
#include "generator/plan/tuning.h"
#include "generator/target/target.h"

// A tuning that was found and is followed.
struct advice {
    const char *value;  // "cus=2 tile_rows=8"
    const char *reason; // NULL: there is none
    const char *words;  // " --set cus=2 --set tile_rows=8": the plan's command makes the same plan
                        // anywhere
};

struct plan_request {
    const struct model *model;
    const struct target *target;
    const struct tuning *tuning;
    const char *command;         // that makes this plan again, without paths of this machine
    const struct advice *advice; // that set a part of the tuning; NULL: none
    bool keeps_mailboxes;        // each stage has its own: sharing them could not be proved
};

// Runs the passes in order. The plan is arena-owned. User errors: a graph that no stage can
// compute (located in the family), numbers that do not fit the target.
bool plan_make(const struct plan_request *request, struct arena *arena, struct plan_plan *plan,
               struct diagnostics *diagnostics);

#endif
