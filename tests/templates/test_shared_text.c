// The templates that all targets share, read as text: nothing in them depends on an architecture.
#include "generator/base/file.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <dirent.h>
#include <string.h>
#include <strings.h>

static const char *const architectures[] = {
    "gfx",   "amdgcn", "nvptx", "__HIP", "__CUDA", "__AMD", "__NV", "hipLaunch", "cuda",
    "mi300", "mi250",  "h100",  "h200",  "x86",    "avx",   "CDNA", "s_waitcnt",
};

// Read at most to be printed or to name the file that knows: never to decide.
static const char *const identities[] = {"machine.name",     "machine.isa",       "machine.backend",
                                         "machine.compiler", "machine.prelude",   "engine.name",
                                         "plan.model",       "shape.weight_dtype"};
static const char *const decisions[] = {" == ", " ~= ", " and ", " or ", "//@ if", "elseif"};

static int violations;

static void violation(const char *file, int line, const char *what, const char *word) {
    violations++;
    print_error("%s:%d: %s '%s'\n", file, line, what, word);
}

static const char *find_word(const char *text, const char *word) {
    for (const char *at = text; *at; at++)
        if (strncasecmp(at, word, strlen(word)) == 0)
            return at;
    return NULL;
}

// "sm_90" and the like.
static bool names_sm(const char *line) {
    for (const char *at = line; (at = strstr(at, "sm_")); at++)
        if (isdigit((unsigned char)at[3]) && (at == line || !isalnum((unsigned char)at[-1])))
            return true;
    return false;
}

static void check_line(const char *file, int number, const char *line) {
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        if (find_word(line, architectures[i]))
            violation(file, number, "names an architecture:", architectures[i]);
    if (names_sm(line))
        violation(file, number, "names an architecture:", "sm_");
    const char *first = line + strspn(line, " \t");
    if (*first == '#' && strncmp(first, "#include", 8) != 0)
        violation(file, number, "has a directive of the preprocessor:", first);
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++)
        for (size_t k = 0; strstr(line, identities[i]) && k < sizeof decisions / sizeof *decisions;
             k++)
            if (strstr(line, decisions[k]))
                violation(file, number, "decides by", identities[i]);
}

static void check_file(const char *path) {
    struct arena arena = {0};
    struct diagnostics trouble = {0};
    size_t length = 0;
    char *text = file_read(&arena, path, 1 << 20, &length, &trouble);
    assert_non_null(text);
    int number = 0;
    for (char *line = text; *line;) {
        char *end = line + strcspn(line, "\n");
        const bool last = *end == '\0';
        *end = '\0';
        check_line(path, ++number, line);
        line = last ? end : end + 1;
    }
    diagnostics_close(&trouble);
    arena_close(&arena);
}

static int check_folder(const char *folder) {
    struct arena arena = {0};
    DIR *open_folder = opendir(folder);
    assert_non_null(open_folder);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(open_folder));) {
        const char *path = arena_format(&arena, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || !file_exists(path))
            continue;
        check_file(path);
        files++;
    }
    closedir(open_folder);
    arena_close(&arena);
    return files;
}

// kernel.hip, stage_*.hip and parts/*: folders beside them may know more.
static void test_no_architecture(void **state) {
    (void)state;
    violations = 0;
    const int files = check_folder("templates") + check_folder("templates/parts");
    if (files < 10)
        fail_msg("only %d shared templates were found", files);
    if (violations > 0)
        fail_msg("%d lines of shared templates depend on an architecture", violations);
}

// The check itself: it must see what it looks for.
static void test_the_check(void **state) {
    (void)state;
    static const char *const bad[] = {
        "#if defined(__HIP_PLATFORM_AMD__)",
        "//@ if plan.machine.name == \"x\" then",
        "// as on GFX942",
        "asm volatile(\"s_waitcnt 0\");",
        "constexpr int SM = sm_90;",
        "//@ local fast = machine.backend == \"hip\"",
    };
    static const char *const good[] = {
        "//@ include(\"engine/\" .. plan.engine.name .. \".hip\")",
        "#include <cmath>",
        "// $(plan.model) on $(machine.name)",
        "prism_9(x)",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        violations = 0;
        check_line("(expected)", 1, bad[i]);
        assert_true(violations > 0);
    }
    violations = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        check_line("good", 1, good[i]);
    assert_int_equal(violations, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_check),
        cmocka_unit_test(test_no_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
