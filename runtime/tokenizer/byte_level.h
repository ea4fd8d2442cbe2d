// The byte-level alphabet: every byte as one printable character, as GPT-2 defined it. Printable
// bytes of Latin-1 stand for themselves, the others for U+0100 and up, in order.
#ifndef RUNTIME_TOKENIZER_BYTE_LEVEL_H
#define RUNTIME_TOKENIZER_BYTE_LEVEL_H

#include <stddef.h>
#include <stdint.h>

// Writes the character of a byte, 1 or 2 bytes of UTF-8, and returns how many.
size_t byte_level_character(unsigned char byte, char character[4]);

// The byte of a character, or -1 where it stands for none.
int byte_level_byte(uint32_t codepoint);

#endif
