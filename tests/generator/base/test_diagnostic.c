#include "generator/base/diagnostic.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "model {\n"
                             "  heads = 32, kv_heads = 7, head_dim = 64,\n"
                             "\theads_x = 1 -- \xc3\xa9 heads\r\n"
                             "}";

static void prints_line_caret_and_notes(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    char file[] = "mine.lua";
    struct location at = location_of_word(file, source, 2, "kv_heads");
    assert_false(
        diagnostic_add(&diagnostics, DIAGNOSTIC_USER, at, "kv_heads = %d does not divide", 7));
    diagnostic_note(&diagnostics, "note %d", 1);
    file[0] = 'M'; // strings were copied
    diagnostic_add(&diagnostics, DIAGNOSTIC_USER, (struct location){.file = "a", .line = 3}, "b");
    diagnostic_add(&diagnostics, DIAGNOSTIC_USER, (struct location){.file = "a"}, "c");
    environment_error(&diagnostics, "no compiler");
    usage_error(&diagnostics, "no such verb");
    assert_string_equal(printed_diagnostics(&diagnostics),
                        "mine.lua:2:15: error: kv_heads = 7 does not divide\n"
                        "  heads = 32, kv_heads = 7, head_dim = 64,\n"
                        "              ^\n"
                        "  note: note 1\n"
                        "a:3: error: b\n"
                        "a: error: c\n"
                        "monogen: no compiler\n"
                        "monogen: no such verb\n");
    assert_int_equal(diagnostics_exit_status(&diagnostics), 1);
    diagnostics_close(&diagnostics);
    assert_int_equal(diagnostics_exit_status(&diagnostics), 0);
    usage_error(&diagnostics, "x");
    assert_int_equal(diagnostics_exit_status(&diagnostics), 2);
    diagnostics_close(&diagnostics);
    environment_error(&diagnostics, "x");
    assert_int_equal(diagnostics_exit_status(&diagnostics), 3);
    diagnostics_close(&diagnostics);
}

static void finds_whole_words(void **state) {
    (void)state;
    assert_int_equal(location_of_word("f", source, 2, "heads").column, 3);
    assert_int_equal(location_of_word("f", source, 3, "heads").column, 20);
    assert_int_equal(location_of_word("f", source, 2, "7").column, 26);
    assert_int_equal(location_of_word("f", source, 2, "ead").column, 0);
    assert_int_equal(location_of_word("f", source, 9, "heads").column, 0);
    assert_int_equal(location_of_word("f", source, 2, NULL).column, 0);
    assert_int_equal(location_of_word("f", NULL, 2, "heads").column, 0);
    assert_int_equal(location_of_word("f", source, 4, "}").column, 1);
}

// Tabs keep their width, a two-byte character takes one column, "\r" is not shown.
static void caret_stands_under_its_column(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    diagnostic_add(&diagnostics, DIAGNOSTIC_USER, location_of_word("f", source, 3, "heads"), "m");
    assert_string_equal(printed_diagnostics(&diagnostics), "f:3:20: error: m\n"
                                                           "\theads_x = 1 -- \xc3\xa9 heads\n"
                                                           "\t                 ^\n");
    diagnostics_close(&diagnostics);
}

static void hostile_lines_are_cut_and_cleaned(void **state) {
    (void)state;
    static char line[100001];
    memset(line, 'x', sizeof line - 1);
    line[50000] = '\x1b';
    struct diagnostics diagnostics = {0};
    struct location at = {.file = "f", .line = 1, .column = 50002, .source = line};
    diagnostic_add(&diagnostics, DIAGNOSTIC_USER, at, "m");
    at.column = 1000000; // beyond the line
    diagnostic_add(&diagnostics, DIAGNOSTIC_USER, at, "m");
    at.line = 5; // beyond the text
    diagnostic_add(&diagnostics, DIAGNOSTIC_USER, at, "m");
    const char *text = printed_diagnostics(&diagnostics);
    assert_true(strlen(text) < 1000);
    assert_null(strchr(text, '\x1b'));
    const char *mark = strchr(text, '?'), *caret = strchr(text, '^');
    assert_non_null(mark);
    assert_non_null(caret);
    // The column is the one after the escape.
    const char *shown = strchr(text, '\n') + 1, *below = strchr(shown, '\n') + 1;
    assert_int_equal(caret - below, mark - shown + 1);
    diagnostics_close(&diagnostics);
}

static void goes_quiet_after_twenty(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    for (int i = 0; i < 25; i++) {
        environment_error(&diagnostics, "error %d", i);
        diagnostic_note(&diagnostics, "of %d", i);
    }
    const char *text = printed_diagnostics(&diagnostics);
    assert_non_null(strstr(text, "monogen: error 19\n  note: of 19\nmonogen: 5 more errors not"));
    assert_null(strstr(text, "20"));
    diagnostics_close(&diagnostics);
    for (int i = 0; i < 10; i++)
        diagnostic_note(&diagnostics, "of nothing");
    environment_error(&diagnostics, "one");
    for (int i = 0; i < 10; i++)
        diagnostic_note(&diagnostics, "%d", i);
    assert_string_equal(printed_diagnostics(&diagnostics),
                        "monogen: one\n  note: 0\n  note: 1\n  note: 2\n  note: 3\n");
    diagnostics_close(&diagnostics);
}

static void suggests_misspellings_only(void **state) {
    (void)state;
    static const char *const names[] = {"heads", "kv_heads", "layers", "norm_eps", "a"};
    static const struct {
        const char *name, *nearest;
    } cases[] = {{"head", "heads"},
                 {"layesr", "layers"},
                 {"kvheads", "kv_heads"},
                 {"norm_epsilon", "norm_eps"},
                 {"zzzzz", NULL},
                 {"b", NULL},
                 {"", NULL},
                 {"lyers", "layers"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *nearest = nearest_name(cases[i].name, names, 5);
        if (cases[i].nearest != nearest &&
            (!nearest || !cases[i].nearest || strcmp(nearest, cases[i].nearest) != 0))
            fail_msg("nearest to '%s' is '%s', not '%s'", cases[i].name, nearest ? nearest : "-",
                     cases[i].nearest ? cases[i].nearest : "-");
    }
    char longest[1000];
    memset(longest, 'x', sizeof longest);
    longest[999] = '\0';
    assert_null(nearest_name(longest, names, 5));
    assert_null(nearest_name("heads", NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_line_caret_and_notes),
        cmocka_unit_test(finds_whole_words),
        cmocka_unit_test(caret_stands_under_its_column),
        cmocka_unit_test(hostile_lines_are_cut_and_cleaned),
        cmocka_unit_test(goes_quiet_after_twenty),
        cmocka_unit_test(suggests_misspellings_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
