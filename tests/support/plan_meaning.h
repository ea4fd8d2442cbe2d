// What the kernel of a plan computes, told by symbols instead of numbers: a model of the machine in
// which CUs take turns as unevenly as can be, and run what templates emit for each stage. Values
// are hashes of how they came about: of the tensor's row that lies where the CU reads, of the
// input, of what is done to it. Plans that deal, split and place in different ways have one meaning
// as long as they compute the same.
#ifndef TESTS_SUPPORT_PLAN_MEANING_H
#define TESTS_SUPPORT_PLAN_MEANING_H

#include "generator/plan/plan.h"

struct plan_launch {
    int positions, prompt; // of which so many are the prompt's
    bool export_logits;
    int slow;            // CU that takes a step only when no other can, -1: none
    int first;           // CU that the others' turns begin with
    uint32_t epoch_base; // of the first position
};

enum plan_end {
    PLAN_ENDS,   // every CU came to the end
    PLAN_STOPS,  // some CU awaits what never comes
    PLAN_STRAYS, // a CU would use memory that is not there or not set, or code that does not
                 // compile
};

struct plan_meaning {
    enum plan_end end;
    uint64_t logits, tokens; // all of them; meaningless unless it ends
    char why[160];           // it stops or strays
};

struct plan_meaning plan_meaning(const struct plan_plan *plan, const struct plan_launch *launch);

// Of some launches in which different CUs are slow: the first that does not end, else what all have
// in common. Strays where they differ.
struct plan_meaning plan_meaning_of_all(const struct plan_plan *plan);

#endif
