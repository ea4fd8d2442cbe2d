// Reference: the op graph of a model, slow and obvious: what a kernel's values should be.
//
// It computes the value of every node for one token after another. Each value is rounded to f32
// where a node ends; inside a node all sums are in double precision, so that it is nearer to the
// model than any kernel is.
#ifndef GENERATOR_REFERENCE_REFERENCE_H
#define GENERATOR_REFERENCE_REFERENCE_H

#include "generator/model/model.h"
#include "runtime/error.h"

#include <stdbool.h>
#include <stdint.h>

struct reference;

struct reference_options {
    const struct model *model; // must outlive the reference
    const char *checkpoint;    // folder of a Hugging Face checkpoint; NULL: random weights
    uint64_t random_seed;      // the same seed makes the weights that monogen_open makes of it
    bool kv_bf16;              // attention sees keys and values rounded to bf16, ties to even
};

// Finds all weights; they stay in the mapped files. NULL after filling *error: a tensor that is
// missing (the nearest is named) or of another shape than its node, or no bf16, f16 or f32.
struct reference *reference_open(const struct reference_options *options,
                                 struct monogen_error *error);
void reference_close(struct reference *reference); // NULL is fine

// Computes the value of every node for `token` at `position`. The keys and values of each position
// are kept; those from `position` on are forgotten, so that 0 begins a new text.
// Requires: token < vocab; all positions before this one were computed.
void reference_step(struct reference *reference, uint32_t token, uint32_t position);

// The value of a node after the newest step, [elements] f32, owned by the reference. It is what the
// node gives: of the LOGITS (the last node) behind the soft-cap, of a LINEAR with its bias added,
// of the inputs of an ATTENTION before they are rounded to bf16.
const float *reference_value(const struct reference *reference, int node);

#endif
