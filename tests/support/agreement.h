// Agreement: a kernel of the host with random weights, compared with the reference.
#ifndef TESTS_SUPPORT_AGREEMENT_H
#define TESTS_SUPPORT_AGREEMENT_H

#include "generator/pipeline/pipeline.h"
#include "runtime/error.h"

struct agreement {
    uint32_t positions; // compared: those of the whole context
    double worst;       // relative RMSE of the logits of one position
    uint32_t worst_at;
    // Positions whose argmax is another, and tokens that the decode loop chose otherwise, although
    // the reference's margin is no tie.
    uint32_t wrong_argmax, wrong_tokens;
};

// Opens the kernel that was written into `folder`, lets its decode loop fill the second half of the
// context, then compares the logits of every position, teacher-forced. The weights are those of
// `seed`. False after filling *error where the kernel or the reference cannot be run.
bool agreement_measure(const struct generation *generation, const char *folder, uint64_t seed,
                       struct agreement *agreement, struct monogen_error *error);

// The same, then fails the test, naming `what`, where the worst position is over `allowed` or a
// token is another one. Prints what it saw.
void expect_agreement(const struct generation *generation, const char *folder, uint64_t seed,
                      double allowed, const char *what);

#endif
