// UTF-8: checking it, walking it, and repairing it the way the reference tokenizers do.
#ifndef RUNTIME_TOKENIZER_UTF8_H
#define RUNTIME_TOKENIZER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" // U+FFFD
#define UTF8_REPLACEMENT_BYTES 3

enum utf8_state { UTF8_INVALID, UTF8_INCOMPLETE, UTF8_COMPLETE };

// What `bytes` [length], 1 to 4 of them, are: one whole character, the beginning of one, or
// neither.
enum utf8_state utf8_classify(const char *bytes, size_t length);

// The bytes of the first character at `text` [length], length at least 1; 0 where it is invalid or
// not whole.
size_t utf8_first(const char *text, size_t length);

// The length of the longest valid beginning of `text`: `length` where all of it is UTF-8.
size_t utf8_valid_length(const char *text, size_t length);

// Requires: `text` begins with a whole valid character of `length` bytes.
uint32_t utf8_codepoint(const char *text, size_t length);

// Writes a code point, no surrogate, at most U+10FFFF, and returns its bytes.
size_t utf8_write(uint32_t codepoint, char character[4]);

bool utf8_is_white_space(uint32_t codepoint); // the Unicode property White_Space

#endif
