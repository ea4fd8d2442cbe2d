#include "generator/base/text.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void appends_formats_and_clears(void **state) {
    (void)state;
    struct text text = {0};
    text_append(&text, "");
    assert_string_equal(text.bytes, "");
    for (int i = 0; i < 1000; i++)
        text_format(&text, "%d,", i);
    assert_int_equal(text.length, 3890);
    assert_memory_equal(text.bytes, "0,1,2,", 6);
    assert_string_equal(text.bytes + text.length - 8, "998,999,");
    size_t capacity = text.capacity;
    text_clear(&text);
    assert_int_equal(text.length, 0);
    assert_int_equal(text.capacity, capacity);
    text_append_bytes(&text, "a\0b", 3);
    assert_int_equal(text.length, 3);
    assert_memory_equal(text.bytes, "a\0b", 4);
    text_close(&text);
    assert_null(text.bytes);
    text_clear(&text);
}

static void numbers_are_short_and_read_back(void **state) {
    (void)state;
    static const struct {
        double number;
        const char *text;
    } cases[] = {{2, "2.0"},
                 {-0.0, "-0.0"},
                 {0.1, "0.1"},
                 {1e-5, "1e-05"},
                 {1e100, "1e+100"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {123456789, "123456789.0"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {NAN, "nan"}};
    struct text text = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text_clear(&text);
        text_number(&text, cases[i].number);
        assert_string_equal(text.bytes, cases[i].text);
    }
    uint64_t bits = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double number;
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number))
            continue;
        text_clear(&text);
        text_number(&text, number);
        if (strtod(text.bytes, NULL) != number || !strpbrk(text.bytes, ".e"))
            fail_msg("%a is printed as %s", number, text.bytes);
    }
    text_close(&text);
}

static void lua_strings_are_one_line(void **state) {
    (void)state;
    struct text text = {0};
    text_lua_string(&text, "a\"b\\c\n\t\r\0001\x7f\xc3\xa9", 13);
    assert_string_equal(text.bytes, "\"a\\\"b\\\\c\\n\\t\\013\\0001\\127\xc3\xa9\"");
    text_close(&text);
}

static void a_word_is_one_of_a_list(void **state) {
    (void)state;
    static const struct {
        const char *words, *word;
        bool there;
    } cases[] = {{"inline|loop", "inline", true},
                 {"inline|loop", "loop", true},
                 {"a", "a", true},
                 {"inline|loop", "inlin", false},
                 {"inline|loop", "oop", false},
                 {"inline|loop", "loops", false},
                 {"inline|loop", "", false},
                 {"a||b", "", false},
                 {"", "a", false},
                 {"", "", false},
                 {"a|b", "a|b", false},
                 {"a|b", "|", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (word_is_one_of(cases[i].words, cases[i].word) != cases[i].there)
            fail_msg("'%s' is one of '%s': %d", cases[i].word, cases[i].words, !cases[i].there);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_formats_and_clears),
        cmocka_unit_test(numbers_are_short_and_read_back),
        cmocka_unit_test(lua_strings_are_one_line),
        cmocka_unit_test(a_word_is_one_of_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
