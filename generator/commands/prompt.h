// Prompt: what run continues, from the command line or standard input.
#ifndef GENERATOR_COMMANDS_PROMPT_H
#define GENERATOR_COMMANDS_PROMPT_H

#include "generator/commands/command_line.h"

struct prompt {
    const char *text;       // UTF-8; NULL: tokens
    const uint32_t *tokens; // [token_count]
    size_t token_count;
};

// The prompt of --prompt, --tokens, or of standard input (`-`); none of these leaves *prompt empty.
// Arena-owned. False after adding a diagnostic, and after a signal.
bool prompt_read(const struct command_line *line, struct arena *arena, struct prompt *prompt,
                 struct diagnostics *diagnostics);

// An empty prompt becomes the tokens `start` [count], with which the model's texts begin. A usage
// error where there are none.
bool prompt_default(struct prompt *prompt, const int *start, int count, struct arena *arena,
                    struct diagnostics *diagnostics);

#endif
