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

struct span {
    size_t start, end;
    bool matched;
};

struct span_list {
    struct span *spans; // [count]
    size_t count, capacity;
};

// Reads the "pattern" of `owner`. Errors go to the document; the caller frees in any case.
void matcher_load(struct matcher *matcher, const struct json_node *owner);
void matcher_free(struct matcher *matcher); // {0} is fine

// Replaces *spans by the matches and what lies between them, in order: together they are `text`
// [length], which is valid UTF-8 and not empty. Matches may be empty.
bool matcher_find_all(const struct matcher *matcher, struct regex_work *work, const char *text,
                      size_t length, struct span_list *spans, struct monogen_error *error);

// Appends `text` [length] with `replacement` in place of each match. A literal needs no `work`.
bool matcher_replace_all(const struct matcher *matcher, struct regex_work *work, const char *text,
                         size_t length, const char *replacement, struct byte_buffer *replaced,
                         struct monogen_error *error);

bool span_list_append(struct span_list *list, struct span span, struct monogen_error *error);
void span_list_free(struct span_list *list);

#endif
