#include "generator/tune/signature.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"
#include "tests/support/small_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct arena arena;

static int forget(void **state) {
    (void)state;
    arena_close(&arena);
    return 0;
}

// Of a spec for a target with --set words, with the templates of a folder.
static struct signature signature_of(const char *spec, const char *set, const char *templates) {
    struct made_plan made;
    struct signature signature;
    struct diagnostics diagnostics = {0};
    need_compiler("cxx");
    made_plan_open(&made, spec, "host", set);
    if (!signature_make(&made.model, &made.target, templates, NULL, &arena, &signature,
                        &diagnostics))
        fail_msg("%s", printed_diagnostics(&diagnostics));
    diagnostics_close(&diagnostics);
    made_plan_close(&made);
    return signature;
}

static void expect_same(const struct signature *a, const struct signature *b) {
    const char *difference = signature_difference(a, b, &arena);
    if (difference)
        fail_msg("%s", difference);
}

static void expect_difference(const struct signature *a, const struct signature *b,
                              const char *part) {
    const char *difference = signature_difference(a, b, &arena);
    if (!difference || !strstr(difference, part))
        fail_msg("expected \"%s\", got %s", part, difference ? difference : "no difference");
}

static const char tiny[] = "tests/specs/tiny.lua";

static void what_does_not_change_the_speed_does_not_count(void **state) {
    (void)state;
    const struct signature base = signature_of(tiny, "", "templates"),
                           again = signature_of(tiny, "", "templates"),
                           context = signature_of(tiny, "context=20 kv=fp32 cus=3", "templates");
    expect_same(&base, &again);
    expect_same(&base, &context);
    for (int i = 0; i < SIGNATURE_PARTS; i++)
        assert_true(strlen(base.parts[i]) > 0);
}

static void every_size_counts(void **state) {
    (void)state;
    static const char *const sets[] = {"hidden=128", "layers=3",   "vocab=201",
                                       "mlp=100",    "kv_heads=1", "tie_embeddings=true"};
    const struct signature base = signature_of(tiny, "", "templates");
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const struct signature other = signature_of(tiny, sets[i], "templates");
        expect_difference(&base, &other, "a model of another shape");
    }
    const struct signature target = signature_of(tiny, "lds_bytes=65528", "templates");
    expect_difference(&base, &target, "another target");
}

static void templates_count(void **state) {
    (void)state;
    char inner[4096], path[4200], other[4200];
    const char *folder = test_folder("templates");
    snprintf(inner, sizeof inner, "%s/engine", folder);
    assert_int_equal(mkdir(inner, 0700), 0);
    snprintf(path, sizeof path, "%s/a.hip", inner);
    write_test_file(path, "one");
    const struct signature base = signature_of(tiny, "", folder);
    write_test_file(path, "two");
    const struct signature edited = signature_of(tiny, "", folder);
    expect_difference(&base, &edited, "other templates");
    write_test_file(path, "one");
    const struct signature restored = signature_of(tiny, "", folder);
    expect_same(&base, &restored);
    snprintf(other, sizeof other, "%s/b.hip", inner);
    assert_int_equal(rename(path, other), 0);
    const struct signature renamed = signature_of(tiny, "", folder);
    expect_difference(&base, &renamed, "other templates");
}

static void texts_are_told_and_digests_are_not(void **state) {
    (void)state;
    struct signature here = {.parts = {"m", "t", "s", "monogen 1", "gcc 13", "a CPU"}},
                     there = here;
    there.parts[SIGNATURE_compiler] = "gcc 12";
    expect_difference(&there, &here, "another compiler (\"gcc 12\" there, \"gcc 13\" here)");
    there = here;
    there.parts[SIGNATURE_machine] = "another CPU";
    expect_difference(&there, &here, "another machine");
    // A kernel for a device that is not here may be tuned elsewhere.
    there.parts[SIGNATURE_machine] = "";
    expect_same(&there, &here);
    expect_same(&here, &there);
    static const char digit[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";
    there = here;
    there.parts[SIGNATURE_model] = arena_format(&arena, "%s0", digit);
    here.parts[SIGNATURE_model] = arena_format(&arena, "%s1", digit);
    assert_string_equal(signature_difference(&there, &here, &arena), "a model of another shape");
}

static void what_cannot_be_read_is_an_error(void **state) {
    (void)state;
    struct made_plan made;
    struct signature signature;
    struct diagnostics diagnostics = {0};
    need_compiler("cxx");
    made_plan_open(&made, tiny, "host", "");
    assert_false(signature_make(&made.model, &made.target, "/no/such/templates", NULL, &arena,
                                &signature, &diagnostics));
    assert_non_null(strstr(printed_diagnostics(&diagnostics), "/no/such/templates"));
    assert_false(signature_make(&made.model, &made.target, "templates", "/no/such/worker", &arena,
                                &signature, &diagnostics));
    assert_non_null(strstr(printed_diagnostics(&diagnostics), "/no/such/worker is missing"));
    diagnostics_close(&diagnostics);
    made_plan_close(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_change_the_speed_does_not_count),
        cmocka_unit_test(every_size_counts),
        cmocka_unit_test(templates_count),
        cmocka_unit_test(texts_are_told_and_digests_are_not),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
