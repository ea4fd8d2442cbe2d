#include "generator/plan/access.h"
#include "tests/support/made_plan.h"
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

static void expect_read(const char *body_name, int index, const char *mailbox, int first,
                        int stride, int count) {
    const struct plan_body *body = need_body(&made.plan, body_name);
    assert_true(index < body->reads_count);
    const struct plan_read *read = &body->reads[index];
    if (strcmp(read->mailbox, mailbox) != 0 || read->first != first || read->stride != stride ||
        read->count != count || strcmp(read->kind, "pairs") != 0)
        fail_msg("%s reads %s: %d + tile * %d, %d of them, as %s", body_name, read->mailbox,
                 read->first, read->stride, read->count, read->kind);
}

static void expect_write(const char *body_name, int index, const char *mailbox, int first,
                         int stride, int rows, int pair_span, int element, int per_cu) {
    const struct plan_body *body = need_body(&made.plan, body_name);
    assert_true(index < body->writes_count);
    const struct plan_write *write = &body->writes[index];
    if (strcmp(write->mailbox, mailbox) != 0 || write->first != first || write->stride != stride ||
        write->rows != rows || write->pair_span != pair_span || write->element != element ||
        write->per_cu != per_cu)
        fail_msg("%s writes %s: rows %d + j * %d, %d of them, span %d, to element %d, %d a CU",
                 body_name, write->mailbox, write->first, write->stride, write->rows,
                 write->pair_span, write->element, write->per_cu);
}

// austen-3m: 4 query heads and 2 KV heads of 64.
static void test_reads(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    assert_int_equal(need_body(&made.plan, "embed")->reads_count, 0);
    expect_read("qkv", 0, "hidden", 0, 0, 256);
    assert_int_equal(need_body(&made.plan, "attention")->reads_count, 3);
    expect_read("attention", 0, "qkv", 0, 128, 128);
    expect_read("attention", 1, "qkv", 256, 64, 64);
    expect_read("attention", 2, "qkv", 384, 64, 64);
    expect_read("attention_output", 0, "attended", 0, 0, 256);
    expect_read("gate_up", 0, "hidden_after_attention", 0, 0, 256);
    expect_read("down", 0, "gated", 0, 0, 768);
    expect_read("lm_head", 0, "hidden", 0, 0, 256);
    expect_read("select", 0, "candidates", 0, 0, 2 * 304);
    expect_read("token", 0, "next_token", 0, 0, 2);
}

static void test_writes(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    expect_write("embed", 0, "hidden", 0, 1, 256, 0, 0, 0);
    expect_write("qkv", 0, "qkv", 0, 1, 256, 64, 0, 0);
    expect_write("qkv", 1, "qkv", 256, 1, 128, 64, 256, 0);
    expect_write("qkv", 2, "qkv", 384, 1, 128, 0, 384, 0);
    expect_write("attention", 0, "attended", 0, 1, 256, 0, 0, 0);
    expect_write("attention_output", 0, "hidden_after_attention", 0, 1, 256, 0, 0, 0);
    expect_write("gate_up", 0, "gated", 0, 2, 768, 0, 0, 0);
    expect_write("down", 0, "hidden", 0, 1, 256, 0, 0, 0);
    expect_write("lm_head", 0, "candidates", 0, 0, 0, 0, 0, 2);
    expect_write("select", 0, "next_token", 0, 1, 2, 0, 0, 0);
    assert_int_equal(need_body(&made.plan, "token")->writes_count, 0);
}

// Mailboxes start on 128-byte lines and do not overlap.
static void test_mailboxes(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "cus=7");
    static const struct {
        const char *name;
        int pairs;
    } expected[] = {
        {"hidden", 256}, {"qkv", 512},       {"attended", 256}, {"hidden_after_attention", 256},
        {"gated", 768},  {"candidates", 14}, {"next_token", 2}};
    assert_int_equal(made.plan.mailboxes_count, sizeof expected / sizeof expected[0]);
    int next = 0;
    for (int i = 0; i < made.plan.mailboxes_count; i++) {
        const struct plan_mailbox *mailbox = &made.plan.mailboxes[i];
        assert_string_equal(mailbox->name, expected[i].name);
        assert_int_equal(mailbox->pairs, expected[i].pairs);
        assert_int_equal(mailbox->first_pair % 16, 0);
        assert_true(mailbox->first_pair >= next);
        assert_true(mailbox->holds && *mailbox->holds);
        next = mailbox->first_pair + mailbox->pairs;
    }
    assert_true(made.plan.mailbox_pairs >= next);
}

// Each write of a mailbox within a position has its own epoch, and a stage awaits the newest one.
static void test_epochs(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    const struct plan_plan *plan = &made.plan;
    for (int layer = 0; layer < 4; layer++) {
        // hidden: written by embed (epoch 0) and by down of each layer (1, 2 ...)
        assert_int_equal(need_stage(plan, "qkv", layer)->read_epoch, layer);
        assert_int_equal(need_stage(plan, "down", layer)->write_epoch, layer + 1);
        assert_int_equal(need_stage(plan, "qkv", layer)->write_epoch, layer);
        assert_int_equal(need_stage(plan, "attention", layer)->read_epoch, layer);
        assert_int_equal(need_stage(plan, "attention_output", layer)->read_epoch, layer);
        assert_int_equal(need_stage(plan, "gate_up", layer)->read_epoch, layer);
        assert_int_equal(need_stage(plan, "down", layer)->read_epoch, layer);
    }
    assert_int_equal(need_stage(plan, "embed", -1)->read_epoch, -1);
    assert_int_equal(need_stage(plan, "embed", -1)->write_epoch, 0);
    assert_int_equal(need_stage(plan, "lm_head", -1)->read_epoch, 4);
    assert_int_equal(need_stage(plan, "select", -1)->read_epoch, 0);
    assert_int_equal(need_stage(plan, "token", -1)->write_epoch, -1);
    assert_int_equal(plan->epochs_per_step, 5);
}

// The same, for any plan: an epoch of a mailbox is written once, before it is read.
static void expect_sound_epochs(const char *spec, const char *set) {
    made_plan_open(&made, spec, "mi300x", set);
    const struct plan_plan *plan = &made.plan;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        const struct plan_body *body = need_body(plan, stage->body);
        assert_true(stage->write_epoch < plan->epochs_per_step);
        if (body->reads_count == 0)
            continue;
        int newest = -1;
        for (int w = 0; w < s; w++) {
            const struct plan_body *writer = need_body(plan, plan->stages[w].body);
            if (writer->writes_count > 0 &&
                strcmp(writer->writes[0].mailbox, body->reads[0].mailbox) == 0) {
                assert_true(plan->stages[w].write_epoch > newest);
                newest = plan->stages[w].write_epoch;
            }
        }
        if (newest != stage->read_epoch)
            fail_msg("%s: step %d (%s) awaits epoch %d of %s, the newest is %d", spec, s,
                     stage->body, stage->read_epoch, body->reads[0].mailbox, newest);
    }
    made_plan_close(&made);
}

static void test_epochs_of_others(void **state) {
    (void)state;
    expect_sound_epochs("llama-3.2-1b", "");
    expect_sound_epochs("tests/specs/tiny.lua", "layers=1 cus=1");
    expect_sound_epochs("austen-3m", "layers=30 cus=9");
}

// Who writes an element, worked out here by hand from the dealing of rows.
static void test_owners(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "cus=4 tile_rows=16");
    const struct plan_plan *plan = &made.plan;
    int owner[512];
    int64_t bad = -1;
    // qkv: 32 tiles of 16 packed rows, 8 a CU; packed row 1 of a head is its dimension 32
    assert_int_equal(access_owners(plan, need_body(plan, "qkv"), "qkv", 512, owner, &bad), 0);
    assert_int_equal(owner[0], 0);
    assert_int_equal(owner[127], 0);
    assert_int_equal(owner[128], 1);
    assert_int_equal(owner[256 + 64], 2); // k of head 1: packed rows 320 to 383, tiles 20 to 23
    assert_int_equal(owner[511], 3);
    // gate_up: 96 tiles, 24 a CU; element j is packed rows 2 j and 2 j + 1
    int gated[768];
    assert_int_equal(access_owners(plan, need_body(plan, "gate_up"), "gated", 768, gated, &bad), 0);
    for (int j = 0; j < 768; j++)
        assert_int_equal(gated[j], j / 192);
    // candidates: two a CU
    assert_int_equal(access_owners(plan, need_body(plan, "lm_head"), "candidates", 8, owner, &bad),
                     0);
    for (int j = 0; j < 8; j++)
        assert_int_equal(owner[j], j / 2);
    // too few pairs: every element beyond is bad
    assert_int_equal(access_owners(plan, need_body(plan, "lm_head"), "candidates", 5, owner, &bad),
                     3);
    assert_int_equal(bad, 5);
}

static void expect_scope(const char *target, const char *set, const char *body, int read,
                         const char *scope) {
    made_plan_open(&made, "austen-3m", target, set);
    assert_string_equal(need_body(&made.plan, body)->reads[read].scope, scope);
    made_plan_close(&made);
}

static void test_scopes(void **state) {
    (void)state;
    expect_scope("mi300x", "", "qkv", 0, "across XCDs");
    expect_scope("mi300x", "", "token", 0, "across XCDs");
    expect_scope("mi300x", "cus=1", "qkv", 0, "same CU");
    expect_scope("mi300x", "cus=1", "select", 0, "same CU");
    expect_scope("mi300x", "cus=2", "qkv", 0, "across XCDs");
    expect_scope("host", "cus=2", "qkv", 0, "same XCD");
    expect_scope("host", "cus=1", "down", 0, "same CU");
    // with two CUs, each has one KV head: its own queries, but keys and values are CU 1's
    expect_scope("host", "cus=2 tile_rows=4", "attention", 0, "same XCD");
    expect_scope("host", "cus=2 tile_rows=4 kv_heads=4", "attention", 0, "same XCD");
}

static void test_reasons(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    assert_string_equal(need_choice(&made.plan, "hand-off")->value, "pairs");
    assert_string_equal(need_choice(&made.plan, "residual")->value, "lds");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_reads),  TEST(test_writes),           TEST(test_mailboxes),
        TEST(test_epochs), TEST(test_epochs_of_others), TEST(test_owners),
        TEST(test_scopes), TEST(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
