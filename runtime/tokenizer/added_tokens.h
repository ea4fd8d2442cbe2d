// Added tokens: those that are found in the text as they stand, before it is cut into words.
#ifndef RUNTIME_TOKENIZER_ADDED_TOKENS_H
#define RUNTIME_TOKENIZER_ADDED_TOKENS_H

#include "runtime/tokenizer/normalizer.h"
#include "runtime/tokenizer/vocabulary.h"

struct added_token {
    char *content; // [length], as the text must hold it
    size_t length;
    uint32_t id;
    bool single_word;           // only where no word character adjoins
    bool take_left, take_right; // the white space beside it belongs to it
    bool normalized;            // looked for in the normalized text, not in the given one
};

struct added_token_set {
    struct added_token *tokens; // [count], sorted by content
    size_t count;
};

struct added_tokens {
    struct added_token_set plain, normalized;
    struct regex *word; // one word character; NULL where no token is single_word
};

// Reads the "added_tokens" of a tokenizer.json, absent and null allowed, and puts them into the
// vocabulary. Errors go to the document; the caller frees in any case.
void added_tokens_load(struct added_tokens *added, const struct json_node *node,
                       const struct normalizer *normalizer, struct vocabulary *vocabulary);
void added_tokens_free(struct added_tokens *added); // {0} is fine

struct segment {
    size_t start, end;
    uint32_t id; // VOCABULARY_NO_TOKEN: plain text
};

struct segment_list {
    struct segment *segments; // [count]
    size_t count, capacity;
};

void segment_list_free(struct segment_list *list);

// Replaces *segments by the tokens of `set` found in `text` [length] and the texts between them, in
// order, none empty. Of tokens that begin at the same place the longest is taken.
bool added_tokens_find(const struct added_tokens *added, const struct added_token_set *set,
                       struct regex_work *work, const char *text, size_t length,
                       struct segment_list *segments, struct monogen_error *error);

#endif
