// Compare: how far logits are from reference logits.
#ifndef GENERATOR_COMMANDS_COMPARE_H
#define GENERATOR_COMMANDS_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One position. Not a number anywhere in the logits makes the errors infinite.
struct comparison {
    double relative_rmse;    // ||logits - reference|| / ||reference||
    double largest_error;    // the largest |logits[i] - reference[i]|
    double margin;           // of the reference: largest minus second largest
    uint32_t chosen, wanted; // argmax (lowest id at a tie) of logits and of reference
};

// Compares logits [vocab] with reference [vocab]. Requires: vocab >= 1.
struct comparison compare_logits(const float *logits, const float *reference, uint32_t vocab);

// Whether another choice than the reference's is a tie at this precision: its margin is within
// twice the largest error.
bool comparison_is_tie(const struct comparison *comparison);

// The median (the lower one of the two middle ones) and the largest of `values` [count], which are
// sorted on return. Requires: count >= 1, none is not a number.
double median_of(double *values, size_t count);

#endif
