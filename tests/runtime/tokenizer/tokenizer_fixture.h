// For tests of the tokenizer: a folder with a tokenizer.json, and calls that fail the test with the
// tokenizer's message.
#ifndef TESTS_RUNTIME_TOKENIZER_TOKENIZER_FIXTURE_H
#define TESTS_RUNTIME_TOKENIZER_TOKENIZER_FIXTURE_H

#include "runtime/tokenizer/tokenizer.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// A model of letters. "abc" can be made in one way only: merges go by rank, ab before bc.
#define LETTERS                                                                                    \
    "\"a\":0,\"b\":1,\"c\":2,\"d\":3,\".\":4,\" \":5,\"ab\":6,\"bc\":7,\"abc\":8,\"<\":9,"         \
    "\">\":10,\"w\":11"
#define LETTER_MERGES "\"a b\",\"b c\",[\"ab\",\"c\"]"
#define LETTER_MODEL "\"model\":{\"vocab\":{" LETTERS "},\"merges\":[" LETTER_MERGES "]}"

// Writes `bytes` [length] as the tokenizer.json of a new folder, whose path is in `folder`.
static inline void write_tokenizer(char folder[256], const char *bytes, size_t length) {
    char path[300];
    snprintf(folder, 256, "%.200s/tokenizer-XXXXXX", temporary_folder());
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void remove_tokenizer(const char *folder) {
    char path[300];
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    unlink(path);
    rmdir(folder);
}

static inline struct tokenizer *open_folder(const char *folder) {
    struct monogen_error error;
    struct tokenizer *tokenizer;
    if (!tokenizer_open(folder, &tokenizer, &error))
        fail_msg("%s: %s", folder, error.message);
    assert_non_null(tokenizer);
    return tokenizer;
}

// Opens a tokenizer from the text of its file.
static inline struct tokenizer *open_text(const char *json) {
    char folder[256];
    write_tokenizer(folder, json, strlen(json));
    struct tokenizer *tokenizer = open_folder(folder);
    remove_tokenizer(folder);
    return tokenizer;
}

// Fails unless `text` [length] becomes `expected` [count].
static inline void expect_ids(const struct tokenizer *tokenizer, const char *text, size_t length,
                              bool add_special_tokens, const uint32_t *expected, size_t count) {
    struct monogen_error error;
    struct token_list ids = {0};
    if (!tokenizer_encode(tokenizer, text, length, add_special_tokens, &ids, &error))
        fail_msg("'%.200s': %s", text, error.message);
    for (size_t i = 0; i < count || i < ids.count; i++)
        if (i >= count || i >= ids.count || ids.ids[i] != expected[i])
            fail_msg("'%.200s': token %zu of %zu is %ld, expected %ld of %zu", text, i, ids.count,
                     i < ids.count ? (long)ids.ids[i] : -1L, i < count ? (long)expected[i] : -1L,
                     count);
    token_list_free(&ids);
}

#define EXPECT_IDS(tokenizer, text, ...)                                                           \
    expect_ids(tokenizer, text, strlen(text), true, (const uint32_t[]){__VA_ARGS__},               \
               sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

// Fails unless ids [count] become `expected` [length], at once and one by one in whole characters.
static inline void expect_text(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count,
                               bool skip_special, const char *expected, size_t length) {
    struct monogen_error error;
    char *text;
    size_t bytes, joined_bytes = 0;
    if (!tokenizer_decode(tokenizer, ids, count, skip_special, &text, &bytes, &error))
        fail_msg("%s", error.message);
    if (bytes != length || memcmp(text, expected, length) != 0)
        fail_msg("decoded '%s' (%zu bytes), expected '%.*s' (%zu bytes)", text, bytes, (int)length,
                 expected, length);
    struct tokenizer_stream *stream = tokenizer_stream_open(tokenizer, skip_special, &error);
    assert_non_null(stream);
    for (size_t i = 0; i <= count; i++) {
        const char *part;
        size_t part_bytes;
        assert_true(i < count ? tokenizer_stream_push(stream, ids[i], &part, &part_bytes, &error)
                              : tokenizer_stream_finish(stream, &part, &part_bytes, &error));
        if (part_bytes > length - joined_bytes ||
            memcmp(part, expected + joined_bytes, part_bytes) != 0)
            fail_msg("token %zu of '%.*s' streams '%.*s' at byte %zu", i, (int)length, expected,
                     (int)part_bytes, part, joined_bytes);
        joined_bytes += part_bytes;
        bool whole = joined_bytes == length || (expected[joined_bytes] & 0xC0) != 0x80;
        if (!whole)
            fail_msg("token %zu of '%.*s' streams half a character", i, (int)length, expected);
    }
    assert_int_equal(joined_bytes, length);
    tokenizer_stream_close(stream);
    free(text);
}

#define EXPECT_TEXT(tokenizer, text, skip_special, ...)                                            \
    expect_text(tokenizer, (const uint32_t[]){__VA_ARGS__},                                        \
                sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), skip_special, text,    \
                strlen(text))

#endif
