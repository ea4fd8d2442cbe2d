// The normalizer: what is done to the text before anything else looks at it.
#ifndef RUNTIME_TOKENIZER_NORMALIZER_H
#define RUNTIME_TOKENIZER_NORMALIZER_H

#include "runtime/tokenizer/fields.h"
#include "runtime/tokenizer/matcher.h"

enum normalizer_kind { NORMALIZE_PREPEND, NORMALIZE_REPLACE, NORMALIZE_NFC };

struct normalizer_step {
    enum normalizer_kind kind;
    struct matcher matcher; // REPLACE
    char *text;             // what is prepended, or put instead
};

struct normalizer {
    struct normalizer_step steps[TOKENIZER_MAX_STEPS];
    size_t step_count;
};

// Reads the "normalizer" of a tokenizer.json, absent and null allowed. Errors go to the document;
// the caller frees in any case.
void normalizer_load(struct normalizer *normalizer, const struct json_node *node);
void normalizer_free(struct normalizer *normalizer); // {0} is fine

// Replaces *normalized by the normal form of `text` [length], which is valid UTF-8.
bool normalizer_apply(const struct normalizer *normalizer, struct regex_work *work,
                      const char *text, size_t length, struct byte_buffer *normalized,
                      struct monogen_error *error);

#endif
