// Finding the tokenizer that tokenize and detokenize are asked for.
#ifndef GENERATOR_COMMANDS_TOKENIZER_FIND_H
#define GENERATOR_COMMANDS_TOKENIZER_FIND_H

#include "generator/base/diagnostic.h"
#include "runtime/tokenizer/tokenizer.h"

// Opens the tokenizer of a folder, or of a spec's checkpoint. NULL after adding a diagnostic. The
// caller closes it.
struct tokenizer *tokenizer_find(const char *name, struct diagnostics *diagnostics);

#endif
