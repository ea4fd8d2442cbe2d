// What stands where: the top level, the length of files, and no number or name of a model or chip
// outside specs/.
#include "generator/base/arena.h"
#include "generator/base/text.h"
#include "tests/support/source_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int violations;

static const char *const c_files[] = {".c", ".h", ".def", NULL};
static const char *const texts[] = {".c", ".h", ".def", ".hip", ".sh", NULL};

static void test_top_level(void **state) {
    (void)state;
    static const char *const allowed[] = {"generator", "templates", "runtime", "specs",
                                          "out",       "tests",     "docs",    "build",
                                          "Makefile",  "README.md", "LICENSE"};
    DIR *folder = opendir(".");
    assert_non_null(folder);
    int wrong = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        bool good = entry->d_name[0] == '.';
        for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
            good |= strcmp(entry->d_name, allowed[i]) == 0;
        if (!good)
            print_error("%s does not belong to the top level\n", entry->d_name);
        wrong += !good;
    }
    closedir(folder);
    if (wrong > 0)
        fail_msg("%d entries of the top level are not of the plan", wrong);
}

enum { MOST_LINES = 600 };

static void check_length(void *context, const char *path, const char *text) {
    (void)context;
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    if (lines > MOST_LINES) {
        violations++;
        print_error("%s has %d lines, more than %d\n", path, lines, MOST_LINES);
    }
}

static void test_files_are_short(void **state) {
    (void)state;
    violations = 0;
    const int files = source_files("generator", texts, check_length, NULL) +
                      source_files("runtime", texts, check_length, NULL) +
                      source_files("templates", texts, check_length, NULL) +
                      source_files("tests", texts, check_length, NULL);
    if (files < 150)
        fail_msg("only %d files were found", files);
    if (violations > 0)
        fail_msg("%d files want to be two", violations);
}

// ---- numbers and names --------------------------------------------------------------------------

// What specs say: numbers that are nobody else's (from 100 on, no power of two, not round), and the
// names of models, families and targets.
struct facts {
    struct arena arena;
    long numbers[512];
    int number_count;
    const char *names[64];
    int name_count;
};
static struct facts facts;

static bool is_characteristic(long number) {
    const bool power_of_two = (number & (number - 1)) == 0;
    return number >= 100 && !power_of_two && number % 100 != 0;
}

static void add_number(long number) {
    if (!is_characteristic(number))
        return;
    for (int i = 0; i < facts.number_count; i++)
        if (facts.numbers[i] == number)
            return;
    assert_true(facts.number_count < (int)(sizeof facts.numbers / sizeof facts.numbers[0]));
    facts.numbers[facts.number_count++] = number;
}

// Whether an integer literal begins here; *end is behind it.
static bool literal_at(const char *text, const char *at, long *number, const char **end) {
    const char before = at == text ? ' ' : at[-1];
    if (!isdigit((unsigned char)*at) || isalnum((unsigned char)before) || before == '_' ||
        before == '.')
        return false;
    char *after;
    *number = strtol(at, &after, 0);
    *end = after;
    return *after != '.' && *after != 'e' && *after != '_';
}

// The text without comments (// or -- to the end of the line) and, where wanted, without what
// strings say; same length, same lines.
static char *code_of(struct arena *arena, const char *text, const char *comment, bool strings) {
    char *code = arena_string(arena, text);
    for (char *at = code; *at; at++) {
        if (strncmp(at, comment, 2) == 0 && strncmp(at, "//@", 3) != 0) {
            while (*at && *at != '\n')
                *at++ = ' ';
            if (!*at)
                break;
        } else if (*comment == '/' && strncmp(at, "/*", 2) == 0) {
            while (*at && strncmp(at, "*/", 2) != 0) {
                if (*at != '\n')
                    *at = ' ';
                at++;
            }
            if (!*at)
                break;
        } else if (*at == '\'' && at[1] && at[at[1] == '\\' ? 3 : 2] == '\'') {
            at += at[1] == '\\' ? 3 : 2; // a character constant
        } else if (*at == '"') {
            for (at++; *at && *at != '"' && *at != '\n'; at++) {
                const bool escaped = *at == '\\' && at[1];
                if (!strings)
                    *at = ' ';
                if (escaped && *++at != '\n' && !strings)
                    *at = ' ';
            }
            if (!*at)
                break;
        }
    }
    return code;
}

static void learn_numbers(void *context, const char *path, const char *text) {
    (void)context;
    (void)path;
    const char *code = code_of(&facts.arena, text, "--", false);
    for (const char *at = code; *at; at++) {
        long number;
        const char *end;
        if (literal_at(code, at, &number, &end)) {
            add_number(number);
            at = end - 1;
        }
    }
}

static void learn_name(void *context, const char *path, const char *text) {
    (void)context;
    (void)text;
    const char *slash = strrchr(path, '/') + 1;
    const char *name = arena_bytes(&facts.arena, slash, strlen(slash) - strlen(".lua"));
    if (strcmp(name, "host") == 0) // a backend too, and a word
        return;
    assert_true(facts.name_count < (int)(sizeof facts.names / sizeof facts.names[0]));
    facts.names[facts.name_count++] = name;
}

static int learn(void **state) {
    (void)state;
    static const char *const lua[] = {".lua", NULL};
    static const char *const folders[] = {"specs/models", "specs/targets"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        source_files(folders[i], lua, learn_numbers, NULL);
        source_files(folders[i], lua, learn_name, NULL);
    }
    source_files("specs/families", lua, learn_name, NULL);
    return 0;
}

static int forget(void **state) {
    (void)state;
    arena_close(&facts.arena);
    return 0;
}

static int line_of(const char *text, const char *at) {
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static void check_numbers(void *context, const char *path, const char *text) {
    (void)context;
    struct arena arena = {0};
    const char *code = code_of(&arena, text, "//", false);
    for (const char *at = code; *at; at++) {
        long number;
        const char *end;
        if (!literal_at(code, at, &number, &end))
            continue;
        // Hexadecimal ones are code points, masks and encodings.
        const bool hexadecimal = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
        for (int i = 0; i < facts.number_count && !hexadecimal; i++) {
            if (facts.numbers[i] != number)
                continue;
            violations++;
            print_error("%s:%d: %ld is a number of specs/\n", path, line_of(code, at), number);
        }
        at = end - 1;
    }
    arena_close(&arena);
}

static void check_names(void *context, const char *path, const char *text) {
    (void)context;
    // Help shows examples, and there is a default target.
    if (strncmp(path, "generator/commands/", 19) == 0)
        return;
    struct arena arena = {0};
    const char *code = code_of(&arena, text, "//", true);
    for (int i = 0; i < facts.name_count; i++) {
        const size_t length = strlen(facts.names[i]);
        for (const char *at = code; (at = strstr(at, facts.names[i])); at += length) {
            if ((at > code && isalnum((unsigned char)at[-1])) || isalnum((unsigned char)at[length]))
                continue;
            violations++;
            print_error("%s:%d: %s is a name of specs/\n", path, line_of(code, at), facts.names[i]);
        }
    }
    arena_close(&arena);
}

static void test_no_numbers_outside_specs(void **state) {
    (void)state;
    violations = 0;
    assert_true(facts.number_count >= 4);
    source_files("generator", c_files, check_numbers, NULL);
    source_files("runtime", c_files, check_numbers, NULL);
    source_files("templates", NULL, check_numbers, NULL);
    if (violations > 0)
        fail_msg("%d numbers of a model or a chip stand outside specs/", violations);
}

static void test_no_names_outside_specs(void **state) {
    (void)state;
    violations = 0;
    assert_true(facts.name_count >= 4);
    source_files("generator", c_files, check_names, NULL);
    source_files("runtime", c_files, check_names, NULL);
    source_files("templates", NULL, check_names, NULL);
    if (violations > 0)
        fail_msg("%d names of a model or a chip stand outside specs/", violations);
}

// The checks themselves: they must see what they look for.
static void test_the_checks(void **state) {
    (void)state;
    violations = 0;
    check_numbers(NULL, "(expected)", "int cus = 304;\n");
    check_numbers(NULL, "(expected)", "//@ for cu = 0, 303 + 304 do\n");
    check_numbers(NULL, "(expected)", "x[128256]\n");
    assert_int_equal(violations, 3);
    check_names(NULL, "(expected)", "if (strcmp(name, \"mi300x\") == 0)\n");
    check_names(NULL, "(expected)", "/* */ llama = 1; // llama\n");
    assert_int_equal(violations, 5);
    check_numbers(NULL, "wrong", "// 304\n/* 304 \n 304 */ \"304\" a304 3.304 1304 '\"' 305\n");
    check_names(NULL, "wrong", "// llama\n\"llama3\"\n");
    assert_int_equal(violations, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_level),
        cmocka_unit_test(test_files_are_short),
        cmocka_unit_test(test_the_checks),
        cmocka_unit_test(test_no_numbers_outside_specs),
        cmocka_unit_test(test_no_names_outside_specs),
    };
    return cmocka_run_group_tests(tests, learn, forget);
}
