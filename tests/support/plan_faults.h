// Faults of plans, made by chance.
#ifndef TESTS_SUPPORT_PLAN_FAULTS_H
#define TESTS_SUPPORT_PLAN_FAULTS_H

#include "generator/plan/plan.h"

struct faulty {
    struct plan_plan plan; // a copy with the fault
    uint32_t random;
    char what[256]; // was done
};

struct fault_kind {
    const char *name; // "dropped wait"
    bool (*inject)(struct faulty *faulty);
};

enum { FAULT_KINDS = 7 };
extern const struct fault_kind fault_kinds[FAULT_KINDS];

// Makes a copy of the plan with one fault of the kind, as *random says, which goes on. Returns
// false where the place that chance chose has nothing to change.
bool fault_inject(const struct plan_plan *plan, int kind, uint32_t *random, struct arena *arena,
                  struct faulty *faulty);

#endif
