// Access: which elements of a mailbox each CU writes and reads in a stage, expanded from the plan.
// The planner asks it for scopes, the checker for proofs.
#ifndef GENERATOR_PLAN_ACCESS_H
#define GENERATOR_PLAN_ACCESS_H

#include "generator/plan/plan.h"

// Elements first .. first + count - 1 of a mailbox.
struct element_range {
    int64_t first, count;
};

// What tile `tile` of a body needs of one of its reads.
struct element_range access_read(const struct plan_read *read, int tile);

// owner[pairs] of `mailbox`: the CU that writes the element in a stage of `body`, -1: nobody does.
// Returns the number of elements that are written twice or lie outside the mailbox; the first of
// them goes to *bad_element.
int access_owners(const struct plan_plan *plan, const struct plan_body *body, const char *mailbox,
                  int pairs, int *owner, int64_t *bad_element);

// XCD (index into machine.xcds) of each CU: xcd_of[cus].
void access_xcds(const struct plan_plan *plan, int *xcd_of);

#endif
