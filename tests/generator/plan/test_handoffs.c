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

static bool same_span(const struct plan_span *a, const struct plan_span *b) {
    return a->first == b->first && a->stride == b->stride && a->repeat == b->repeat &&
           a->repeat_stride == b->repeat_stride && a->chunks == b->chunks &&
           a->chunk_stride == b->chunk_stride && a->count == b->count && a->end == b->end;
}

static void expect_span(const char *what, const struct plan_span *got, struct plan_span expected) {
    if (!same_span(got, &expected))
        fail_msg("%s: %d + tile / %d * %d + tile %% %d * %d, %d times by %d, %d of them up to %d",
                 what, got->first, got->repeat, got->stride, got->repeat, got->repeat_stride,
                 got->chunks, got->chunk_stride, got->count, got->end);
}

// All tiles alike: `count` elements from `first` on.
static struct plan_span whole(int first, int count) {
    return (struct plan_span){first, 0, 1, 0, 1, 0, count, first + count};
}

// Tile by tile: `each` elements from `first` on, up to `end`.
static struct plan_span by_tile(int first, int each, int end) {
    return (struct plan_span){first, each, 1, 0, 1, 0, each, end};
}

static void expect_read(const char *body_name, int index, struct plan_span span) {
    const struct plan_body *body = need_body(&made.plan, body_name);
    assert_true(index < body->reads_count);
    assert_string_equal(body->reads[index].kind, "pairs");
    expect_span(body_name, &body->reads[index].span, span);
}

static void expect_write(const char *body_name, int index, struct plan_span span, int per_cu) {
    const struct plan_body *body = need_body(&made.plan, body_name);
    assert_true(index < body->writes_count);
    assert_int_equal(body->writes[index].per_cu, per_cu);
    expect_span(body_name, &body->writes[index].span, span);
}

static void expect_counts(const char *body_name, int reads, int writes) {
    const struct plan_body *body = need_body(&made.plan, body_name);
    if (body->reads_count != reads || body->writes_count != writes)
        fail_msg("%s has %d reads and %d writes, expected %d and %d", body_name, body->reads_count,
                 body->writes_count, reads, writes);
}

// austen-3m: 4 query heads and 2 KV heads of 64.
static void test_reads(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    expect_counts("embed", 0, 1);
    expect_read("qkv", 0, whole(0, 256));
    expect_counts("attention", 3, 1);
    expect_read("attention", 0, by_tile(0, 128, 256));
    expect_read("attention", 1, by_tile(256, 64, 384));
    expect_read("attention", 2, by_tile(384, 64, 512));
    expect_read("attention_output", 0, whole(0, 256));
    expect_read("gate_up", 0, whole(0, 256));
    expect_read("down", 0, whole(0, 768));
    expect_read("lm_head", 0, whole(0, 256));
    expect_read("select", 0, whole(0, 2 * 304));
    expect_read("token", 0, whole(0, 2));
}

static void test_writes(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "tile_rows=4 kv_splits=1");
    expect_write("embed", 0, by_tile(0, 4, 256), 0);
    expect_write("qkv", 0, by_tile(0, 4, 512), 0);
    expect_write("attention", 0, by_tile(0, 128, 256), 0);
    expect_write("attention_output", 0, by_tile(0, 4, 256), 0);
    expect_write("gate_up", 0, by_tile(0, 2, 768), 0); // gate and up of one element
    expect_write("down", 0, by_tile(0, 4, 256), 0);
    expect_write("lm_head", 0, whole(0, 0), 2);
    expect_write("select", 0, whole(0, 2), 0);
    expect_counts("token", 1, 0);
    for (int b = 0; b < made.plan.bodies_count; b++)
        assert_true(made.plan.bodies[b].writes_count <= 1);
}

// The last tile has fewer rows than the others.
static void test_rows_that_end_inside_a_tile(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=3 hidden=66 tile_rows=8");
    expect_write("down", 0, by_tile(0, 8, 66), 0);
    const struct plan_span *span = &need_body(&made.plan, "down")->writes[0].span;
    assert_int_equal(access_range(span, 7, 0).count, 8);
    assert_int_equal(access_range(span, 8, 0).first, 64);
    assert_int_equal(access_range(span, 8, 0).count, 2);
    assert_int_equal(access_range(span, 9, 0).count, 0);
    assert_int_equal(access_end(span, 9), 66);
}

// What stages name: those of a layer pass values on, the residual goes from layer to layer.
static void test_mailboxes_of_stages(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    static const char *const expected[][3] = {
        // reads from, writes to
        {"qkv", "hidden", "qkv"},
        {"attention", "qkv", "attended"},
        {"attention_output", "attended", "hidden_2"},
        {"gate_up", "hidden_2", "gated"},
        {"down", "gated", "hidden"},
    };
    for (int layer = 0; layer < 4; layer++)
        for (int i = 0; i < 5; i++) {
            const struct plan_stage *stage = need_stage(&made.plan, expected[i][0], layer);
            assert_string_equal(stage->reads_from, expected[i][1]);
            assert_string_equal(stage->writes_to, expected[i][2]);
        }
    assert_null(need_stage(&made.plan, "embed", -1)->reads_from);
    assert_string_equal(need_stage(&made.plan, "embed", -1)->writes_to, "hidden");
    assert_string_equal(need_stage(&made.plan, "lm_head", -1)->reads_from, "hidden");
    assert_string_equal(need_stage(&made.plan, "lm_head", -1)->writes_to, "candidates");
    assert_string_equal(need_stage(&made.plan, "select", -1)->reads_from, "candidates");
    assert_string_equal(need_stage(&made.plan, "select", -1)->writes_to, "next_token");
    assert_string_equal(need_stage(&made.plan, "token", -1)->reads_from, "next_token");
    assert_null(need_stage(&made.plan, "token", -1)->writes_to);
}

// Mailboxes start on 128-byte lines and do not overlap.
static void test_mailboxes(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "cus=7 kv_splits=1");
    static const struct {
        const char *name;
        int pairs;
    } expected[] = {{"hidden", 256}, {"qkv", 512},       {"attended", 256}, {"hidden_2", 256},
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
        assert_true(stage->write_epoch < plan->epochs_per_step);
        if (!stage->reads_from)
            continue;
        int newest = -1;
        for (int w = 0; w < s; w++) {
            if (plan->stages[w].writes_to &&
                strcmp(plan->stages[w].writes_to, stage->reads_from) == 0) {
                assert_true(plan->stages[w].write_epoch > newest);
                newest = plan->stages[w].write_epoch;
            }
        }
        if (newest != stage->read_epoch)
            fail_msg("%s: step %d (%s) awaits epoch %d of %s, the newest is %d", spec, s,
                     stage->body, stage->read_epoch, stage->reads_from, newest);
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
    // qkv: 32 tiles of 16 rows, 8 a CU; an element is a row's number
    assert_int_equal(access_owners(plan, need_body(plan, "qkv"), 512, owner, &bad), 0);
    for (int j = 0; j < 512; j++)
        assert_int_equal(owner[j], j / 128);
    // gate_up: 96 tiles, 24 a CU; element j is packed rows 2 j and 2 j + 1
    int gated[768];
    assert_int_equal(access_owners(plan, need_body(plan, "gate_up"), 768, gated, &bad), 0);
    for (int j = 0; j < 768; j++)
        assert_int_equal(gated[j], j / 192);
    // attention: 2 heads, of CU 1 and CU 3
    assert_int_equal(access_owners(plan, need_body(plan, "attention"), 256, owner, &bad), 0);
    for (int j = 0; j < 256; j++)
        assert_int_equal(owner[j], j < 128 ? 1 : 3);
    // candidates: two a CU
    assert_int_equal(access_owners(plan, need_body(plan, "lm_head"), 8, owner, &bad), 0);
    for (int j = 0; j < 8; j++)
        assert_int_equal(owner[j], j / 2);
    // too few pairs: every element beyond is bad
    assert_int_equal(access_owners(plan, need_body(plan, "lm_head"), 5, owner, &bad), 3);
    assert_int_equal(bad, 5);
    // too many: nobody owns the rest
    assert_int_equal(access_owners(plan, need_body(plan, "lm_head"), 10, owner, &bad), 0);
    assert_int_equal(owner[8], -1);
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
    assert_string_equal(need_choice(&made.plan, "residual")->value, "owned");
    assert_string_equal(need_choice(&made.plan, "buffers")->value, "shared");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_reads),
        TEST(test_writes),
        TEST(test_rows_that_end_inside_a_tile),
        TEST(test_mailboxes_of_stages),
        TEST(test_mailboxes),
        TEST(test_epochs),
        TEST(test_epochs_of_others),
        TEST(test_owners),
        TEST(test_scopes),
        TEST(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
