// Oracle: what verify compares a kernel with: prompts, and the logits that should follow each of
// their tokens. Either a golden file has them, or the reference computes them.
#ifndef GENERATOR_COMMANDS_ORACLE_H
#define GENERATOR_COMMANDS_ORACLE_H

#include "generator/commands/golden.h"
#include "generator/reference/reference.h"

struct oracle_request {
    const char *golden; // file of prompts and logits; NULL: the prompt is `tokens`
    uint32_t vocab;

    // For logits that are computed, otherwise unused:
    bool computes;
    struct reference_options reference; // its model has that vocab
    const uint32_t *tokens;             // [token_count]; NULL: drawn from reference.random_seed
    size_t token_count;
    uint32_t context;  // positions that the kernel can hold
    size_t most_steps; // of the continuation of `tokens`
};

struct oracle {
    // The prompts, of the file or a made one. Where logits are computed, any continuation will do:
    // step_count says how long it may be, and whoever chooses its tokens writes them into ids and
    // corrects step_count.
    struct golden golden;
    struct reference *reference;        // NULL: the logits are the golden file's
    int logits_node;                    // of the reference
    const struct golden_prompt *prompt; // that the reference is in
    uint32_t position;                  // the next one that it has not computed
    float *wanted;                      // [vocab]
};

// Opens the golden file, the reference, or both: then the file's logits are not looked at. False
// after filling *error. The caller closes *oracle either way.
bool oracle_open(const struct oracle_request *request, struct oracle *oracle,
                 struct monogen_error *error);
void oracle_close(struct oracle *oracle); // {0} is fine

// The logits [vocab] of compared position k of a prompt. Valid until the next call.
// Requires: the positions of a prompt are asked for in ascending order.
//
// Where they are computed, the reference stands at that position afterwards: reference_value
// (oracle->reference, node) is every other value of the graph, too. Intermediate values of a kernel
// are to be compared where verify.c calls this, in compare_position: what the kernel left in a
// buffer at this position against the node that the plan says the buffer holds.
const float *oracle_logits(struct oracle *oracle, const struct golden_prompt *prompt, size_t k);

#endif
