// Access: which elements of a mailbox each CU writes and reads in a stage, expanded from the plan.
// The planner asks it for scopes, the checker for proofs.
#ifndef GENERATOR_PLAN_ACCESS_H
#define GENERATOR_PLAN_ACCESS_H

#include "generator/plan/plan.h"

// Elements first .. first + count - 1 of a mailbox.
struct element_range {
    int64_t first, count;
};

// Chunk `chunk` of what tile `tile` of a body has of a span.
struct element_range access_range(const struct plan_span *span, int tile, int chunk);

// Whether all tiles have the same elements.
bool access_is_common(const struct plan_span *span);

// One past the last element that `tiles` tiles have.
int64_t access_end(const struct plan_span *span, int tiles);

// owner[pairs] of the mailbox that a stage of `body` writes: the CU that writes the element, -1:
// nobody does. Returns the number of elements that are written twice or lie outside the mailbox;
// the first of them goes to *bad_element.
int access_owners(const struct plan_plan *plan, const struct plan_body *body, int pairs, int *owner,
                  int64_t *bad_element);

// XCD (index into machine.xcds) of each CU: xcd_of[cus].
void access_xcds(const struct plan_plan *plan, int *xcd_of);

#endif
