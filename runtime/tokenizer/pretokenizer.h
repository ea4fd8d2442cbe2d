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

// Reads the "pre_tokenizer" of a tokenizer.json, absent and null allowed. Errors go to the
// document; the caller frees in any case.
void pretokenizer_load(struct pretokenizer *pretokenizer, const struct json_node *node);
void pretokenizer_free(struct pretokenizer *pretokenizer); // {0} is fine

// Working memory: the text of one piece for each step that rewrites it. All zero to begin with.
struct pretokenizer_work {
    struct byte_buffer texts[3 * TOKENIZER_MAX_STEPS];
};

void pretokenizer_work_free(struct pretokenizer_work *work);

// Takes a piece, at least one byte. False after an error that `context` knows.
typedef bool piece_taker(void *context, const char *piece, size_t length);

// Gives the pieces of `text` [length], which is valid UTF-8, one after the other. begins_text: its
// first character is the first of the text that is encoded.
bool pretokenizer_apply(const struct pretokenizer *pretokenizer, struct pretokenizer_work *work,
                        struct regex_work *regex, const char *text, size_t length, bool begins_text,
                        piece_taker *take, void *context, struct monogen_error *error);

#endif
