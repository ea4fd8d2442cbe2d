// Checker: proves a plan before anything is emitted, whoever made it.
#ifndef GENERATOR_PLAN_CHECK_H
#define GENERATOR_PLAN_CHECK_H

#include "generator/base/diagnostic.h"
#include "generator/plan/plan.h"

// What was proved, for the report.
struct plan_proof {
    int rules;    // that hold
    int handoffs; // of one position: (stage, read, CU that reads, other CU that wrote)
};

// Returns true where every rule holds. Each violation is a diagnostic that starts with the rule's
// name in brackets, e.g. "[coverage] stage 3 (attention): ...". The rules are the rows of
// check.def.
bool plan_check(const struct plan_plan *plan, const char *file, struct plan_proof *proof,
                struct diagnostics *diagnostics);

#endif
