// Text: a growing byte string, for everything the generator writes.
#ifndef GENERATOR_BASE_TEXT_H
#define GENERATOR_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
    char *bytes; // NUL-terminated whenever non-NULL; {0} is the empty text
    size_t length, capacity;
};

void text_append(struct text *text, const char *string);
void text_append_bytes(struct text *text, const char *bytes, size_t count);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vformat(struct text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
// Appends the shortest decimal text that reads back as the same double; it always holds a '.', an
// 'e', "inf" or "nan", so that it cannot be taken for an integer.
void text_number(struct text *text, double number);
// Appends a quoted Lua string literal, on one line, that reads back as these bytes.
void text_lua_string(struct text *text, const char *bytes, size_t count);
void text_clear(struct text *text); // keeps the capacity
void text_close(struct text *text); // frees, leaves the empty text

// Whether `word` is one of `words`, "a|b|c". The empty word and one with a | are none.
bool word_is_one_of(const char *words, const char *word);

#endif
