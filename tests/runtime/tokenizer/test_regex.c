// Regular expressions: how they are rewritten for PCRE2, what is refused, and that matching ends.
#include "runtime/clock.h"
#include "runtime/tokenizer/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

static void patterns_are_rewritten(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *expected;
    } cases[] = {
        {"a|b+?c*+d??", "a|b+?c*+d??"},
        {"\\p{L}+\\P{Lu}\\p{^N}", "\\p{L}+\\P{Lu}\\p{^N}"},
        {"\\p{N}{1,3}|a{2}|b{2,}?", "\\p{N}{1,3}|a{2}|b{2,}?"},
        {"\\s\\S[^\\s]", "\\p{White_Space}\\P{White_Space}[^\\p{White_Space}]"},
        {"\\d[\\D]", "[\\p{Nd}][\\P{Nd}]"},
        {"[\\w-]", "[" WORD "-]"},
        {"\\h\\v", "[0-9a-fA-F]\\x0B"},
        {"\\p{Han}[\\p{^Greek}]", "\\p{sc:Han}[\\p{^sc:Greek}]"},
        {"\\p{Alphabetic}\\p{White_Space}", "\\p{Alphabetic}\\p{White_Space}"},
        {"\\u4e00\\x{9fa5}\\.\\n", "\\x{4e00}\\x{9fa5}\\.\\n"},
        {"(?i:'s|'t)(?:a)(?!b)(?=c)(?<!d)(?<=e)(?>f)(g)",
         "(?i:'s|'t)(?:a)(?!b)(?=c)(?<!d)(?<=e)(?>f)(g)"},
        {"(?i)a|b", "(?i)a|b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct byte_buffer translated = {0};
        struct monogen_error error;
        if (!regex_translate(cases[i].pattern, false, &translated, &error))
            fail_msg("'%s': %s", cases[i].pattern, error.message);
        assert_true(byte_buffer_append(&translated, "", 1, &error));
        assert_string_equal(translated.bytes, cases[i].expected);
        byte_buffer_free(&translated);
    }
}

static void other_dialects_are_refused(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "a(?i)b",  "(?m:.)", "(?x: a)",  "(?<name>a)", "(*COMMIT)",     "[[:alpha:]]",
        "[a&&b]",  "[]a]",   "[a",       "\\",         "\\b",           "\\1",
        "\\Qa\\E", "\\K",    "\\C",      "[\\W]",      "a{,3}",         "a{2}+",
        "a{2}?",   "a{x}",   "\\p{L",    "\\u12",      "\\p{Nonsense}", "(",
        "a)",      "*",      "(?<=a+)b", "[z-a]",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct monogen_error error = {.status = MONOGEN_OK};
        struct regex *regex = regex_compile(patterns[i], &error);
        if (regex)
            fail_msg("'%s' is accepted", patterns[i]);
        assert_int_equal(error.status, MONOGEN_BAD_INPUT);
        assert_non_null(strstr(error.message, "regular expression: "));
    }
}

static void expect_match(const char *pattern, const char *text, size_t from, long start, long end) {
    struct monogen_error error;
    struct regex *regex = regex_compile(pattern, &error);
    struct regex_work *work = regex_work_open(strlen(text), &error);
    assert_non_null(regex);
    assert_non_null(work);
    size_t found_start = 0, found_end = 0;
    enum regex_result result =
        regex_find(regex, work, text, strlen(text), from, &found_start, &found_end, &error);
    if (result != (start < 0 ? REGEX_NO_MATCH : REGEX_MATCH))
        fail_msg("'%s' in '%.100s': result %d", pattern, text, (int)result);
    if (start >= 0 && ((long)found_start != start || (long)found_end != end))
        fail_msg("'%s' in '%.100s': %zu to %zu, expected %ld to %ld", pattern, text, found_start,
                 found_end, start, end);
    regex_work_close(work);
    regex_free(regex);
}

static void matches_are_those_of_the_other_dialect(void **state) {
    (void)state;
    expect_match("b", "aab", 0, 2, 3);
    expect_match("b", "aab", 3, -1, 0);
    expect_match("(?<=a)b", "ab", 1, 1, 2);             // looks behind where it begins
    expect_match("\\s", "a\xE1\xA0\x8E", 0, -1, 0);     // U+180E is no white space any more
    expect_match("\\s", "a\xC2\x85", 0, 1, 3);          // U+0085 is
    expect_match("\\w", "\xC2\xB2", 0, 0, 2);           // superscript two is a word character,
    expect_match("[\\w]", "\xC2\xB2", 0, -1, 0);        // but not inside a class
    expect_match("\\p{Han}", "\xE3\x80\x81", 0, -1, 0); // shared by scripts, not of this one
    expect_match("a$", "a\nb", 0, 0, 1);                // $ ends lines,
    expect_match("^b", "a\nb", 0, 2, 3);                // ^ begins them
    expect_match(".", "\n\r", 0, 1, 2);
    expect_match("(?i:'s)", "'\xC5\xBF", 0, 0, 3); // long s
}

// Of Unicode 15 and 16, which the reference knows and an older PCRE2 does not.
static void newer_characters_are_known(void **state) {
    (void)state;
    static const struct {
        const char *text;              // one character
        const char *is[4], *is_not[6]; // of patterns, which match all of it or nothing
    } cases[] = {
        {"\xF0\xB1\x8D\x90", // U+31350, a letter
         {"\\p{L}", "[\\p{Lo}]", "\\w", "\\p{Han}"},
         {"\\P{L}", "[^\\p{L}]", "\\W", "\\p{N}", "\\p{Lu}", "\\p{^Han}"}},
        {"\xF0\x90\xB5\x80", // U+10D40, a digit
         {"\\p{N}", "[\\d]", "\\d", "[\\w]"},
         {"\\D", "\\p{^Nd}", "[^\\p{N}]", "\\p{L}"}},
        {"\xE0\xB3\xB3", // U+0CF3, a mark
         {"\\p{M}", "\\p{Mc}", "\\w", "\\P{L}"},
         {"\\p{Mn}", "\\p{L}", "[^\\w]"}},
        {"\xEA\x9F\x9A", // U+A7DA, a capital letter
         {"\\p{Lu}", "\\p{Alphabetic}", "\\p{Uppercase}", "\\P{^L}"},
         {"\\p{Ll}", "\\p{Lowercase}"}},
        {"\xE2\x90\xA7", {"\\p{S}", "\\p{So}"}, {"\\p{P}", "\\w"}}, // U+2427, a symbol
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text;
        for (size_t k = 0; k < 4 && cases[i].is[k]; k++)
            expect_match(cases[i].is[k], text, 0, 0, (long)strlen(text));
        for (size_t k = 0; k < 6 && cases[i].is_not[k]; k++)
            expect_match(cases[i].is_not[k], text, 0, -1, 0);
    }
}

static void matching_ends(void **state) {
    (void)state;
    static const char *const patterns[] = {"(a+)+b", "(a|a)*b", "(?:a|aa)+$", "(a+)+\\p{Lu}|c"};
    char text[4001];
    memset(text, 'a', sizeof text - 1);
    memcpy(text + sizeof text - 4, "!bZ", 4); // what must follow is there, out of reach
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct monogen_error error;
        struct regex *regex = regex_compile(patterns[i], &error);
        struct regex_work *work = regex_work_open(sizeof text, &error);
        assert_non_null(regex);
        assert_non_null(work);
        size_t from, to;
        const double begin = clock_seconds(CLOCK_MONOTONIC);
        enum regex_result result =
            regex_find(regex, work, text, sizeof text - 1, 0, &from, &to, &error);
        const double seconds = clock_seconds(CLOCK_MONOTONIC) - begin;
        if (result != REGEX_FAILED)
            fail_msg("'%s' gives %d", patterns[i], (int)result);
        assert_int_equal(error.status, MONOGEN_BAD_INPUT);
        assert_non_null(strstr(error.message, "the tokenizer's regular expression"));
        if (seconds > 60)
            fail_msg("'%s' takes %.0f s", patterns[i], seconds);
        regex_work_close(work);
        regex_free(regex);
    }
}

// A text of blanks is gone through a few times: for a line end that is not there, then back.
static void long_runs_match(void **state) {
    (void)state;
    enum { LENGTH = 12000000 };
    char *text = malloc(LENGTH + 1);
    assert_non_null(text);
    memset(text, ' ', LENGTH - 1);
    memcpy(text + LENGTH - 1, "x", 2);
    expect_match("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", text, 0, 0, LENGTH - 2);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_rewritten),
        cmocka_unit_test(other_dialects_are_refused),
        cmocka_unit_test(matches_are_those_of_the_other_dialect),
        cmocka_unit_test(newer_characters_are_known),
        cmocka_unit_test(matching_ends),
        cmocka_unit_test(long_runs_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
