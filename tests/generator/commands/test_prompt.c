#include "generator/commands/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct read_result {
    struct arena arena;
    struct diagnostics diagnostics;
    struct prompt prompt;
    bool good;
};

static void read_from(struct read_result *result, struct command_line line) {
    *result = (struct read_result){0};
    result->good = prompt_read(&line, &result->arena, &result->prompt, &result->diagnostics);
}

static void forget(struct read_result *result) {
    arena_close(&result->arena);
    diagnostics_close(&result->diagnostics);
}

static void token_lists_are_parsed(void **state) {
    (void)state;
    static const struct {
        const char *list;
        uint32_t ids[3];
        size_t count;
    } cases[] = {{"1,2,3", {1, 2, 3}, 3}, {"0", {0}, 1}, {" 7 , 4294967295 ", {7, UINT32_MAX}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct read_result result;
        read_from(&result, (struct command_line){.tokens = cases[i].list, .argument_count = 1});
        assert_true(result.good);
        assert_null(result.prompt.text);
        assert_int_equal(result.prompt.token_count, cases[i].count);
        assert_memory_equal(result.prompt.tokens, cases[i].ids,
                            cases[i].count * sizeof *cases[i].ids);
        forget(&result);
    }
}

static void bad_token_lists_are_usage_errors(void **state) {
    (void)state;
    static const char *const lists[] = {"",     ",",    "1,",         ",1",
                                        "1,,2", "a",    "1 2",        "-1",
                                        "+1",   "1,-2", "4294967296", "99999999999999999999999",
                                        "0x10", "1.5"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct read_result result;
        read_from(&result, (struct command_line){.tokens = lists[i], .argument_count = 1});
        if (result.good)
            fail_msg("\"%s\" was taken for token ids", lists[i]);
        assert_int_equal(diagnostics_exit_status(&result.diagnostics), 2);
        forget(&result);
    }
}

static void one_prompt_is_enough(void **state) {
    (void)state;
    const struct command_line lines[] = {
        {.prompt = "a", .tokens = "1", .argument_count = 1},
        {.prompt = "a", .arguments = {"m", "-"}, .argument_count = 2},
        {.tokens = "1", .arguments = {"m", "-"}, .argument_count = 2},
        {.arguments = {"m", "x"}, .argument_count = 2},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct read_result result;
        read_from(&result, lines[i]);
        assert_false(result.good);
        assert_int_equal(diagnostics_exit_status(&result.diagnostics), 2);
        forget(&result);
    }
}

static void without_a_prompt_the_model_begins_its_text(void **state) {
    (void)state;
    const int start[] = {5, 6};
    struct read_result result;
    read_from(&result, (struct command_line){.argument_count = 1});
    assert_true(result.good && !result.prompt.text && !result.prompt.tokens);
    assert_true(prompt_default(&result.prompt, start, 2, &result.arena, &result.diagnostics));
    assert_int_equal(result.prompt.token_count, 2);
    assert_int_equal(result.prompt.tokens[1], 6);
    forget(&result);
    read_from(&result, (struct command_line){.argument_count = 1});
    assert_false(prompt_default(&result.prompt, start, 0, &result.arena, &result.diagnostics));
    assert_int_equal(diagnostics_exit_status(&result.diagnostics), 2);
    forget(&result);
    read_from(&result, (struct command_line){.argument_count = 1, .prompt = ""});
    assert_true(prompt_default(&result.prompt, start, 2, &result.arena, &result.diagnostics));
    assert_string_equal(result.prompt.text, "");
    assert_null(result.prompt.tokens);
    forget(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_lists_are_parsed),
        cmocka_unit_test(bad_token_lists_are_usage_errors),
        cmocka_unit_test(one_prompt_is_enough),
        cmocka_unit_test(without_a_prompt_the_model_begins_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
