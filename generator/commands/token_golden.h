// Token golden file: what the reference library makes of some texts, as JSON:
//   {"rows": [{"text": "...", "ids": [...], "ids_plain": [...], "decoded": "...",
//              "decoded_skip": "..."}, ...]}
// `ids` with the special tokens around the text, `ids_plain` without; `decoded` is the text of
// ids_plain, `decoded_skip` that of ids, special tokens skipped. Other fields are not looked at.
// The file comes from anywhere and is read as hostile.
#ifndef GENERATOR_COMMANDS_TOKEN_GOLDEN_H
#define GENERATOR_COMMANDS_TOKEN_GOLDEN_H

#include "generator/base/diagnostic.h"
#include "runtime/tokenizer/tokenizer.h"

// Compares the tokenizer with every row: ids, texts, and texts that are decoded one id at a time.
// False after adding a diagnostic, which names the first row that differs; *rows is how many agree.
bool token_golden_check(const struct tokenizer *tokenizer, const char *path, size_t *rows,
                        struct diagnostics *diagnostics);

#endif
