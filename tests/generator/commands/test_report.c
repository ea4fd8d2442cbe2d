#include "generator/commands/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct value *row(struct arena *arena, const char *name, int64_t number) {
    struct value *table = value_table(arena);
    report_set_text(arena, table, "name", name);
    report_set_integer(arena, table, "n", number);
    return table;
}

static void tables_print_as_names_and_columns(void **state) {
    (void)state;
    struct arena arena = {0};
    struct value *table = value_table(&arena), *rows = value_list(&arena),
                 *numbers = value_list(&arena);
    value_list_add(&arena, rows, row(&arena, "a", 5));
    value_list_add(&arena, rows, row(&arena, "longer", 12345));
    value_list_add(&arena, numbers, value_integer(&arena, 1));
    value_list_add(&arena, numbers, value_integer(&arena, 2));
    report_set_text(&arena, table, "model", "m");
    report_set_text(&arena, table, "no", NULL);
    value_table_set(&arena, table, "numbers", numbers);
    value_table_set(&arena, table, "empty", value_list(&arena));
    value_table_set(&arena, table, "rows", rows);
    struct text text = {0};
    report_print(&text, table);
    assert_string_equal(text.bytes, "model    m\n"
                                    "no       -\n"
                                    "numbers  1 2\n"
                                    "empty    -\n"
                                    "rows\n"
                                    "  name    n\n"
                                    "  a           5\n"
                                    "  longer  12345\n");
    text_close(&text);
    arena_close(&arena);
}

static void runtime_errors_keep_their_notes_and_kind(void **state) {
    (void)state;
    struct diagnostics diagnostics = {0};
    struct monogen_error error = {.status = MONOGEN_NO_ENVIRONMENT};
    snprintf(error.message, sizeof error.message, "no device\n  note: plug one in\nmore");
    assert_false(report_runtime_error(&error, &diagnostics));
    assert_int_equal(diagnostics.count, 1);
    assert_string_equal(diagnostics.items[0].message, "no device");
    assert_int_equal(diagnostics.items[0].note_count, 2);
    assert_string_equal(diagnostics.items[0].notes[0], "plug one in");
    assert_string_equal(diagnostics.items[0].notes[1], "more");
    assert_int_equal(diagnostics_exit_status(&diagnostics), 3);
    diagnostics_close(&diagnostics);
    error = (struct monogen_error){.status = MONOGEN_BAD_USAGE};
    assert_false(report_runtime_error(&error, &diagnostics)); // even an empty one is an error
    assert_int_equal(diagnostics_exit_status(&diagnostics), 2);
    diagnostics_close(&diagnostics);
}

static void bytes_have_a_readable_unit(void **state) {
    (void)state;
    struct arena arena = {0};
    assert_string_equal(report_bytes(&arena, 12), "12 bytes");
    assert_string_equal(report_bytes(&arena, 33792), "33.0 KiB");
    assert_string_equal(report_bytes(&arena, 7.34e6), "7.3 MB");
    assert_string_equal(report_bytes(&arena, 2.471e9), "2.47 GB");
    arena_close(&arena);
}

static void a_range_of_like_ends_is_one_number(void **state) {
    (void)state;
    struct arena arena = {0};
    assert_string_equal(report_range(&arena, 23.6, 25.4), "24-25");
    assert_string_equal(report_range(&arena, 19.6, 20.4), "20");
    arena_close(&arena);
}

static void long_text_is_wrapped_behind_its_indent(void **state) {
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    assert_non_null(stream);
    fputs("name  ", stream);
    report_wrapped(stream,
                   "one two three four five six seven eight nine ten eleven twelve thirteen "
                   "fourteen fifteen sixteen seventeen",
                   6, 6);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text,
                        "name  one two three four five six seven eight nine ten eleven twelve "
                        "thirteen fourteen fifteen\n      sixteen seventeen\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_print_as_names_and_columns),
        cmocka_unit_test(runtime_errors_keep_their_notes_and_kind),
        cmocka_unit_test(bytes_have_a_readable_unit),
        cmocka_unit_test(a_range_of_like_ends_is_one_number),
        cmocka_unit_test(long_text_is_wrapped_behind_its_indent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
