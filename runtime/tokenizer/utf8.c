#include "runtime/tokenizer/utf8.h"

enum utf8_state utf8_classify(const char *bytes, size_t length) {
    const unsigned char *at = (const unsigned char *)bytes;
    unsigned lead = at[0];
    if (lead < 0x80)
        return length == 1 ? UTF8_COMPLETE : UTF8_INVALID;
    if (lead < 0xC2 || lead > 0xF4)
        return UTF8_INVALID;
    size_t whole = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length > whole)
        return UTF8_INVALID;
    // The second byte is narrower after some leads: no overlong forms, surrogates or past U+10FFFF.
    unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < length; i++) {
        if (at[i] < least || at[i] > most)
            return UTF8_INVALID;
        least = 0x80;
        most = 0xBF;
    }
    return length == whole ? UTF8_COMPLETE : UTF8_INCOMPLETE;
}

size_t utf8_first(const char *text, size_t length) {
    for (size_t bytes = 1; bytes <= 4 && bytes <= length; bytes++) {
        enum utf8_state state = utf8_classify(text, bytes);
        if (state == UTF8_COMPLETE)
            return bytes;
        if (state == UTF8_INVALID)
            return 0;
    }
    return 0;
}

size_t utf8_valid_length(const char *text, size_t length) {
    size_t valid = 0;
    while (valid < length) {
        size_t bytes = utf8_first(text + valid, length - valid);
        if (bytes == 0)
            break;
        valid += bytes;
    }
    return valid;
}

uint32_t utf8_codepoint(const char *text, size_t length) {
    const unsigned char *at = (const unsigned char *)text;
    static const unsigned char lead_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t codepoint = at[0] & lead_bits[length];
    for (size_t i = 1; i < length; i++)
        codepoint = codepoint << 6 | (at[i] & 0x3Fu);
    return codepoint;
}

size_t utf8_write(uint32_t codepoint, char character[4]) {
    if (codepoint < 0x80) {
        character[0] = (char)codepoint;
        return 1;
    }
    size_t length = codepoint < 0x800 ? 2 : codepoint < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        character[i] = (char)(0x80 | (codepoint & 0x3F));
        codepoint >>= 6;
    }
    static const unsigned lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    character[0] = (char)(lead[length] | codepoint);
    return length;
}

bool utf8_is_white_space(uint32_t codepoint) {
    switch (codepoint) {
    case 0x20:
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
        return true;
    default:
        return (codepoint >= 0x09 && codepoint <= 0x0D) ||
               (codepoint >= 0x2000 && codepoint <= 0x200A);
    }
}
