#include "generator/commands/command_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct parsed {
    struct command_line line;
    struct diagnostics diagnostics;
    bool good;
};

// Parses words separated by blanks ("generate x -o y"); none has a blank of its own.
static void parse(struct parsed *parsed, const char *words) {
    static char copy[512];
    static char program[] = "monogen";
    static char *argv[64];
    int count = 1;
    *parsed = (struct parsed){0};
    snprintf(copy, sizeof copy, "%s", words);
    argv[0] = program;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[count++] = word;
    parsed->good = command_line_parse(&parsed->line, count, argv, &parsed->diagnostics);
}

static void forget(struct parsed *parsed) {
    command_line_close(&parsed->line);
    diagnostics_close(&parsed->diagnostics);
}

static void expect_good(struct parsed *parsed, const char *words) {
    parse(parsed, words);
    if (!parsed->good || parsed->diagnostics.count)
        fail_msg("\"%s\": %s", words,
                 parsed->diagnostics.count ? parsed->diagnostics.items[0].message : "no error");
}

// A usage error whose message or notes hold `part`.
static void expect_error(const char *words, const char *part) {
    struct parsed parsed;
    parse(&parsed, words);
    bool found = false;
    for (size_t i = 0; i < parsed.diagnostics.count; i++) {
        const struct diagnostic *item = &parsed.diagnostics.items[i];
        assert_int_equal(item->kind, DIAGNOSTIC_USAGE);
        found = found || strstr(item->message, part);
        for (int n = 0; n < item->note_count; n++)
            found = found || strstr(item->notes[n], part);
    }
    if (parsed.good || !found)
        fail_msg("\"%s\": expected an error with \"%s\", got %s", words, part,
                 parsed.diagnostics.count ? parsed.diagnostics.items[0].message : "none");
    assert_int_equal(diagnostics_exit_status(&parsed.diagnostics), 2);
    forget(&parsed);
}

static void options_are_read_in_every_form(void **state) {
    (void)state;
    struct parsed parsed;
    expect_good(&parsed, "run austen-3m --prompt=a=b -n 7 --tokens 1,2 --seed=9 -");
    assert_string_equal(parsed.line.verb->name, "run");
    assert_int_equal(parsed.line.argument_count, 2);
    assert_string_equal(parsed.line.arguments[1], "-");
    assert_string_equal(parsed.line.prompt, "a=b");
    assert_int_equal(parsed.line.max_tokens, 7);
    assert_int_equal(parsed.line.seed, 9);
    forget(&parsed);
    expect_good(&parsed, "run -n12 x -- --prompt");
    assert_int_equal(parsed.line.max_tokens, 12);
    assert_string_equal(parsed.line.arguments[1], "--prompt");
    forget(&parsed);
    expect_good(&parsed, "run x --prompt=");
    assert_string_equal(parsed.line.prompt, "");
    forget(&parsed);
    expect_good(&parsed, "inspect d resources --json");
    assert_true(parsed.line.json);
    forget(&parsed);
}

static void overrides_are_collected_in_order(void **state) {
    (void)state;
    struct parsed parsed;
    expect_good(&parsed, "generate x --set cus=7 --set rope.theta=1e6 --set name=a=b --set k=");
    const struct override_list *set = &parsed.line.set;
    assert_int_equal(set->count, 4);
    assert_string_equal(set->items[0].key, "cus");
    assert_string_equal(set->items[0].value, "7");
    assert_string_equal(set->items[1].key, "rope.theta");
    assert_string_equal(set->items[2].value, "a=b");
    assert_string_equal(set->items[3].value, "");
    forget(&parsed);
}

static void defaults_come_from_the_table_of_each_verb(void **state) {
    (void)state;
    struct parsed parsed;
    expect_good(&parsed, "generate x");
    assert_string_equal(parsed.line.target, "mi300x");
    assert_null(parsed.line.kv);
    assert_null(parsed.line.device);
    forget(&parsed);
    expect_good(&parsed, "run x");
    assert_string_equal(parsed.line.device, "auto");
    assert_int_equal(parsed.line.max_tokens, 64);
    assert_null(parsed.line.kv);
    assert_null(parsed.line.target);
    forget(&parsed);
    expect_good(&parsed, "verify x");
    assert_string_equal(parsed.line.kv, "fp32");
    assert_int_equal(parsed.line.steps, 0);
    forget(&parsed);
    expect_good(&parsed, "verify x --kv bf16 --tolerance 3e-2");
    assert_string_equal(parsed.line.kv, "bf16");
    assert_true(parsed.line.tolerance > 0.0299 && parsed.line.tolerance < 0.0301);
    forget(&parsed);
}

static void misspellings_get_the_nearest_name(void **state) {
    (void)state;
    expect_error("generat x", "did you mean 'generate'?");
    expect_error("generate x --taget host", "did you mean '--target'?");
    expect_error("run x --promt a", "did you mean '--prompt'?");
    expect_error("run x --jsom", "--help lists the options");
    expect_error("run x --target host", "monogen generate has it");
    expect_error("zzzzzzzzzz", "there is no command");
}

static void wrong_words_are_usage_errors(void **state) {
    (void)state;
    expect_error("", "a command is needed");
    expect_error("--json inspect", "a command comes first");
    expect_error("--help generate", "stands alone");
    expect_error("inspect", "inspect needs more");
    expect_error("doctor now", "'now' is too much");
    expect_error("generate --target", "--target needs a value");
    expect_error("generate x --target=", "must not be empty");
    expect_error("inspect d --json=1", "takes no value");
    expect_error("run x --device gpu", "must be one of auto|cuda|hip|host");
    expect_error("run x --device auto|hip", "must be one of");
    expect_error("run x --kv fp16", "must be one of bf16|fp32");
    expect_error("generate x --set cus", "must be KEY=VALUE");
    expect_error("generate x --set =3", "must be KEY=VALUE");
    expect_error("run x -q", "no option '-q'");
}

static void numbers_are_checked(void **state) {
    (void)state;
    expect_error("run x -n 0", "from 1 to");
    expect_error("run x -n -3", "from 1 to");
    expect_error("run x -n 4294967296", "from 1 to 4294967295");
    expect_error("run x -n 99999999999999999999999", "from 1 to");
    expect_error("run x -n 3x", "from 1 to");
    expect_error("run x -n=3", "from 1 to");
    expect_error("generate x --context 16777217", "from 1 to 16777216");
    expect_error("verify x --tolerance 0", "above 0");
    expect_error("verify x --tolerance nan", "above 0");
    expect_error("verify x --tolerance inf", "above 0");
    expect_error("run x --seed -1", "from 0 to");
}

static void help_wins_over_other_mistakes(void **state) {
    (void)state;
    struct parsed parsed;
    parse(&parsed, "generate --help");
    assert_true(parsed.good && parsed.line.wants_help);
    assert_string_equal(parsed.line.verb->name, "generate");
    forget(&parsed);
    expect_good(&parsed, "--help");
    assert_true(parsed.line.wants_help);
    assert_null(parsed.line.verb);
    forget(&parsed);
    expect_good(&parsed, "--version");
    assert_true(parsed.line.wants_version);
    forget(&parsed);
}

// A verb has each option once, and two options of one verb never share a place.
static void the_table_is_sound(void **state) {
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        assert_true(option->verbs != 0 && option->verbs < 1u << verb_count);
        assert_true((option->argument == NULL) == (option->kind == OPTION_FLAG));
        assert_true(option->name[0] == '-');
        assert_false(option->initial && option->otherwise);
        for (size_t j = 0; j < i; j++)
            if (option_table[j].verbs & option->verbs) {
                assert_string_not_equal(option_table[j].name, option->name);
                assert_true(option_table[j].offset != option->offset);
            }
    }
}

static void help_lists_every_option(void **state) {
    (void)state;
    for (size_t v = 0; v < verb_count; v++) {
        char *text = NULL;
        size_t bytes = 0;
        FILE *stream = open_memstream(&text, &bytes);
        assert_non_null(stream);
        help_print(&verbs[v], stream);
        assert_int_equal(fclose(stream), 0);
        for (size_t i = 0; i < option_count; i++) {
            char row[64];
            snprintf(row, sizeof row, "\n  %s", option_table[i].name);
            if ((option_table[i].verbs >> v & 1) && !strstr(text, row))
                fail_msg("%s --help does not list %s", verbs[v].name, option_table[i].name);
        }
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
            if (strcspn(line, "\n") > 100)
                fail_msg("%s --help: a line of more than 100 columns: %.110s", verbs[v].name, line);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_in_every_form),
        cmocka_unit_test(overrides_are_collected_in_order),
        cmocka_unit_test(defaults_come_from_the_table_of_each_verb),
        cmocka_unit_test(misspellings_get_the_nearest_name),
        cmocka_unit_test(wrong_words_are_usage_errors),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(help_wins_over_other_mistakes),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(help_lists_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
