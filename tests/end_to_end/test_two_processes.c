// Two processes that generate the same write the same bytes, wherever and for whomever they run.
#include "generator/base/file.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"
#include "tests/support/shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

// Runs `monogen generate` in `where`, in an environment of its own.
static void run_generate(const char *where, const char *environment, const char *spec,
                         const char *target, const char *folder) {
    struct arena arena = {0};
    struct command_end end;
    const char *command = arena_format(
        &arena, "cd %s && env %s \"$MONOGEN\" generate %s --target %s --cache none -o '%s'", where,
        environment, spec, target, folder);
    run_command(command, &end);
    if (end.status != 0)
        fail_msg("%s: status %d: %s", command, end.status, end.output);
    arena_close(&arena);
}

static void expect_same_file(const char *folder, const char *other, const char *name) {
    struct arena arena = {0};
    struct diagnostics trouble = {0};
    size_t length = 0, other_length = 0;
    const size_t most = (size_t)256 << 20;
    const char *bytes =
        file_read(&arena, arena_format(&arena, "%s/%s", folder, name), most, &length, &trouble);
    const char *others = file_read(&arena, arena_format(&arena, "%s/%s", other, name), most,
                                   &other_length, &trouble);
    if (!bytes || !others)
        fail_msg("%s", printed_diagnostics(&trouble));
    assert_true(length > 0 || strcmp(name, "6-kernel.isa") == 0); // no disassembler
    if (length != other_length || memcmp(bytes, others, length) != 0) {
        size_t same = 0;
        while (same < length && same < other_length && bytes[same] == others[same])
            same++;
        fail_msg("%s differs between two processes from byte %zu on (%zu and %zu bytes)", name,
                 same, length, other_length);
    }
    diagnostics_close(&trouble);
    arena_close(&arena);
}

static void expect_same_twice(const char *compiler, const char *spec, const char *target,
                              const char *object) {
    skip_without_compiler(compiler);
    struct arena arena = {0};
    const char *first = arena_format(&arena, "%s/%s-%s", temporary_folder(), spec, target);
    const char *second = arena_format(&arena, "%s again", first);
    run_generate(".", "TZ=UTC LC_ALL=C", spec, target, first);
    run_generate("/", "TZ=Asia/Tokyo LC_ALL=C.UTF-8 COLUMNS=40 LANG=de_DE HOME=/ USER=x", spec,
                 target, second);
    static const char *const names[] = {"1-model.lua",  "2-plan.lua",   "3-kernel.hip",
                                        "3-kernel.map", "6-kernel.isa", "7-manifest.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect_same_file(first, second, names[i]);
    expect_same_file(first, second, object);
    arena_close(&arena);
}

static void test_austen_for_mi300x(void **state) {
    (void)state;
    expect_same_twice("comgr", "austen-3m", "mi300x", "5-kernel.co");
}

static void test_llama_1b_for_mi300x(void **state) {
    (void)state;
    expect_same_twice("comgr", "llama-3.2-1b", "mi300x", "5-kernel.co");
}

static void test_austen_for_h100(void **state) {
    (void)state;
    expect_same_twice("nvrtc", "austen-3m", "h100", "5-kernel.cubin");
}

static void test_austen_for_host(void **state) {
    (void)state;
    expect_same_twice("cxx", "austen-3m", "host", "5-kernel.so");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_austen_for_mi300x),
        cmocka_unit_test(test_llama_1b_for_mi300x),
        cmocka_unit_test(test_austen_for_h100),
        cmocka_unit_test(test_austen_for_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
