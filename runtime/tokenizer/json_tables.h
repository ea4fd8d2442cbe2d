// The two large tables of a tokenizer.json, "vocab" and "merges" of its "model". They can have
// millions of values, for each of which a JSON tree allocates; so they are cut out of the text and
// read in place, straight into the vocabulary. All else in the file goes through
// runtime/json_node.h.
#ifndef RUNTIME_TOKENIZER_JSON_TABLES_H
#define RUNTIME_TOKENIZER_JSON_TABLES_H

#include "runtime/tokenizer/buffer.h"

// The text of one object or array, brackets included; `text` is NULL where there is none.
struct json_table {
    const char *text; // [length]
    size_t length;
    size_t elements; // at least as many as there are
};

struct json_tables {
    struct json_table vocabulary, merges;
};

// Finds the tables in `text` [length], which may be malformed, and appends to *rest the text with
// an empty object and an empty array in their place, lines kept. False after filling *error.
bool json_tables_cut(struct json_tables *tables, const char *text, size_t length,
                     struct byte_buffer *rest, struct monogen_error *error);

// Reads JSON from its text, one step after the other. A step that does not find what it asks for
// returns false and leaves `at` near the place.
struct json_cursor {
    const char *at, *end;
};

// Moves past `symbol`, one of []{},: and the white space around it.
bool json_cursor_take(struct json_cursor *cursor, char symbol);

bool json_cursor_string(struct json_cursor *cursor, struct byte_buffer *string);
bool json_cursor_integer(struct json_cursor *cursor, uint32_t *value); // 0 to UINT32_MAX

#endif
