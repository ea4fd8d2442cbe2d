#include "generator/plan/check.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum {
#define RULE(name, after, statement) RULE_##name,
#include "generator/plan/check.def"
#undef RULE
    RULE_COUNT
};

static struct made_plan made; // of the test that runs
static struct diagnostics diagnostics;

static int prepare(void **state) {
    (void)state;
    made = (struct made_plan){0};
    diagnostics = (struct diagnostics){0};
    return 0;
}

static int close_plan(void **state) {
    (void)state;
    diagnostics_close(&diagnostics);
    made_plan_close(&made);
    return 0;
}

static struct plan_proof expect_proved(const char *spec, const char *target, const char *set) {
    struct plan_proof proof;
    made_plan_open(&made, spec, target, set);
    if (!plan_check(&made.plan, "plan.lua", &proof, &diagnostics))
        fail_msg("%s for %s with '%s': %s", spec, target, set, printed_diagnostics(&diagnostics));
    assert_int_equal(proof.rules, RULE_COUNT);
    return proof;
}

static void test_what_the_planner_makes_is_proved(void **state) {
    static const char *const plans[][3] = {
        {"tests/specs/tiny.lua", "host", "cus=1"},
        {"tests/specs/tiny.lua", "host", "cus=2 tie_embeddings=true"},
        {"tests/specs/tiny.lua", "host", "cus=5 kv=fp32"},
        {"tests/specs/tiny.lua", "host", "cus=64"}, // most of them without rows
        {"tests/specs/tiny.lua", "host", "cus=512"},
        {"tests/specs/tiny.lua", "host", "cus=3 layers=1"},
        {"tests/specs/tiny.lua", "host", "cus=3 unroll=loop tile_rows=2"},
        {"tests/specs/tiny.lua", "host", "cus=7 kv_splits=3"},
        {"tests/specs/tiny.lua", "host", "cus=64 kv_splits=64"},
        {"tests/specs/tiny.lua", "host", "cus=3 residual=everywhere"},
        {"tests/specs/tiny.lua", "host", "cus=50 residual=everywhere tie_embeddings=true"},
        {"tests/specs/tiny.lua", "host", "cus=5 residual=everywhere kv_splits=5 buffers=unshared"},
        {"tests/specs/tiny.lua", "mi300x", ""},
        {"tests/specs/tiny.lua", "mi300x", "cus=17 tie_embeddings=true"},
        {"austen-3m", "host", "cus=1"},
        {"austen-3m", "host", "cus=2"},
        {"austen-3m", "host", "cus=7"},
        {"austen-3m", "host", "cus=64 context=16"},
        {"austen-3m", "mi300x", ""},
        {"austen-3m", "mi300x", "kv=fp32 unroll=inline"},
        {"austen-3m", "mi300x", "residual=everywhere buffers=unshared"},
        {"austen-3m", "mi300x", "kv_splits=1"},
        {"llama-3.2-1b", "mi300x", "context=4096"},
        {"llama-3.2-1b", "mi300x", "cus=100 prefetch_units=8 layers=3"},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        expect_proved(plans[i][0], plans[i][1], plans[i][2]);
        close_plan(state);
    }
}

static void test_hand_offs_are_counted(void **state) {
    assert_int_equal(expect_proved("tests/specs/tiny.lua", "host", "cus=1").handoffs, 0);
    close_plan(state);
    // Two CUs: each awaits the other in every stage that reads all; a KV head of each awaits q, k
    // and v, here all from one CU but the first head's q.
    assert_true(expect_proved("tests/specs/tiny.lua", "host", "cus=2").handoffs > 0);
}

static void test_few_of_many_violations_are_shown(void **state) {
    (void)state;
    struct plan_proof proof;
    made_plan_open(&made, "austen-3m", "host", "");
    for (int s = 0; s < made.plan.stages_count; s++)
        made.plan.stages[s].step++;
    assert_false(plan_check(&made.plan, "plan.lua", &proof, &diagnostics));
    assert_int_equal(diagnostics.count, 3);
    assert_string_equal(diagnostics.items[0].message,
                        "[schedule] stage 0 (embed) is step 1, must be 0");
    assert_string_equal(diagnostics.items[0].at.file, "plan.lua");
    assert_int_equal(diagnostics.items[2].note_count, 1);
    assert_string_equal(diagnostics.items[2].notes[0], "and 21 more like this");
    // All others hold; the two that follow the whole plan are not tried.
    assert_int_equal(proof.rules, RULE_COUNT - 3);
}

static void test_nothing_is_looked_at_without_form(void **state) {
    (void)state;
    struct plan_proof proof;
    made_plan_open(&made, "austen-3m", "host", "");
    made.plan.partitions_count = 0;
    made.plan.machine.cus = 3000; // far beyond every list
    assert_false(plan_check(&made.plan, "plan.lua", &proof, &diagnostics));
    assert_int_equal(proof.rules, 0);
    for (size_t i = 0; i < diagnostics.count; i++)
        assert_memory_equal(diagnostics.items[i].message, "[form] ", 7);
}

static void expect_one_violation(const char *message) {
    struct plan_proof proof;
    assert_false(plan_check(&made.plan, "plan.lua", &proof, &diagnostics));
    assert_string_equal(diagnostics.items[diagnostics.count - 1].message, message);
}

// What no edit of a printed plan shows: see bad_plans.def.
static void test_texts_and_rows_are_bounded(void **state) {
    (void)state;
    char text[4098];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    made_plan_open(&made, "austen-3m", "host", "");
    const char *command = made.plan.command;
    made.plan.command = text;
    expect_one_violation("[form] command is longer than 4096 bytes");
    made.plan.command = command;
    for (int b = 0; b < made.plan.bodies_count; b++)
        made.plan.bodies[b].rows = 1 << 24;
    expect_one_violation("[form] the stages have 402665472 rows, at most 268435456 are supported");
}

static void test_an_empty_plan_is_refused(void **state) {
    (void)state;
    struct plan_proof proof;
    assert_false(plan_check(&made.plan, "plan.lua", &proof, &diagnostics));
    assert_int_equal(diagnostics_exit_status(&diagnostics), 1);
}

static void test_a_violation_names_place_and_numbers(void **state) {
    (void)state;
    struct plan_proof proof;
    made_plan_open(&made, "austen-3m", "host", "cus=2");
    const struct plan_stage *stage = need_stage(&made.plan, "qkv", 2);
    made.plan.stages[stage - made.plan.stages].read_epoch = 0;
    assert_false(plan_check(&made.plan, "plan.lua", &proof, &diagnostics));
    assert_int_equal(diagnostics.count, 1);
    assert_string_equal(diagnostics.items[0].message,
                        "[order] stage 11 (qkv) awaits epoch 0 of hidden, stage 10 (down) writes "
                        "it last before, with epoch 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_the_planner_makes_is_proved, prepare, close_plan),
        cmocka_unit_test_setup_teardown(test_hand_offs_are_counted, prepare, close_plan),
        cmocka_unit_test_setup_teardown(test_few_of_many_violations_are_shown, prepare, close_plan),
        cmocka_unit_test_setup_teardown(test_nothing_is_looked_at_without_form, prepare,
                                        close_plan),
        cmocka_unit_test_setup_teardown(test_texts_and_rows_are_bounded, prepare, close_plan),
        cmocka_unit_test_setup_teardown(test_an_empty_plan_is_refused, prepare, close_plan),
        cmocka_unit_test_setup_teardown(test_a_violation_names_place_and_numbers, prepare,
                                        close_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
