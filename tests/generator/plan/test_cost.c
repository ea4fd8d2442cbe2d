// LDS, predictions, and what they decide.
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct made_plan made; // of the test that runs

static int prepare(void **state) {
    (void)state;
    made = (struct made_plan){0};
    return 0;
}

static int close_plan(void **state) {
    (void)state;
    made_plan_close(&made);
    return 0;
}

// Of the arrays that share their place as `shared`; NULL: of those that lie alone.
static int bytes_of(const struct plan_plan *plan, const char *shared) {
    int bytes = 0;
    for (int i = 0; i < plan->lds_count; i++) {
        const struct plan_lds *array = &plan->lds[i];
        if (shared ? array->shared && strcmp(array->shared, shared) == 0 : !array->shared)
            bytes += (array->elements * array->element_bytes + 15) / 16 * 16;
    }
    return bytes;
}

// Products and attention lie over each other, so that the larger counts.
static int lds_bytes(const struct plan_plan *plan) {
    const int product = bytes_of(plan, "product"), attention = bytes_of(plan, "attention");
    const int bytes = bytes_of(plan, NULL) + (product > attention ? product : attention);
    assert_int_equal(plan_lds_bytes(plan), bytes);
    return bytes;
}

static void expect_lds(const char *name, int at_least, int at_most) {
    const struct plan_lds *array = need_lds(&made.plan, name);
    if (array->elements < at_least || array->elements > at_most)
        fail_msg("%s has %d elements, expected %d to %d", name, array->elements, at_least, at_most);
    assert_int_equal(array->elements * array->element_bytes % 16, 0);
}

static void test_lds_of_a_llama(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    expect_lds("activation", 768, 768);  // columns of down
    expect_lds("partial", 8 * 8, 8 * 8); // 8 waves, one tile of 8 rows
    expect_lds("residual", 4, 4);        // one tile of 2 rows, padded
    expect_lds("rope", 64, 64);          // cosine and sine of 32 pairs
    expect_lds("query", 2 * 64, 2 * 64); // 2 query heads a KV head
    expect_lds("key", 64, 64);
    expect_lds("attended", 8 * 2 * 66, 8 * 2 * 66);
    expect_lds("token", 4, 4);
    expect_lds("squares", 1, 4);
    expect_lds("candidates", 2 * 304, 2 * 304);
    // padded, so that no CU takes two workgroups
    assert_in_range(lds_bytes(&made.plan), 33 * 1024, 33 * 1024 + 15);
    assert_int_equal(made.plan.machine.lds_minimum_bytes, 33 * 1024);
}

// Who shares a place with whom: what lives as long as the kernel with nobody.
static void test_lds_that_is_shared(void **state) {
    (void)state;
    static const struct {
        const char *name, *shared;
    } expected[] = {{"residual", NULL},        {"rope", NULL},
                    {"token", NULL},           {"role", NULL},
                    {"squares", NULL},         {"candidates", NULL},
                    {"query", "attention"},    {"key", "attention"},
                    {"attended", "attention"}, {"merged", "attention"},
                    {"activation", "product"}, {"partial", "product"},
                    {"padding", NULL}};
    made_plan_open(&made, "austen-3m", "mi300x", "");
    assert_int_equal(made.plan.lds_count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct plan_lds *array = need_lds(&made.plan, expected[i].name);
        if (expected[i].shared ? !array->shared || strcmp(array->shared, expected[i].shared) != 0
                               : array->shared != NULL)
            fail_msg("%s shares its place as %s", array->name,
                     array->shared ? array->shared : "nobody");
    }
}

static void test_candidates_need_lds_too(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=400");
    expect_lds("candidates", 800, 800);
}

static void test_lds_of_others(void **state) {
    (void)state;
    made_plan_open(&made, "llama-3.2-1b", "mi300x", "");
    assert_in_range(lds_bytes(&made.plan), 33 * 1024, 64 * 1024);
    expect_lds("activation", 8192, 8192);
    made_plan_close(&made);
    made_plan_open(&made, "austen-3m", "host", "");
    for (int i = 0; i < made.plan.lds_count; i++)
        assert_string_not_equal(made.plan.lds[i].name, "padding");
}

static void expect_near(const char *what, double got, double expected) {
    if (fabs(got - expected) > 1e-9 * fabs(expected))
        fail_msg("%s is %.12g, expected %.12g", what, got, expected);
}

// Bytes of the fullest CU times CUs over the sweeps of specs/targets/mi300x.lua, and its hand-off.
static void test_prediction(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    const struct plan_plan *plan = &made.plan;
    const double across_us = 0.74;
    const struct plan_stage *down = need_stage(plan, "down", 1);
    const double down_bytes = 3.0 * 1024 * 304; // one tile of 3 units on the fullest CU
    expect_near("down, low", down->predicted_us_low, down_bytes / 4850e3 + across_us);
    expect_near("down, high", down->predicted_us_high, down_bytes / 4100e3 + across_us);
    expect_near("attention", need_stage(plan, "attention", 1)->predicted_us_high, across_us);
    expect_near("embed", need_stage(plan, "embed", -1)->predicted_us_high, 0);
    double low = 0, high = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        low += plan->stages[s].predicted_us_low;
        high += plan->stages[s].predicted_us_high;
    }
    expect_near("total, low", plan->cost.total_us_low, low);
    expect_near("total, high", plan->cost.total_us_high, high);
    expect_near("hand-offs", plan->cost.handoff_us, (4 * 5 + 3) * across_us);
    expect_near("memory, low", plan->cost.memory_us_low, low - plan->cost.handoff_us);
}

static void expect_unroll(const char *spec, const char *target, const char *set, const char *unroll,
                          const char *reason) {
    made_plan_open(&made, spec, target, set);
    const struct plan_choice *choice = need_choice(&made.plan, "unroll");
    if (strcmp(made.plan.unroll, unroll) != 0 || strcmp(choice->value, unroll) != 0 ||
        !strstr(choice->reason, reason))
        fail_msg("%s '%s': unroll is %s, for '%s'", spec, set, made.plan.unroll, choice->reason);
    made_plan_close(&made);
}

static void test_unroll(void **state) {
    (void)state;
    expect_unroll("llama-3.2-1b", "mi300x", "", "loop", "would not fit the instruction cache");
    expect_unroll("llama-3.2-1b", "mi300x", "unroll=inline", "inline", "asked for");
    expect_unroll("austen-3m", "mi300x", "layers=1", "inline", "fits the instruction cache");
    expect_unroll("austen-3m", "mi300x", "layers=1 unroll=loop", "loop", "asked for");
}

// Inline as long as the estimate fits the cache of the target, loop from then on.
static void test_unroll_follows_the_cache(void **state) {
    (void)state;
    bool was_loop = false;
    for (int layers = 1; layers <= 12; layers++) {
        char set[32];
        snprintf(set, sizeof set, "layers=%d", layers);
        made_plan_open(&made, "austen-3m", "mi300x", set);
        const struct plan_choice *choice = need_choice(&made.plan, "unroll");
        const char *price = strchr(choice->alternatives[0], ':');
        assert_non_null(price);
        const long kib = strtol(price + strlen(": about "), NULL, 10);
        const bool loop = strcmp(made.plan.unroll, "loop") == 0;
        if (loop != (kib > 64))
            fail_msg("%d layers of %ld KiB are %s", layers, kib, made.plan.unroll);
        assert_true(loop || !was_loop);
        was_loop = loop;
        made_plan_close(&made);
    }
    assert_true(was_loop);
}

// Every decision that inspect shows says why.
static void test_every_choice_has_a_reason(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "cus=7 kv=fp32 tile_rows=4 unroll=loop");
    static const char *const names[] = {
        "cus",           "kv",        "tile_rows hidden", "hand-off", "residual",
        "tile_rows qkv", "embedding", "kv_splits",        "buffers",  "unroll"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        need_choice(&made.plan, names[i]);
    for (int i = 0; i < made.plan.choices_count; i++) {
        const struct plan_choice *choice = &made.plan.choices[i];
        assert_true(choice->value && *choice->value);
        if (!choice->reason || strlen(choice->reason) < strlen("asked for"))
            fail_msg("choice %s has the reason '%s'", choice->name, choice->reason);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(choice->name, made.plan.choices[k].name);
    }
    assert_non_null(strstr(need_choice(&made.plan, "cus")->reason, "asked for"));
    assert_non_null(strstr(need_choice(&made.plan, "kv")->reason, "asked for"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_lds_of_a_llama),
        TEST(test_lds_that_is_shared),
        TEST(test_candidates_need_lds_too),
        TEST(test_lds_of_others),
        TEST(test_prediction),
        TEST(test_unroll),
        TEST(test_unroll_follows_the_cache),
        TEST(test_every_choice_has_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
