// The pre-tokenizer: cuts the text into pieces that are tokenized apart, and rewrites them.
#ifndef RUNTIME_TOKENIZER_PRETOKENIZER_H
#define RUNTIME_TOKENIZER_PRETOKENIZER_H

#include "runtime/tokenizer/fields.h"
#include "runtime/tokenizer/matcher.h"

// Where the matches of a split go.
enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_CONTIGUOUS,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
};

enum pretokenizer_kind {
    PRETOKENIZE_SPLIT,   // at the matches
    PRETOKENIZE_REPLACE, // spaces by `text`
    PRETOKENIZE_PREFIX,  // `text` before pieces that do not begin with it
    PRETOKENIZE_BYTES,   // bytes to characters of the byte-level alphabet
};

struct pretokenizer_step {
    enum pretokenizer_kind kind;
    struct matcher matcher; // SPLIT; the literal space for REPLACE
    enum split_behavior behavior;
    bool invert;       // SPLIT: what lies between the matches counts as the matches
    bool at_text_only; // PREFIX: only for the piece that begins the text
    char *text;        // REPLACE, PREFIX
};

// A part of the file gives at most three steps.
struct pretokenizer {
    struct pretokenizer_step steps[3 * TOKENIZER_MAX_STEPS];
    size_t step_count;
};

struct piece {
    size_t start, length; // in the list's text; length at least 1
    bool begins_text;     // its first character is the first of the text that is encoded
};

struct piece_list {
    struct byte_buffer text;
    struct piece *pieces; // [count], in order
    size_t count, capacity;
};

void piece_list_free(struct piece_list *list); // leaves the empty list

// Reads the "pre_tokenizer" of a tokenizer.json, absent and null allowed. Errors go to the
// document; the caller frees in any case.
void pretokenizer_load(struct pretokenizer *pretokenizer, const struct json_node *node);
void pretokenizer_free(struct pretokenizer *pretokenizer); // {0} is fine

// Replaces *pieces by those of `text` [length], which is valid UTF-8. `spans` is working memory.
bool pretokenizer_apply(const struct pretokenizer *pretokenizer, struct regex_work *work,
                        const char *text, size_t length, bool begins_text, struct span_list *spans,
                        struct piece_list *pieces, struct monogen_error *error);

#endif
