// The context split over CUs: how many parts, where each position lies, who reads and writes what,
// and the merge.
#include "generator/plan/access.h"
#include "tests/support/drafts.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
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

static void expect_splits(const char *spec, const char *target, const char *set, int splits,
                          const char *reason) {
    made_plan_open(&made, spec, target, set);
    const struct plan_choice *choice = need_choice(&made.plan, "kv_splits");
    const int got = need_body(&made.plan, "attention")->splits;
    char value[16];
    snprintf(value, sizeof value, "%d", got);
    assert_string_equal(choice->value, value);
    if (got != splits || !strstr(choice->reason, reason))
        fail_msg("%s for %s with '%s': %d splits, '%s'", spec, target, set, got, choice->reason);
    assert_int_equal(plan_body_named(&made.plan, "merge") != NULL, splits > 1);
    made_plan_close(&made);
}

static void test_how_many(void **state) {
    (void)state;
    expect_splits("austen-3m", "mi300x", "", 64, "304 CUs share 2 KV heads"); // blocks of 1024
    expect_splits("llama-3.2-1b", "mi300x", "", 38, "304 CUs share 8 KV heads");
    expect_splits("austen-3m", "mi300x", "context=16", 1, "costs more than it saves"); // one block
    expect_splits("austen-3m", "host", "cus=3", 1, "costs more than it saves");
    expect_splits("austen-3m", "mi300x", "kv_splits=1", 1, "asked for");
    expect_splits("austen-3m", "mi300x", "kv_splits=5", 5, "asked for");
    expect_splits("tests/specs/tiny.lua", "host", "cus=2 kv_splits=64", 64, "asked for");
}

// Positions are dealt in blocks, in turn; a split has room for all of its blocks.
static void test_where_positions_lie(void **state) {
    (void)state;
    static const struct {
        const char *set;
        int splits, context;
    } cases[] = {{"kv_splits=3", 3, 64},
                 {"kv_splits=4", 4, 64},
                 {"kv_splits=5 context=50", 5, 50},
                 {"kv_splits=2 context=1", 2, 1},
                 {"kv_splits=64", 64, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        made_plan_open(&made, "tests/specs/tiny.lua", "host", cases[i].set);
        const struct plan_kv *kv = &made.plan.kv;
        assert_int_equal(kv->block, 16);
        assert_int_equal(kv->split_positions % kv->block, 0);
        int held[64] = {0}; // of each split
        for (int position = 0; position < cases[i].context; position++)
            held[position / kv->block % cases[i].splits]++;
        for (int split = 0; split < cases[i].splits; split++)
            if (held[split] > kv->split_positions)
                fail_msg("%s: split %d has %d positions, room for %d", cases[i].set, split,
                         held[split], kv->split_positions);
        const int64_t row_bytes = (int64_t)kv->row_elements * kv->element_bytes;
        assert_int_equal(kv->head_bytes, kv->split_positions * cases[i].splits * row_bytes);
        assert_int_equal(kv->layer_bytes, 2 * kv->head_bytes * 2);
        assert_int_equal(kv->bytes, 2 * kv->layer_bytes);
        made_plan_close(&made);
    }
}

static void expect_span(const char *what, const struct plan_span *got, struct plan_span expected) {
    if (memcmp(got, &expected, sizeof expected) != 0)
        fail_msg("%s: %d + tile / %d * %d + tile %% %d * %d, %d times by %d, %d of them up to %d",
                 what, got->first, got->repeat, got->stride, got->repeat, got->repeat_stride,
                 got->chunks, got->chunk_stride, got->count, got->end);
}

// tiny: 4 query heads and 2 KV heads of 16. Tiles of attention are (KV head, split), the splits of
// a head after each other.
static void test_reads_and_writes(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=5 kv_splits=3");
    const struct plan_body *attention = need_body(&made.plan, "attention");
    assert_int_equal(plan_partition_named(&made.plan, attention->partition)->tiles, 2 * 3);
    assert_int_equal(attention->reads_count, 3);
    expect_span("q", &attention->reads[0].span, (struct plan_span){0, 32, 3, 0, 1, 0, 32, 64});
    expect_span("k", &attention->reads[1].span, (struct plan_span){64, 16, 3, 0, 1, 0, 16, 96});
    expect_span("v", &attention->reads[2].span, (struct plan_span){96, 16, 3, 0, 1, 0, 16, 128});
    // [split][query head][dim], then [split][query head][2]
    assert_int_equal(attention->writes_count, 2);
    expect_span("values", &attention->writes[0].span,
                (struct plan_span){0, 32, 3, 64, 1, 0, 32, 192});
    expect_span("sums", &attention->writes[1].span, (struct plan_span){192, 4, 3, 8, 1, 0, 4, 216});
    const struct plan_body *merge = need_body(&made.plan, "merge");
    assert_int_equal(merge->rows, 64);
    assert_int_equal(merge->splits, 3);
    assert_int_equal(merge->tile_rows, 8); // 8 tiles, for 5 CUs
    expect_span("parts", &merge->reads[0].span, (struct plan_span){0, 8, 1, 0, 3, 64, 8, 192});
    expect_span("their sums", &merge->reads[1].span,
                (struct plan_span){192, 2, 2, 0, 3, 8, 2, 216});
    expect_span("attended", &merge->writes[0].span, (struct plan_span){0, 8, 1, 0, 1, 0, 8, 64});
    assert_int_equal(plan_mailbox_named(&made.plan, "parts")->pairs, 216);
    assert_int_equal(plan_mailbox_named(&made.plan, "attended")->pairs, 64);
}

// The merge of a tile reads of each split just what attention wrote of that head there.
static void test_merges_read_what_splits_write(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=7 cus=40");
    const struct plan_body *attention = need_body(&made.plan, "attention");
    const struct plan_body *merge = need_body(&made.plan, "merge");
    const int dim = made.plan.shape.head_dim, tiles = 4 * dim / merge->tile_rows;
    for (int tile = 0; tile < tiles; tile++)
        for (int split = 0; split < 7; split++) {
            const int head = tile * merge->tile_rows / dim, kv_head = head / 2;
            const struct element_range values =
                access_range(&attention->writes[0].span, kv_head * 7 + split, 0);
            const struct element_range sums =
                access_range(&attention->writes[1].span, kv_head * 7 + split, 0);
            const struct element_range rows = access_range(&merge->reads[0].span, tile, split);
            const struct element_range pair = access_range(&merge->reads[1].span, tile, split);
            assert_int_equal(rows.first,
                             values.first + head % 2 * dim + tile * merge->tile_rows % dim);
            assert_int_equal(rows.count, merge->tile_rows);
            assert_int_equal(pair.first, sums.first + head % 2 * 2);
            assert_int_equal(pair.count, 2);
        }
}

static void test_stages_and_scopes(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=4");
    const struct plan_plan *plan = &made.plan;
    for (int layer = 0; layer < 4; layer++) {
        const struct plan_stage *attention = need_stage(plan, "attention", layer);
        const struct plan_stage *merge = need_stage(plan, "merge", layer);
        assert_int_equal(merge->step, attention->step + 1);
        assert_string_equal(attention->writes_to, "parts");
        assert_string_equal(merge->reads_from, "parts");
        assert_string_equal(merge->writes_to, "attended");
        assert_int_equal(merge->read_epoch, attention->write_epoch);
        assert_int_equal(attention->edges_count, 0); // parts are no value of the graph
        assert_int_equal(merge->edges_count, 1);
        assert_int_equal(need_stage(plan, "attention_output", layer)->reads_node,
                         merge->edges[0].node);
        assert_int_equal(merge->kv_offset, -1);
        assert_int_equal(attention->kv_offset, layer * plan->kv.layer_bytes);
    }
    assert_string_equal(need_body(plan, "merge")->reads[0].scope, "across XCDs");
    made_plan_close(&made);
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=1 kv_splits=3");
    assert_string_equal(need_body(&made.plan, "merge")->reads[1].scope, "same CU");
}

// Parts of all splits of a tile lie in the LDS of attention while they are merged.
static void test_lds_of_a_merge(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "cus=5 kv_splits=60");
    const struct plan_body *merge = need_body(&made.plan, "merge");
    const int needed = 60 * (merge->tile_rows + 2);
    const struct plan_lds *merged = need_lds(&made.plan, "merged");
    assert_in_range(merged->elements, needed, needed + 3);
    assert_string_equal(merged->shared, "attention");
}

// A window of few positions is no reason to split; the widest layer counts.
static int window_of_all;
static void build_windowed(struct draft *draft) {
    draft->model->context = 1024;
    build_rich_owned(draft);
    for (int i = 0; i < draft->model->node_count; i++)
        if (draft->model->nodes[i].op == OP_ATTENTION && window_of_all)
            draft->model->nodes[i].window = window_of_all;
}

static void test_windows(void **state) {
    (void)state;
    window_of_all = 0; // one layer of 5 positions, one of all
    made_plan_of_open(&made, build_windowed, "mi300x", "");
    assert_int_equal(need_body(&made.plan, "attention")->splits, 64);
    assert_int_equal(need_stage(&made.plan, "attention", 0)->window, 5);
    assert_int_equal(need_stage(&made.plan, "attention_2", 1)->window, 0);
    made_plan_close(&made);
    window_of_all = 16;
    made_plan_of_open(&made, build_windowed, "mi300x", "");
    assert_int_equal(need_body(&made.plan, "attention")->splits, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_how_many),          TEST(test_where_positions_lie),
        TEST(test_reads_and_writes),  TEST(test_merges_read_what_splits_write),
        TEST(test_stages_and_scopes), TEST(test_lds_of_a_merge),
        TEST(test_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
