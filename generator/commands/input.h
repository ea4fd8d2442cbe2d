// Input: standard input, read to its end.
#ifndef GENERATOR_COMMANDS_INPUT_H
#define GENERATOR_COMMANDS_INPUT_H

#include "generator/base/diagnostic.h"
#include "generator/base/text.h"

// Takes a part of the input, `count` bytes, at least one. False after adding a diagnostic.
typedef bool input_taker(void *context, const char *bytes, size_t count,
                         struct diagnostics *diagnostics);

// Gives all of standard input to `take`, part by part. False after adding a diagnostic, and after a
// signal.
bool input_read(input_taker *take, void *context, struct diagnostics *diagnostics);

// Appends all of it to *text, as it is. Past most_bytes it is a usage error, in which `noun` names
// what is read.
bool input_read_text(const char *noun, size_t most_bytes, struct text *text,
                     struct diagnostics *diagnostics);

#endif
