// Normalization form C. What is expected is what the reference library gives.
#include "runtime/tokenizer/nfc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_composed(const char *text, size_t length, const char *expected,
                            size_t expected_length) {
    struct byte_buffer composed = {0};
    struct monogen_error error;
    if (!nfc_append(text, length, &composed, &error))
        fail_msg("%s", error.message);
    if (composed.length != expected_length ||
        (expected_length > 0 && memcmp(composed.bytes, expected, expected_length) != 0))
        fail_msg("'%.60s' becomes '%.*s'", text, (int)composed.length, composed.bytes);
    byte_buffer_free(&composed);
}

#define ACUTE "\u0301"     // class 230
#define DOT_BELOW "\u0323" // class 220

static void texts_are_composed(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"e" ACUTE, "\u00e9"},
        {"xe" ACUTE "x", "x\u00e9x"},
        {"\u00e9" ACUTE "e" ACUTE, "\u00e9" ACUTE "\u00e9"},
        {ACUTE "a", ACUTE "a"},
        {"a" ACUTE DOT_BELOW, "\u1ea1" ACUTE}, // the lower class goes first
        {"q" ACUTE DOT_BELOW "z", "q" DOT_BELOW ACUTE "z"},
        {"\u4f60" ACUTE DOT_BELOW "\u4f60", "\u4f60" DOT_BELOW ACUTE "\u4f60"},
        {"\u1112\u1161\u11ab", "\ud55c"}, // Hangul
        {"\uac00\u11a8\u11a8", "\uac01\u11a8"},
        {"\u1100\u1161\u11a7", "\uac00\u11a7"}, // U+11A7 is no final consonant
        {"\uac00\u11a7\u11a8", "\uac00\u11a7\u11a8"},
        {"\u0b47\u0b3e", "\u0b4b"}, // with a second part that is no mark
        {"\u212b\u2126\u0344", "\u00c5\u03a9\u0308" ACUTE},
        {"\u0958\uf900", "\u0915\u093c\u8c48"}, // never composed
        {"\u1e0b\u0323", "\u1e0d\u0307"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_composed(cases[i][0], strlen(cases[i][0]), cases[i][1], strlen(cases[i][1]));
    expect_composed("", 0, "", 0);
    expect_composed("a\0" ACUTE, 4, "a\0" ACUTE, 4);
}

// The reference's tables are those of Unicode 9.
static void newer_marks_are_like_letters(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"e" ACUTE "\u09fe" DOT_BELOW, "\u00e9\u09fe" DOT_BELOW}, // a mark since Unicode 11
        {"e\u09fe" ACUTE, "e\u09fe" ACUTE},
        {"q\u0897" DOT_BELOW ACUTE, "q\u0897" DOT_BELOW ACUTE}, // since 16
        {"\U00011935\U00011930", "\U00011935\U00011930"},       // composed since 13
        {"\U000105d2\u0307", "\U000105d2\u0307"},               // composed since 16
        {"\U0001611e\U0001611e", "\U0001611e\U0001611e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_composed(cases[i][0], strlen(cases[i][0]), cases[i][1], strlen(cases[i][1]));
}

// A letter under half a million marks, in the wrong order: sorted in one go, in their order.
static void many_marks_are_ordered(void **state) {
    (void)state;
    enum { PAIRS = 250000, PAIR = 4, LETTER = 1 };
    char *text = malloc(LETTER + PAIRS * PAIR), *expected = malloc(LETTER + PAIRS * PAIR);
    assert_true(text && expected);
    text[0] = expected[0] = 'q';
    for (size_t i = 0; i < PAIRS; i++) {
        memcpy(text + LETTER + i * PAIR, i % 2 ? "\u0301" DOT_BELOW : "\u0300" DOT_BELOW, PAIR);
        memcpy(expected + LETTER + i * PAIR / 2, DOT_BELOW, PAIR / 2);
        memcpy(expected + LETTER + (PAIRS + i) * PAIR / 2, i % 2 ? "\u0301" : "\u0300", PAIR / 2);
    }
    expect_composed(text, LETTER + PAIRS * PAIR, expected, LETTER + PAIRS * PAIR);
    free(text);
    free(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_composed),
        cmocka_unit_test(newer_marks_are_like_letters),
        cmocka_unit_test(many_marks_are_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
