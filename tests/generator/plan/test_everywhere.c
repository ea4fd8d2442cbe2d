// Each CU keeps the whole residual: who does, what it is told, and when; and mailboxes that no two
// stages share.
#include "generator/plan/check.h"
#include "tests/support/drafts.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
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

static bool multiplies_residual(const struct plan_body *body) {
    return strcmp(body->input, "residual") == 0;
}

// A CU keeps the residual if it multiplies it in some layer; the head is dealt to these alone.
static void expect_keepers(const char *set, int expected) {
    made_plan_open(&made, "tests/specs/tiny.lua", "host", set);
    const struct plan_plan *plan = &made.plan;
    const struct plan_partition *keepers = plan_partition_named(plan, "keepers");
    assert_non_null(keepers);
    assert_int_equal(keepers->tiles, expected);
    for (int cu = 0; cu < plan->machine.cus; cu++) {
        bool multiplies = false, has_head = false;
        for (int b = 0; b < plan->bodies_count; b++) {
            const struct plan_body *body = &plan->bodies[b];
            const bool there = plan_tiles_of(plan_partition_named(plan, body->partition), cu) > 0;
            const bool head = strcmp(body->epilogue, "logits") == 0;
            multiplies |= multiplies_residual(body) && !head && there;
            has_head |= head && there;
        }
        assert_int_equal(plan_tiles_of(keepers, cu), multiplies);
        if (has_head && !multiplies)
            fail_msg("%s: CU %d has rows of the head and no residual", set, cu);
    }
    const struct plan_partition *head = plan_partition_named(plan, "lm_head");
    assert_int_equal(head->tiles, (200 + need_body(plan, "lm_head")->tile_rows - 1) /
                                      need_body(plan, "lm_head")->tile_rows);
    made_plan_close(&made);
}

static void test_keepers(void **state) {
    (void)state;
    expect_keepers("cus=1 residual=everywhere", 1);
    expect_keepers("cus=3 residual=everywhere", 3);
    expect_keepers("cus=40 residual=everywhere", 40);
    // 16 tiles of qkv and 24 of gate_up on 128 CUs, 8 of which have both
    expect_keepers("cus=128 residual=everywhere tile_rows=8", 32);
}

static void expect_body(const char *name, const char *op, const char *input, const char *prologue,
                        const char *epilogue, const char *partition, int reads, int writes) {
    const struct plan_body *body = need_body(&made.plan, name);
    if (strcmp(body->op, op) != 0 || strcmp(body->input, input) != 0 ||
        strcmp(body->prologue, prologue) != 0 || strcmp(body->epilogue, epilogue) != 0 ||
        strcmp(body->partition, partition) != 0 || body->reads_count != reads ||
        body->writes_count != writes)
        fail_msg("%s is %s of %s, %s before, %s after, partition %s, %d reads, %d writes", name,
                 body->op, body->input, body->prologue, body->epilogue, body->partition,
                 body->reads_count, body->writes_count);
}

static void test_bodies(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3 residual=everywhere");
    assert_string_equal(made.plan.residual, "everywhere");
    assert_string_equal(need_choice(&made.plan, "residual")->reason, "asked for");
    expect_body("embed", "embed", "none", "none", "none", "keepers", 0, 0);
    expect_body("qkv", "linear", "residual", "rmsnorm", "rows", "qkv", 0, 1);
    expect_body("attention_output", "linear", "mailbox", "plain", "rows", "attention_output", 1, 1);
    expect_body("add_attention_output", "residual", "mailbox", "plain", "none", "keepers", 1, 0);
    expect_body("gate_up", "linear", "residual", "rmsnorm", "gate", "gate_up", 0, 1);
    expect_body("down", "linear", "mailbox", "plain", "rows", "down", 1, 1);
    expect_body("add_down", "residual", "mailbox", "plain", "none", "keepers", 1, 0);
    expect_body("lm_head", "linear", "residual", "rmsnorm", "logits", "lm_head", 0, 1);
    assert_null(plan_mailbox_named(&made.plan, "hidden"));
    assert_null(plan_partition_named(&made.plan, "hidden"));
    assert_int_equal(need_lds(&made.plan, "residual")->elements, 64);
    assert_in_range(need_lds(&made.plan, "activation")->elements, 96, 99);
}

static void test_stages(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3 residual=everywhere kv_splits=1");
    static const char *const layer[] = {
        "qkv",     "attention", "attention_output", "add_attention_output",
        "gate_up", "down",      "add_down"};
    const struct plan_plan *plan = &made.plan;
    assert_int_equal(plan->stages_count, 1 + 2 * 7 + 3);
    for (int s = 1; s < 1 + 2 * 7; s++)
        assert_string_equal(plan->stages[s].body, layer[(s - 1) % 7]);
    int kept = plan->stages[0].keeps_node;
    for (int s = 1; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        const struct plan_body *body = need_body(plan, stage->body);
        if (multiplies_residual(body)) {
            assert_null(stage->reads_from);
            assert_int_equal(stage->read_epoch, -1);
            assert_int_equal(stage->reads_node, kept); // the newest
        }
        if (strcmp(body->op, "residual") == 0) {
            assert_string_equal(stage->reads_from, plan->stages[s - 1].writes_to);
            assert_int_equal(stage->reads_node, plan->stages[s - 1].edges[0].node);
            assert_true(stage->keeps_node > kept);
            kept = stage->keeps_node;
        } else {
            assert_int_equal(stage->keeps_node, -1);
        }
    }
}

// What is added depends on all of its rows where it is normed: no CU could add its own rows alone.
static void test_norms_after_products_need_it(void **state) {
    (void)state;
    made_plan_of_open(&made, build_rich_everywhere, "host", "cus=3");
    assert_string_equal(made.plan.residual, "everywhere");
    assert_non_null(strstr(need_choice(&made.plan, "residual")->reason, "adds is normed"));
    expect_body("add_attention_output", "residual", "mailbox", "rmsnorm", "none", "keepers", 1, 0);
    assert_true(need_body(&made.plan, "add_attention_output")->scale == 1);
    assert_true(need_body(&made.plan, "add_down")->scale == 0.5);
    const struct plan_stage *add = need_stage(&made.plan, "add_down", 1);
    const struct plan_vector *norm = NULL;
    for (int v = 0; v < made.plan.vectors_count; v++)
        if (made.plan.vectors[v].offset == add->norm_offset)
            norm = &made.plan.vectors[v];
    assert_non_null(norm);
    assert_string_equal(norm->tensor, "1.after_mlp");
    assert_true(norm->add == 1);
}

static void test_owned_rows_are_refused_where_a_summand_is_normed(void **state) {
    (void)state;
    assert_false(made_plan_try(&made, "specs", "gemma-3-1b", "host", "residual=owned"));
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_USAGE);
    assert_int_equal(made.diagnostics.count, 1);
    assert_string_equal(made.diagnostics.items[0].message,
                        "--set residual=owned: what line 76 of the family adds is normed: its rows "
                        "depend on each other");
}

// All products of a sum come before its additions: they multiply what was there before.
static void test_parallel_blocks(void **state) {
    (void)state;
    made_plan_of_open(&made, build_rich_owned, "host", "cus=3 residual=everywhere");
    const struct plan_plan *plan = &made.plan;
    const struct plan_stage *add = need_stage(plan, "add_attention_output", 0);
    const struct plan_stage *product = need_stage(plan, "product", 0);
    assert_true(product->step < add->step);
    assert_int_equal(product->reads_node, need_stage(plan, "qkv", 0)->reads_node);
    assert_string_equal(plan->stages[add->step + 1].body, "add_down");
    assert_int_equal(plan->stages[add->step + 1].keeps_node, add->keeps_node);
}

// ---- mailboxes
// -----------------------------------------------------------------------------------

static void test_mailboxes_of_their_own(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3 buffers=unshared");
    const struct plan_plan *plan = &made.plan;
    assert_string_equal(need_choice(plan, "buffers")->value, "unshared");
    assert_int_equal(plan->epochs_per_step, 1);
    assert_string_equal(need_stage(plan, "qkv", 1)->writes_to, "qkv_6");
    int published = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        if (!stage->writes_to)
            continue;
        published++;
        assert_int_equal(stage->write_epoch, 0);
        assert_int_equal(plan_mailbox_named(plan, stage->writes_to)->first_stage, s);
        for (int other = 0; other < s; other++)
            if (plan->stages[other].writes_to)
                assert_string_not_equal(plan->stages[other].writes_to, stage->writes_to);
    }
    assert_int_equal(plan->mailboxes_count, published);
    for (int i = 1; i < plan->mailboxes_count; i++)
        assert_true(plan->mailboxes[i].first_pair >=
                    plan->mailboxes[i - 1].first_pair + plan->mailboxes[i - 1].pairs);
}

static void expect_mailbox(int stage, const char *reads_from, const char *writes_to) {
    const struct plan_stage *of = &made.plan.stages[stage];
    const char *from = of->reads_from ? of->reads_from : "",
               *to = of->writes_to ? of->writes_to : "";
    if (strcmp(from, reads_from) != 0 || strcmp(to, writes_to) != 0)
        fail_msg("stage %d (%s) reads from '%s' and writes to '%s'", stage, of->body, from, to);
}

// Stages of one body share a mailbox, unless what lies there may still be read.
static void test_values_that_are_there_at_once(void **state) {
    (void)state;
    struct plan_proof proof;
    made_plan_of_open(&made, build_side_by_side, "host", "cus=3");
    assert_true(plan_check(&made.plan, "plan.lua", &proof, &made.diagnostics));
    expect_mailbox(1, "hidden", "product");
    expect_mailbox(2, "product", "");
    expect_mailbox(3, "hidden", "product_2");
    expect_mailbox(4, "product_2", "hidden");
    expect_mailbox(5, "hidden", "product"); // everybody has read it
    made_plan_close(&made);
    made_plan_of_open(&made, build_side_by_side, "host", "cus=3 residual=everywhere");
    assert_true(plan_check(&made.plan, "plan.lua", &proof, &made.diagnostics));
    expect_mailbox(2, "product", "down");
    expect_mailbox(4, "product_2", "down_2"); // down is not added yet
    expect_mailbox(5, "down", "");
    expect_mailbox(6, "down_2", "");
    made_plan_close(&made);
    made_plan_of_open(&made, build_chain, "host", "cus=3");
    assert_true(plan_check(&made.plan, "plan.lua", &proof, &made.diagnostics));
    // a product does not write where it reads
    for (int s = 0; s < made.plan.stages_count; s++) {
        const struct plan_stage *stage = &made.plan.stages[s];
        if (stage->reads_from && stage->writes_to)
            assert_string_not_equal(stage->reads_from, stage->writes_to);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_keepers),
        TEST(test_bodies),
        TEST(test_stages),
        TEST(test_norms_after_products_need_it),
        TEST(test_owned_rows_are_refused_where_a_summand_is_normed),
        TEST(test_parallel_blocks),
        TEST(test_mailboxes_of_their_own),
        TEST(test_values_that_are_there_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
