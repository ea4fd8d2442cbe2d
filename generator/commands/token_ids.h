// Token ids as text: "1 2 3", "1,2,3" or the JSON array "[1, 2, 3]".
#ifndef GENERATOR_COMMANDS_TOKEN_IDS_H
#define GENERATOR_COMMANDS_TOKEN_IDS_H

#include "generator/base/diagnostic.h"
#include "runtime/tokenizer/tokenizer.h"

// Writes ids [count] on one line of stdout: blanks between, or a JSON array. False after adding a
// diagnostic.
bool token_ids_write(const uint32_t *ids, size_t count, bool json, struct diagnostics *diagnostics);

// Appends the ids on standard input, each of which must have a token. False after adding a
// diagnostic.
bool token_ids_read(const struct tokenizer *tokenizer, struct token_list *ids,
                    struct diagnostics *diagnostics);

#endif
