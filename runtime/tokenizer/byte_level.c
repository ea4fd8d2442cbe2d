#include "runtime/tokenizer/byte_level.h"

#include "runtime/tokenizer/utf8.h"

// The bytes that do not stand for themselves, in order: 0x00-0x20, 0x7F-0xA0, 0xAD.
enum { FIRST_RUN = 0x21, SECOND_START = 0x7F, SECOND_RUN = 0x22, LAST = 0xAD };

static uint32_t codepoint_of(unsigned char byte) {
    if (byte < FIRST_RUN)
        return 0x100u + byte;
    if (byte >= SECOND_START && byte < SECOND_START + SECOND_RUN)
        return 0x100u + FIRST_RUN + (byte - (unsigned)SECOND_START);
    if (byte == LAST)
        return 0x100u + FIRST_RUN + SECOND_RUN;
    return byte;
}

size_t byte_level_character(unsigned char byte, char character[4]) {
    return utf8_write(codepoint_of(byte), character);
}

int byte_level_byte(uint32_t codepoint) {
    if (codepoint < 0x100)
        return codepoint_of((unsigned char)codepoint) == codepoint ? (int)codepoint : -1;
    uint32_t index = codepoint - 0x100;
    if (index < FIRST_RUN)
        return (int)index;
    if (index < FIRST_RUN + SECOND_RUN)
        return (int)(index - FIRST_RUN + SECOND_START);
    return index == FIRST_RUN + SECOND_RUN ? LAST : -1;
}
