// Golden file: reference logits of some prompts and their greedy continuations, as safetensors:
//   prompt.i [P] i32, prompt_logits.i [P][vocab] f32, tokens.i [S] i32, logits.i [S][vocab] f32
// for i = 0, 1, 2 ... The file comes from anywhere and is read as hostile.
#ifndef GENERATOR_COMMANDS_GOLDEN_H
#define GENERATOR_COMMANDS_GOLDEN_H

#include "runtime/safetensors.h"

struct golden_prompt {
    uint32_t *ids; // [prompt_count + step_count]: the prompt, then its continuation
    size_t prompt_count, step_count;
    const struct tensor *prompt_logits, *logits;
};

struct golden {
    struct safetensors *file;
    struct golden_prompt *prompts; // [count]
    size_t count;
    uint32_t vocab;
};

// Checks names, shapes, dtypes and that all ids are below `vocab`. False after filling *error. The
// caller closes *golden either way.
bool golden_open(const char *path, uint32_t vocab, struct golden *golden,
                 struct monogen_error *error);
void golden_close(struct golden *golden); // {0} is fine

// Compared position k of a prompt: k below prompt_count is that position of the prompt, the others
// are the steps of the continuation; step 0 is the prompt's last position again.
size_t golden_positions(const struct golden_prompt *prompt);

// Which of the fed tokens, ids[0], ids[1] ..., gives the logits of compared position k.
size_t golden_fed_token(const struct golden_prompt *prompt, size_t k);

// The reference logits of compared position k into logits [vocab].
void golden_logits(const struct golden *golden, const struct golden_prompt *prompt, size_t k,
                   float *logits);

#endif
