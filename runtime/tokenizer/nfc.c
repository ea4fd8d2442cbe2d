#include "runtime/tokenizer/nfc.h"

#include "runtime/tokenizer/utf8.h"

#include <stdlib.h>
#include <utf8proc.h>

// Characters that later versions than Unicode 9 gave a combining class or a composition: the
// reference knows none of them. And U+11A7, which utf8proc takes for a Hangul final consonant and
// swallows. They are ordered behind nothing and composed with nothing.
static const struct {
    uint32_t first, last;
} unknown[] = {
    {0x05C8, 0x05C9},   {0x07FD, 0x07FD},   {0x0897, 0x089F},   {0x08CA, 0x08D3},
    {0x09FE, 0x09FE},   {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},
    {0x11A7, 0x11A7},   {0x1715, 0x1715},   {0x1ABF, 0x1AF0},   {0x1DF6, 0x1DFA},
    {0xA82C, 0xA82C},   {0x105C9, 0x105C9}, {0x105D2, 0x105D2}, {0x105DA, 0x105DA},
    {0x105E4, 0x105E4}, {0x10D24, 0x10D27}, {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC},
    {0x10ECB, 0x10ECF}, {0x10EF0, 0x10EFB}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x11382, 0x11385},
    {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x11391}, {0x113C2, 0x113C2},
    {0x113C5, 0x113C5}, {0x113C7, 0x113C8}, {0x113CE, 0x113D0}, {0x1145E, 0x1145E},
    {0x11839, 0x1183A}, {0x11935, 0x11935}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
    {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47},
    {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
    {0x11F41, 0x11F42}, {0x1611E, 0x1611E}, {0x16121, 0x16129}, {0x1612F, 0x1612F},
    {0x16D63, 0x16D63}, {0x16D67, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1D127, 0x1D128},
    {0x1D250, 0x1D252}, {0x1D25B, 0x1D25C}, {0x1D25F, 0x1D25F}, {0x1D280, 0x1D281},
    {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6E3}, {0x1E6E6, 0x1E6E6},
    {0x1E6EE, 0x1E6EF}, {0x1E6F5, 0x1E6F5},
};

static bool is_unknown(uint32_t codepoint) {
    size_t low = 0, high = sizeof unknown / sizeof *unknown;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unknown[middle].last < codepoint)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof unknown / sizeof *unknown && unknown[low].first <= codepoint;
}

// Characters that stay as they are where no mark follows, and that nothing before them changes or
// is changed by: most of what texts consist of. Latin, CJK ideographs, Hangul syllables.
static bool is_plain(uint32_t codepoint) {
    return codepoint <= 0x2FF || (codepoint >= 0x3400 && codepoint < 0xA000) ||
           (codepoint >= 0xAC00 && codepoint <= 0xD7A3);
}

static int combining_class(int32_t codepoint) {
    return utf8proc_get_property(codepoint)->combining_class;
}

// A stretch of text that is normalized on its own.
struct stretch {
    int32_t *codepoints; // [count], decomposed
    size_t count, capacity;
    uint64_t *marks; // working memory of order_marks
    size_t mark_capacity;
};

static bool append_decomposed(struct stretch *stretch, uint32_t codepoint,
                              struct monogen_error *error) {
    enum { MOST = 8 }; // a canonical decomposition has at most 4
    int32_t *grown = array_grow(stretch->codepoints, &stretch->capacity, stretch->count + MOST,
                                sizeof *stretch->codepoints, error);
    if (!grown)
        return false;
    stretch->codepoints = grown;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char((utf8proc_int32_t)codepoint, grown + stretch->count, MOST,
                                (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), NULL);
    if (count < 0 || count > MOST)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "cannot normalize the text: %s",
                            utf8proc_errmsg(count));
    stretch->count += (size_t)count;
    return true;
}

static int compare_marks(const void *left, const void *right) {
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

// Brings the marks [start, end) into the order of their classes; those of one class keep theirs.
static bool order_marks(struct stretch *stretch, size_t start, size_t end,
                        struct monogen_error *error) {
    enum { CODEPOINT_BITS = 21, CLASS_SHIFT = 56 };
    uint64_t *marks = array_grow(stretch->marks, &stretch->mark_capacity, end - start,
                                 sizeof *stretch->marks, error);
    if (!marks)
        return false;
    stretch->marks = marks;
    for (size_t i = start; i < end; i++)
        marks[i - start] = (uint64_t)combining_class(stretch->codepoints[i]) << CLASS_SHIFT |
                           (uint64_t)(i - start) << CODEPOINT_BITS |
                           (uint64_t)stretch->codepoints[i];
    qsort(marks, end - start, sizeof *marks, compare_marks);
    for (size_t i = start; i < end; i++)
        stretch->codepoints[i] = (int32_t)(marks[i - start] & ((1u << CODEPOINT_BITS) - 1));
    return true;
}

static bool order_all_marks(struct stretch *stretch, struct monogen_error *error) {
    size_t start = 0; // of the marks that follow each other
    int before = 0;
    bool ordered = true;
    for (size_t i = 0; i <= stretch->count; i++) {
        const int class = i < stretch->count ? combining_class(stretch->codepoints[i]) : 0;
        if (class == 0) {
            if (!ordered && !order_marks(stretch, start, i, error))
                return false;
            start = i + 1;
            ordered = true;
        } else if (class < before) {
            ordered = false;
        }
        before = class;
    }
    return true;
}

// Appends the stretch, composed, and empties it.
static bool append_composed(struct stretch *stretch, struct byte_buffer *composed,
                            struct monogen_error *error) {
    if (stretch->count == 0)
        return true;
    if (!order_all_marks(stretch, error))
        return false;
    const utf8proc_ssize_t count =
        utf8proc_normalize_utf32(stretch->codepoints, (utf8proc_ssize_t)stretch->count,
                                 (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (count < 0)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "cannot normalize the text: %s",
                            utf8proc_errmsg(count));
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        char character[4];
        const size_t bytes = utf8_write((uint32_t)stretch->codepoints[i], character);
        if (!byte_buffer_append(composed, character, bytes, error))
            return false;
    }
    stretch->count = 0;
    return true;
}

// The end of the plain characters at `at`, the last one left out where it may take a mark.
static size_t plain_end(const char *text, size_t length, size_t at) {
    size_t last = at;
    while (at < length) {
        const size_t bytes = utf8_first(text + at, length - at);
        if (!is_plain(utf8_codepoint(text + at, bytes)))
            return last;
        last = at;
        at += bytes;
    }
    return at;
}

bool nfc_append(const char *text, size_t length, struct byte_buffer *composed,
                struct monogen_error *error) {
    struct stretch stretch = {0};
    bool good = true;
    for (size_t at = 0; good && at < length;) {
        const size_t plain = plain_end(text, length, at);
        if (plain > at) {
            good = append_composed(&stretch, composed, error) &&
                   byte_buffer_append(composed, text + at, plain - at, error);
            at = plain;
            continue;
        }
        const size_t bytes = utf8_first(text + at, length - at);
        const uint32_t codepoint = utf8_codepoint(text + at, bytes);
        const bool apart = is_unknown(codepoint);
        if (apart || is_plain(codepoint))
            good = append_composed(&stretch, composed, error);
        if (apart)
            good = good && byte_buffer_append(composed, text + at, bytes, error);
        else
            good = good && append_decomposed(&stretch, codepoint, error);
        at += bytes;
    }
    good = good && append_composed(&stretch, composed, error);
    free(stretch.codepoints);
    free(stretch.marks);
    return good;
}
