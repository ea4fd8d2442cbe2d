// A pattern of a tokenizer.json, {"String": ...} or {"Regex": ...}, and where it matches in a text.
#ifndef RUNTIME_TOKENIZER_MATCHER_H
#define RUNTIME_TOKENIZER_MATCHER_H

#include "runtime/json_node.h"
#include "runtime/tokenizer/regex.h"

// Exactly one of the two is there.
struct matcher {
    char *literal; // not empty
    struct regex *regex;
};

// Reads the "pattern" of `owner`. Errors go to the document; the caller frees in any case.
void matcher_load(struct matcher *matcher, const struct json_node *owner);
void matcher_free(struct matcher *matcher); // {0} is fine

struct span {
    size_t start, end;
    bool matched;
};

// A walk over a text: its matches and what lies between them, in order. Together they are the text.
// Matches may be empty.
struct span_walk {
    const struct matcher *matcher;
    struct regex_work *work; // a literal needs none
    const char *text;        // [length], valid UTF-8, not empty
    size_t length;
    size_t from, done; // where to look next; where the last match ended
    bool any;          // there was a match
    bool ended;        // there is no further one
    struct span match; // found, and still to be given where `matched`
};

enum walk_result { WALK_FAILED, WALK_ENDED, WALK_SPAN };

// Gives the next span. Requires: everything behind `length` is zero at the first call.
enum walk_result span_walk_next(struct span_walk *walk, struct span *span,
                                struct monogen_error *error);

// Appends `text` [length] with `replacement` in place of each match. A literal needs no `work`.
bool matcher_replace_all(const struct matcher *matcher, struct regex_work *work, const char *text,
                         size_t length, const char *replacement, struct byte_buffer *replaced,
                         struct monogen_error *error);

#endif
