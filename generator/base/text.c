#include "generator/base/text.h"

#include "generator/base/arena.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Makes room for `count` bytes more and the final NUL.
static void reserve(struct text *text, size_t count) {
    if (count >= SIZE_MAX / 4 || text->length >= SIZE_MAX / 4)
        memory_exhausted(count);
    size_t needed = text->length + count + 1;
    if (needed <= text->capacity)
        return;
    size_t capacity = text->capacity < 256 ? 256 : text->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes)
        memory_exhausted(capacity);
    text->bytes = bytes;
    text->capacity = capacity;
}

void text_append_bytes(struct text *text, const char *bytes, size_t count) {
    reserve(text, count);
    if (count > 0)
        memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
    text->bytes[text->length] = '\0';
}

void text_append(struct text *text, const char *string) {
    text_append_bytes(text, string, strlen(string));
}

void text_vformat(struct text *text, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0)
        memory_exhausted(0);
    reserve(text, (size_t)length);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
    va_end(again);
    text->length += (size_t)length;
}

void text_format(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_vformat(text, format, arguments);
    va_end(arguments);
}

void text_number(struct text *text, double number) {
    if (isnan(number)) {
        text_append(text, "nan");
        return;
    }
    if (isinf(number)) {
        text_append(text, number < 0 ? "-inf" : "inf");
        return;
    }
    // %g drops trailing zeros, so 15 digits are also the shortest form of anything shorter.
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    text_append(text, digits);
    if (!strpbrk(digits, ".e"))
        text_append(text, ".0");
}

void text_lua_string(struct text *text, const char *bytes, size_t count) {
    text_append_bytes(text, "\"", 1);
    size_t plain = 0; // start of the run of bytes that stand for themselves
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte != 0x7f && byte != '"' && byte != '\\')
            continue;
        text_append_bytes(text, bytes + plain, i - plain);
        plain = i + 1;
        if (byte == '\n')
            text_append_bytes(text, "\\n", 2);
        else if (byte == '\t')
            text_append_bytes(text, "\\t", 2);
        else if (byte == '"' || byte == '\\')
            text_append_bytes(text, byte == '"' ? "\\\"" : "\\\\", 2);
        else
            text_format(text, "\\%03u", (unsigned)byte);
    }
    text_append_bytes(text, bytes + plain, count - plain);
    text_append_bytes(text, "\"", 1);
}

void text_clear(struct text *text) {
    text->length = 0;
    if (text->bytes)
        text->bytes[0] = '\0';
}

void text_close(struct text *text) {
    free(text->bytes);
    *text = (struct text){0};
}

bool word_is_one_of(const char *words, const char *word) {
    const size_t length = strlen(word);
    if (length == 0 || strchr(word, '|'))
        return false;
    for (const char *at = words; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, word, length) == 0 && (!at[length] || at[length] == '|'))
            return true;
    }
    return false;
}
