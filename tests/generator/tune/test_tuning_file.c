#include "generator/tune/tuning_file.h"
#include "tests/support/printed.h"
#include "tests/support/small_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tuning_file an_example(void) {
    return (struct tuning_file){
        .model = "small",
        .target = "host",
        .point = {.keys = {"cus", "tile_rows"}, .values = {2, 8}, .key_count = 2},
        .signature = {.parts = {"1a", "2b", "3c", "monogen 0.1", "c++ \"12\"",
                                "a CPU, 2 processors"}},
        .us_per_token_median = 100.5,
        .us_per_token_min = 99,
        .us_per_token_max = 1.0 / 3 + 1000,
        .planner_us_per_token_median = 110.55,
        .points_count = 13,
        .rounds_count = 5,
        .context_positions = 64,
        .launch_tokens = 32,
        .kv_dtype = "bf16",
        .text_digest = "90ab"};
}

static const char *write(const char *text) {
    static char path[4096];
    snprintf(path, sizeof path, "%s", temporary_path("tuning.lua"));
    write_test_file(path, text);
    return path;
}

// Reads the text; where it is refused *why (static) says why.
static bool try_read(const char *text, struct arena *arena, struct tuning_file *file,
                     const char **why) {
    struct diagnostics diagnostics = {0};
    struct script *script = script_open(script_default_limits(), &diagnostics);
    assert_non_null(script);
    const bool read = tuning_file_read(script, write(text), arena, file, &diagnostics);
    assert_int_equal(read, diagnostics.count == 0);
    *why = read ? "" : printed_diagnostics(&diagnostics);
    script_close(script);
    diagnostics_close(&diagnostics);
    return read;
}

static void expect_refused(const char *text, const char *part) {
    struct arena arena = {0};
    struct tuning_file file;
    const char *why;
    if (try_read(text, &arena, &file, &why))
        fail_msg("accepted: %s", text);
    if (!strstr(why, part))
        fail_msg("expected \"%s\": %s", part, why);
    arena_close(&arena);
}

static char *printed(const struct tuning_file *file) {
    struct text text = {0};
    tuning_file_print(file, &text);
    return text.bytes; // to be freed
}

static void what_was_printed_is_read(void **state) {
    (void)state;
    for (int keys = 0; keys <= 2; keys++) {
        struct arena arena = {0};
        struct tuning_file file = an_example(), read;
        const char *why;
        file.point.key_count = keys;
        char *text = printed(&file);
        if (!try_read(text, &arena, &read, &why))
            fail_msg("%s", why);
        assert_string_equal(read.model, "small");
        assert_string_equal(read.target, "host");
        assert_int_equal(read.point.key_count, keys);
        for (int i = 0; i < keys; i++) {
            assert_string_equal(read.point.keys[i], file.point.keys[i]);
            assert_int_equal(read.point.values[i], file.point.values[i]);
        }
        for (int i = 0; i < SIGNATURE_PARTS; i++)
            assert_string_equal(read.signature.parts[i], file.signature.parts[i]);
        assert_true(read.us_per_token_max == 1.0 / 3 + 1000);
        assert_int_equal(read.launch_tokens, 32);
        assert_string_equal(read.kv_dtype, "bf16");
        char *again = printed(&read);
        assert_string_equal(again, text);
        free(again);
        free(text);
        arena_close(&arena);
    }
}

// Every word and number of the file is covered: changing any one character of them is noticed.
static void every_edit_is_refused(void **state) {
    (void)state;
    const struct tuning_file file = an_example();
    char *text = printed(&file);
    const size_t begin = (size_t)(strstr(text, "tuning {") - text);
    int edits = 0;
    for (size_t i = begin + strlen("tuning {"); text[i]; i++) {
        const char was = text[i];
        if (!strchr("0123456789abcdefghijklmnopqrstuvwxyz", was))
            continue;
        text[i] = was == '9' ? '8' : was == 'z' ? 'y' : (char)(was + 1);
        expect_refused(text, "");
        text[i] = was;
        edits++;
    }
    assert_true(edits > 300);
    free(text);
}

static char *replaced(const char *text, const char *what, const char *by) {
    const char *at = strstr(text, what);
    assert_non_null(at);
    char *copy = NULL;
    assert_true(asprintf(&copy, "%.*s%s%s", (int)(at - text), text, by, at + strlen(what)) > 0);
    return copy;
}

static void expect_edit_refused(const char *what, const char *by, const char *part) {
    const struct tuning_file file = an_example();
    char *text = printed(&file), *edited = replaced(text, what, by);
    expect_refused(edited, part);
    free(edited);
    free(text);
}

static void edits_are_told(void **state) {
    (void)state;
    static const char digest[] = "was edited or damaged";
    expect_edit_refused("cus = 2", "cus = 3", digest);
    expect_edit_refused("cus = 2", "cus = \"2\"", digest);
    expect_edit_refused("cus = 2", "kus = 2", digest);
    expect_edit_refused("cus = 2", "cus = 2, unroll = 1", digest);
    expect_edit_refused("c++ \\\"12\\\"", "c++ 13", digest);
    expect_edit_refused("rounds_count = 5", "rounds_count = 5000000000", digest);
    expect_edit_refused("rounds_count = 5", "rounds_count = -5", digest);
    expect_edit_refused("    us_per_token_min = 99.0,\n", "", digest);
    expect_edit_refused("model = \"small\"", "model = \"../small\"", digest);
    expect_edit_refused("format = 1", "format = 2", "reads tunings of format 1");
    expect_edit_refused("format = 1,", "", "reads tunings of format 1");
    expect_edit_refused("tuning {", "tunning {", "tunning");
    expect_edit_refused("format = 1", "format = function() end", "");
    expect_edit_refused("digest = ", "note = 1, digest = ", "");
    expect_refused("", "");
    expect_refused("tuning {}", "reads tunings of format 1");
    expect_refused("tuning { format = 1 }", digest);
    expect_refused("tuning { format = 1, set = 3, signature = {}, digest = \"\" }", digest);
}

static void a_cut_file_is_refused(void **state) {
    (void)state;
    const struct tuning_file file = an_example();
    char *text = printed(&file);
    const size_t whole = strlen(text) - strlen("\n");
    for (size_t length = 0; length < whole; length += 13) {
        char *cut = strndup(text, length);
        expect_refused(cut, "");
        free(cut);
    }
    free(text);
}

static void blanks_and_comments_do_not_matter(void **state) {
    (void)state;
    struct arena arena = {0};
    struct tuning_file file = an_example(), read;
    const char *why;
    char *text = printed(&file), *edited = replaced(text, "set = {", "set={ -- mine\n");
    if (!try_read(edited, &arena, &read, &why))
        fail_msg("%s", why);
    free(edited);
    free(text);
    arena_close(&arena);
}

static void a_file_that_is_not_there_is_an_error(void **state) {
    (void)state;
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct script *script = script_open(script_default_limits(), &diagnostics);
    struct tuning_file file;
    assert_false(tuning_file_read(script, "/no/such/tuning.lua", &arena, &file, &diagnostics));
    assert_non_null(strstr(printed_diagnostics(&diagnostics), "/no/such/tuning.lua"));
    script_close(script);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

static void the_reason_names_the_measurement(void **state) {
    (void)state;
    struct arena arena = {0};
    const struct tuning_file file = an_example();
    const char *reason = tuning_file_reason(&file, &arena);
    assert_non_null(strstr(reason, "1.10 times as fast as the planner's own choice"));
    assert_non_null(strstr(reason, "best of 13 points in 5 rounds"));
    arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_printed_is_read),
        cmocka_unit_test(every_edit_is_refused),
        cmocka_unit_test(edits_are_told),
        cmocka_unit_test(a_cut_file_is_refused),
        cmocka_unit_test(blanks_and_comments_do_not_matter),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error),
        cmocka_unit_test(the_reason_names_the_measurement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
