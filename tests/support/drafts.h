// Graphs for made_plan_of.
#ifndef TESTS_SUPPORT_DRAFTS_H
#define TESTS_SUPPORT_DRAFTS_H

#include "tests/support/draft.h"

// Two that together use what stages can do. Owned: fused and sliced q, k, v with biases, heads of q
// and k normed, windows, soft-caps, a partial rotation in one layer and none in another, a gated
// MLP with tanh-GELU, a parallel one without a gate, scales everywhere. Everywhere: norms after
// attention and MLP, all heads of q and of k normed together.
void build_rich_owned(struct draft *draft);
void build_rich_everywhere(struct draft *draft);

// What two products of one body publish is there at the same time.
void build_side_by_side(struct draft *draft);

// The residual of before an MLP is needed when the newer one is there already.
void build_older_residual(struct draft *draft);

// Products of products, of one shape: each reads what the one before wrote, and writes its own.
void build_chain(struct draft *draft);

// One product a layer.
void build_one_product(struct draft *draft);

#endif
