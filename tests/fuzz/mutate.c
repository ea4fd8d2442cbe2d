// How libFuzzer changes an input. All readers read text of words and numbers, in which a change of
// one byte rarely leaves a text that is read to its end: half of the changes here replace a whole
// word or number, or drop or repeat a line; the other half is libFuzzer's own.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed);

struct span {
    size_t start, length;
};

static unsigned draw(unsigned *seed, size_t below) {
    *seed = *seed * 1664525u + 1013904223u;
    return below > 0 ? (unsigned)((*seed >> 8) % below) : 0;
}

static int is_of_word(uint8_t byte) {
    return byte >= 0x80 || byte == '_' || byte == '.' || (byte >= '0' && byte <= '9') ||
           (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

// The word or number around a place, or the next one behind it; of no length where there is none.
static struct span word_at(const uint8_t *bytes, size_t size, size_t at) {
    while (at < size && !is_of_word(bytes[at]))
        at++;
    size_t start = at, end = at;
    while (start > 0 && is_of_word(bytes[start - 1]))
        start--;
    while (end < size && is_of_word(bytes[end]))
        end++;
    return (struct span){start, end - start};
}

static struct span number_at(const uint8_t *bytes, size_t size, size_t at) {
    while (at < size && !(bytes[at] >= '0' && bytes[at] <= '9'))
        at++;
    return word_at(bytes, size, at);
}

static struct span line_at(const uint8_t *bytes, size_t size, size_t at) {
    size_t start = at, end = at;
    while (start > 0 && bytes[start - 1] != '\n')
        start--;
    while (end < size && bytes[end] != '\n')
        end++;
    return (struct span){start, end - start + (end < size)};
}

// Puts `with` [length] in the place of the span. Returns the new size, 0 where there is no room.
static size_t replace(uint8_t *bytes, size_t size, size_t size_max, struct span span,
                      const void *with, size_t length) {
    const size_t behind = span.start + span.length;
    if (size - span.length + length > size_max)
        return 0;
    memmove(bytes + span.start + length, bytes + behind, size - behind);
    memcpy(bytes + span.start, with, length);
    return size - span.length + length;
}

static size_t replace_number(uint8_t *bytes, size_t size, size_t size_max, unsigned *seed) {
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "3",
                                          "7",
                                          "63",
                                          "64",
                                          "4096",
                                          "65536",
                                          "16777216",
                                          "2147483647",
                                          "-2147483648",
                                          "4294967295",
                                          "4611686018427387904",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "1e308",
                                          "1e-320",
                                          "0.5",
                                          "-0.0"};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    const struct span span = number_at(bytes, size, draw(seed, size));
    char text[64] = "";
    if (span.length == 0 || span.length >= sizeof text)
        return 0;
    memcpy(text, bytes + span.start, span.length);
    const long long old = strtoll(text, NULL, 0);
    const unsigned how = draw(seed, COUNT + 12);
    if (how < COUNT)
        snprintf(text, sizeof text, "%s", numbers[how]);
    else if (how < COUNT + 4)
        snprintf(text, sizeof text, "%lld", (long long)((unsigned long long)old + 1));
    else if (how < COUNT + 8)
        snprintf(text, sizeof text, "%lld", (long long)((unsigned long long)old - 1));
    else if (how < COUNT + 10)
        snprintf(text, sizeof text, "%lld", (long long)((unsigned long long)old * 2));
    else
        snprintf(text, sizeof text, "%lld", old / 2);
    return replace(bytes, size, size_max, span, text, strlen(text));
}

static size_t replace_word(uint8_t *bytes, size_t size, size_t size_max, unsigned *seed) {
    const struct span span = word_at(bytes, size, draw(seed, size));
    const struct span other = word_at(bytes, size, draw(seed, size));
    uint8_t copy[256];
    if (span.length == 0 || other.length == 0 || other.length > sizeof copy)
        return 0;
    memcpy(copy, bytes + other.start, other.length);
    return replace(bytes, size, size_max, span, copy, other.length);
}

static size_t change_line(uint8_t *bytes, size_t size, size_t size_max, unsigned *seed) {
    struct span span = line_at(bytes, size, draw(seed, size));
    uint8_t copy[1024];
    if (span.length == 0 || span.length == size || span.length > sizeof copy)
        return 0;
    if (draw(seed, 2))
        return replace(bytes, size, size_max, span, "", 0);
    memcpy(copy, bytes + span.start, span.length);
    const size_t length = span.length;
    span = line_at(bytes, size, draw(seed, size));
    span.length = draw(seed, 2) ? 0 : span.length;
    return replace(bytes, size, size_max, span, copy, length);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed) {
    size_t changed = 0;
    switch (size > 0 ? draw(&seed, 8) : 7) {
    case 0:
    case 1:
        changed = replace_number(bytes, size, size_max, &seed);
        break;
    case 2:
        changed = replace_word(bytes, size, size_max, &seed);
        break;
    case 3:
        changed = change_line(bytes, size, size_max, &seed);
        break;
    }
    return changed > 0 ? changed : LLVMFuzzerMutate(bytes, size, size_max);
}
