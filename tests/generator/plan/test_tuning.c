#include "generator/plan/tuning.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
    struct tuning tuning;
    struct override_list overrides;
    struct text text;
};
static struct fixture f; // of the test that runs

static int prepare(void **state) {
    (void)state;
    f = (struct fixture){0};
    return 0;
}

static int clean(void **state) {
    (void)state;
    text_close(&f.text);
    diagnostics_close(&f.diagnostics);
    arena_close(&f.arena);
    return 0;
}

static bool take(const char *set) {
    f.overrides = overrides_of(&f.arena, set);
    return tuning_take(&f.tuning, &f.overrides, &f.arena, &f.diagnostics);
}

static void test_every_key_is_printed(void **state) {
    (void)state;
    static const struct {
        const char *key, *meaning;
    } keys[] = {
#define TUNING_INT(key, low, high, meaning) {#key, meaning},
#define TUNING_NAME(key, values, meaning) {#key, meaning},
#include "generator/plan/tuning.def"
    };
    tuning_print_keys(&f.text);
    const char *line = f.text.bytes;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char name[64] = "";
        assert_non_null(line);
        assert_int_equal(sscanf(line, " %63s", name), 1);
        assert_string_equal(name, keys[i].key);
        const char *end = strchr(line, '\n');
        const char *meaning = strstr(line, keys[i].meaning);
        assert_non_null(end);
        if (!meaning || meaning > end)
            fail_msg("the line of %s does not say '%s'", name, keys[i].meaning);
        line = end + 1;
    }
    assert_string_equal(line, "");
}

static void test_keys_are_taken(void **state) {
    (void)state;
    assert_true(take("cus=7 kv=fp32 layers=3 unroll=loop tile_rows=4 prefetch_units=2 "
                     "handoff_batch=16 context=99 kv_splits=5 residual=everywhere "
                     "buffers=unshared"));
    assert_int_equal(f.tuning.cus, 7);
    assert_string_equal(f.tuning.kv, "fp32");
    assert_string_equal(f.tuning.unroll, "loop");
    assert_int_equal(f.tuning.tile_rows, 4);
    assert_int_equal(f.tuning.prefetch_units, 2);
    assert_int_equal(f.tuning.handoff_batch, 16);
    assert_int_equal(f.tuning.context, 99);
    assert_int_equal(f.tuning.kv_splits, 5);
    assert_string_equal(f.tuning.residual, "everywhere");
    assert_string_equal(f.tuning.buffers, "unshared");
    for (int i = 0; i < f.overrides.count; i++)
        assert_int_equal(f.overrides.items[i].used,
                         strcmp(f.overrides.items[i].key, "layers") != 0);
    tuning_print(&f.tuning, &f.text);
    assert_string_equal(f.text.bytes, "cus=7 context=99 tile_rows=4 prefetch_units=2 "
                                      "handoff_batch=16 kv_splits=5 residual=everywhere "
                                      "buffers=unshared kv=fp32 unroll=loop");
}

static void test_nothing_is_the_default(void **state) {
    (void)state;
    assert_true(take(""));
    tuning_print(&f.tuning, &f.text);
    assert_string_equal(f.text.bytes, "default");
}

static void expect_refusal(const char *set, const char *message) {
    struct diagnostics *diagnostics = &f.diagnostics;
    const size_t before = diagnostics->count;
    assert_false(take(set));
    assert_int_equal(diagnostics->count, before + 1);
    assert_int_equal(diagnostics->items[before].kind, DIAGNOSTIC_USAGE);
    assert_string_equal(diagnostics->items[before].message, message);
}

static void test_bad_values(void **state) {
    (void)state;
    expect_refusal("cus=0", "--set cus=0: must be a whole number from 1 to 4096");
    expect_refusal("cus=4097", "--set cus=4097: must be a whole number from 1 to 4096");
    expect_refusal("cus=-1", "--set cus=-1: must be a whole number from 1 to 4096");
    expect_refusal("cus=", "--set cus=: must be a whole number from 1 to 4096");
    expect_refusal("cus=4x", "--set cus=4x: must be a whole number from 1 to 4096");
    expect_refusal("cus=99999999999999999999",
                   "--set cus=99999999999999999999: must be a whole number from 1 to 4096");
    expect_refusal("kv=fp16", "--set kv=fp16: must be one of bf16|fp32");
    expect_refusal("kv=", "--set kv=: must be one of bf16|fp32");
    expect_refusal("kv=bf", "--set kv=bf: must be one of bf16|fp32");
    expect_refusal("kv_splits=65", "--set kv_splits=65: must be a whole number from 1 to 64");
    expect_refusal("residual=some", "--set residual=some: must be one of owned|everywhere");
    expect_refusal("buffers=own", "--set buffers=own: must be one of shared|unshared");
    expect_refusal("unroll=inline|loop", "--set unroll=inline|loop: must be one of inline|loop");
}

static void test_unknown_keys(void **state) {
    (void)state;
    assert_true(take("cus=2 unrol=loop hiden=3 zzzzzzzzzz=1"));
    assert_false(tuning_report_unknown(&f.overrides, &f.diagnostics));
    assert_int_equal(f.diagnostics.count, 3);
    assert_int_equal(diagnostics_exit_status(&f.diagnostics), DIAGNOSTIC_USAGE);
    assert_string_equal(f.diagnostics.items[0].notes[0], "did you mean 'unroll'?");
    assert_string_equal(f.diagnostics.items[1].notes[0], "did you mean 'hidden'?");
    assert_int_equal(f.diagnostics.items[2].note_count, 0);
    assert_string_equal(f.diagnostics.items[2].message,
                        "--set zzzzzzzzzz=1: no spec, target or tuning key 'zzzzzzzzzz'");
}

// The plan says how it was tuned, and shows the effect.
static void test_the_plan_is_tuned(void **state) {
    (void)state;
    struct made_plan made;
    made_plan_open(&made, "austen-3m", "mi300x", "prefetch_units=7 handoff_batch=3 cus=9");
    assert_string_equal(made.plan.tuning, "cus=9 prefetch_units=7 handoff_batch=3");
    assert_int_equal(made.plan.engine.prefetch_units, 7);
    assert_int_equal(made.plan.engine.handoff_batch, 3);
    assert_int_equal(made.plan.machine.cus, 9);
    made_plan_close(&made);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_every_key_is_printed),   TEST(test_keys_are_taken),
        TEST(test_nothing_is_the_default), TEST(test_bad_values),
        TEST(test_unknown_keys),           TEST(test_the_plan_is_tuned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
