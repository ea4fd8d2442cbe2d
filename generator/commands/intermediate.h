// Intermediate: what a kernel's CUs handed each other, against the values of the graph's nodes.
//
// Only kernels whose stages keep what they published can be looked at: those of --set
// buffers=unshared.
#ifndef GENERATOR_COMMANDS_INTERMEDIATE_H
#define GENERATOR_COMMANDS_INTERMEDIATE_H

#include "generator/base/diagnostic.h"
#include "generator/plan/plan.h"
#include "generator/reference/reference.h"
#include "runtime/monogen.h"

struct intermediate {
    const struct plan_plan *plan;
    const struct model *model;
    double bound;    // of the relative RMSE of a value
    uint64_t *pairs; // [pair_count] (value, epoch)
    size_t pair_count;
    int64_t values;    // that were compared so far
    double worst;      // relative RMSE of any of them,
    int worst_stage;   // and whose it was
    uint32_t position; // the next one that the kernel has not run
};

// `bound`: of the relative RMSE of each value. False after filling *error: no memory.
bool intermediate_open(const struct plan_plan *plan, const struct model *model,
                       struct monogen *kernel, double bound, struct intermediate *intermediate,
                       struct monogen_error *error);
void intermediate_close(struct intermediate *intermediate); // {0} is fine

// Runs `token` at `position`, which is 0 or follows the newest one, in the kernel and compares
// every value that its stages published with the reference's. Requires: the reference has just
// computed that token. Returns false after a diagnostic: the first value, in the order of steps,
// that exceeds the bound is named with its step, CU and row.
bool intermediate_compare(struct intermediate *intermediate, struct monogen *kernel,
                          const struct reference *reference, uint32_t token, uint32_t position,
                          struct diagnostics *diagnostics);

#endif
