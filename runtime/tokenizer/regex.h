// Regular expressions of tokenizer.json files. They are written for Oniguruma (Ruby syntax); here
// PCRE2 runs them, so the pattern is rewritten where the two dialects differ, and refused by name
// where it cannot be.
#ifndef RUNTIME_TOKENIZER_REGEX_H
#define RUNTIME_TOKENIZER_REGEX_H

#include "runtime/tokenizer/buffer.h"

struct regex;

// NULL after filling *error: outside the common part of the dialects, malformed, or too large.
struct regex *regex_compile(const char *pattern, struct monogen_error *error);
void regex_free(struct regex *regex); // NULL is fine

// What matching needs beside the expression: its memory, and the time by which it must be done.
struct regex_work;

// Allows time in proportion to the text that will be matched. NULL after filling *error.
struct regex_work *regex_work_open(size_t text_bytes, struct monogen_error *error);
void regex_work_close(struct regex_work *work); // NULL is fine

enum regex_result { REGEX_FAILED, REGEX_NO_MATCH, REGEX_MATCH };

// The first match in `text` [length], valid UTF-8, that begins at `from` or later: its place in
// *start and *end. REGEX_FAILED after filling *error: it takes too long.
enum regex_result regex_find(const struct regex *regex, struct regex_work *work, const char *text,
                             size_t length, size_t from, size_t *start, size_t *end,
                             struct monogen_error *error);

// Writes the PCRE2 form of a pattern to `translated`; `with_newer`: properties come with the
// characters that an older PCRE2 does not know to have them. False after filling *error.
bool regex_translate(const char *pattern, bool with_newer, struct byte_buffer *translated,
                     struct monogen_error *error);

#endif
