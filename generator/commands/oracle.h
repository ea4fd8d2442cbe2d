// Oracle: what verify compares a kernel with: prompts, and the logits that should follow each of
// their tokens.
#ifndef GENERATOR_COMMANDS_ORACLE_H
#define GENERATOR_COMMANDS_ORACLE_H

#include "generator/commands/golden.h"

struct oracle {
    struct golden golden; // the prompts and their logits
    float *wanted;        // [vocab]
};

// Opens the golden file at `path` for a model of `vocab` tokens. False after filling *error. The
// caller closes *oracle either way.
bool oracle_open(const char *path, uint32_t vocab, struct oracle *oracle,
                 struct monogen_error *error);
void oracle_close(struct oracle *oracle); // {0} is fine

// The logits [vocab] of compared position k of a prompt. Valid until the next call.
const float *oracle_logits(struct oracle *oracle, const struct golden_prompt *prompt, size_t k);

#endif
