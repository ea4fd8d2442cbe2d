// A plan of a spec for a target, for tests of the planner and of what comes after it.
#ifndef TESTS_SUPPORT_MADE_PLAN_H
#define TESTS_SUPPORT_MADE_PLAN_H

#include "generator/plan/planner.h"

struct made_plan {
    struct arena arena; // owns all but the diagnostics
    struct diagnostics diagnostics;
    struct script *script;
    struct tuning tuning;
    struct target target;
    struct model model;
    struct plan_plan plan;
};

// Makes a plan. `specs`: the specs folder of the model and its family (targets are always those of
// "specs"); `set`: "cus=7 kv=fp32", may be empty. Returns false where anything refuses; then the
// diagnostics say why. Close it either way.
bool made_plan_try(struct made_plan *made, const char *specs, const char *spec, const char *target,
                   const char *set);

// The same with the program's own specs; fails the test where that is refused.
void made_plan_open(struct made_plan *made, const char *spec, const char *target, const char *set);

void made_plan_close(struct made_plan *made);

// "cus=7 kv=fp32" as overrides. Owned by the arena.
struct override_list overrides_of(struct arena *arena, const char *set);

// The first stage of that name in the layer (-1: outside the layers), its body, a choice, an LDS
// array; the test fails where there is none.
const struct plan_stage *need_stage(const struct plan_plan *plan, const char *name, int layer);
const struct plan_body *need_body(const struct plan_plan *plan, const char *name);
const struct plan_choice *need_choice(const struct plan_plan *plan, const char *name);
const struct plan_lds *need_lds(const struct plan_plan *plan, const char *name);

#endif
