#include "tests/support/made_plan.h"
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

// Every tile belongs to exactly one CU, in order; no CU has two tiles more than another, but for
// the selection, which is CU 0's.
static void expect_dealt(const struct plan_partition *partition, int cus) {
    assert_int_equal(partition->first_tile_count, cus + 1);
    assert_int_equal(partition->first_tile[0], 0);
    assert_int_equal(partition->first_tile[cus], partition->tiles);
    int fewest = partition->tiles, most = 0;
    for (int cu = 0; cu < cus; cu++) {
        const int tiles = plan_tiles_of(partition, cu);
        if (tiles < 0)
            fail_msg("partition %s: CU %d has %d tiles", partition->name, cu, tiles);
        fewest = tiles < fewest ? tiles : fewest;
        most = tiles > most ? tiles : most;
    }
    if (strcmp(partition->name, "select") == 0)
        assert_int_equal(partition->first_tile[1], 1);
    else if (most - fewest > 1)
        fail_msg("partition %s of %d tiles: %d to %d a CU", partition->name, partition->tiles,
                 fewest, most);
}

static void expect_tiling(const struct plan_plan *plan, const struct plan_body *body) {
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    assert_non_null(partition);
    int most = 0;
    for (int cu = 0; cu < plan->machine.cus; cu++)
        most = plan_tiles_of(partition, cu) > most ? plan_tiles_of(partition, cu) : most;
    assert_int_equal(body->max_tiles, most);
    assert_in_range(body->pass_tiles, most > 0, most);
    if (strcmp(body->op, "linear") != 0)
        return;
    // Tiles hold every row once, a unit is a load of a wave, and units hold every column.
    assert_true(partition->tiles * body->tile_rows >= body->rows);
    assert_true((partition->tiles - 1) * body->tile_rows < body->rows);
    assert_int_equal(body->tile_rows * body->unit_columns * 2, plan->engine.unit_bytes);
    assert_true(body->units * body->unit_columns >= body->columns);
    assert_true((body->units - 1) * body->unit_columns < body->columns);
    assert_int_equal(plan_tile_bytes(plan, body), body->units * plan->engine.unit_bytes);
}

static void expect_partitions(const char *spec, const char *target, const char *set) {
    made_plan_open(&made, spec, target, set);
    const struct plan_plan *plan = &made.plan;
    for (int i = 0; i < plan->partitions_count; i++)
        expect_dealt(&plan->partitions[i], plan->machine.cus);
    for (int i = 0; i < plan->bodies_count; i++)
        expect_tiling(plan, &plan->bodies[i]);
    made_plan_close(&made);
}

static void test_tiles_are_dealt_once_and_evenly(void **state) {
    (void)state;
    expect_partitions("austen-3m", "mi300x", "");
    expect_partitions("austen-3m", "mi300x", "cus=1");
    expect_partitions("austen-3m", "mi300x", "cus=7");
    expect_partitions("austen-3m", "host", "cus=512");
    expect_partitions("llama-3.2-1b", "mi300x", "");
    expect_partitions("llama-3.2-1b", "mi300x", "cus=256 tile_rows=2");
    expect_partitions("tests/specs/tiny.lua", "host", "cus=3");
    // rows that no tile height divides
    expect_partitions("tests/specs/tiny.lua", "host", "cus=3 vocab=201 mlp=99 hidden=66");
}

// The embedding and all products that add to the residual deal its rows alike, also where their
// columns differ.
static void test_the_residual_is_shared(void **state) {
    (void)state;
    made_plan_open(&made, "llama-3.2-1b", "mi300x", "");
    static const char *const bodies[] = {"embed", "attention_output", "down"};
    const int tile_rows = need_body(&made.plan, "embed")->tile_rows;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_string_equal(need_body(&made.plan, bodies[i])->partition, "hidden");
        assert_int_equal(need_body(&made.plan, bodies[i])->tile_rows, tile_rows);
    }
    assert_int_equal(plan_partition_named(&made.plan, "hidden")->tiles * tile_rows, 2048);
}

static void test_other_partitions(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "kv_splits=1");
    const struct plan_plan *plan = &made.plan;
    assert_string_equal(need_body(plan, "qkv")->partition, "qkv");
    assert_string_equal(need_body(plan, "attention")->partition, "kv_heads");
    assert_int_equal(plan_partition_named(plan, "kv_heads")->tiles, 2);
    assert_int_equal(plan_partition_named(plan, "select")->tiles, 1);
    assert_int_equal(plan_partition_named(plan, "every_cu")->tiles, 304);
    assert_null(plan_partition_named(plan, "lm_heads"));
}

static void expect_tile_rows(const char *target, int rows) {
    char set[32];
    snprintf(set, sizeof set, "tile_rows=%d", rows);
    made_plan_open(&made, "austen-3m", target, set);
    for (int i = 0; i < made.plan.bodies_count; i++)
        if (strcmp(made.plan.bodies[i].op, "linear") == 0)
            assert_int_equal(made.plan.bodies[i].tile_rows, rows);
    for (int i = 0; i < made.plan.choices_count; i++)
        if (strncmp(made.plan.choices[i].name, "tile_rows ", 10) == 0)
            assert_ptr_equal(strstr(made.plan.choices[i].reason, "asked for"),
                             made.plan.choices[i].reason);
    made_plan_close(&made);
}

static void test_tile_rows_that_are_asked_for(void **state) {
    (void)state;
    for (int rows = 2; rows <= 16; rows *= 2)
        expect_tile_rows("mi300x", rows);
    for (int rows = 2; rows <= 8; rows *= 2)
        expect_tile_rows("host", rows);
    assert_false(made_plan_try(&made, "specs", "austen-3m", "host", "tile_rows=16"));
    assert_string_equal(made.diagnostics.items[0].message,
                        "--set tile_rows=16: engine rows_scalar has no such tile");
    made_plan_close(&made);
    assert_false(made_plan_try(&made, "specs", "austen-3m", "mi300x", "tile_rows=3"));
    assert_string_equal(made.diagnostics.items[0].message,
                        "--set tile_rows=3: engine rows_vgpr has no such tile");
}

// What the fullest CU streams, as an alternative of a choice says it.
struct price {
    int rows, round_kib, weight_kib;
};

static struct price price_of(const char *alternative) {
    struct price price = {0};
    assert_int_equal(sscanf(alternative, "%d: %d KiB in rounds, %d KiB of weights", &price.rows,
                            &price.round_kib, &price.weight_kib),
                     3);
    return price;
}

static void test_the_chosen_tile_is_the_cheapest(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    int choices = 0;
    for (int i = 0; i < made.plan.choices_count; i++) {
        const struct plan_choice *choice = &made.plan.choices[i];
        if (strncmp(choice->name, "tile_rows ", 10) != 0)
            continue;
        choices++;
        assert_int_equal(choice->alternatives_count, 4);
        struct price cheapest = price_of(choice->alternatives[0]);
        for (int a = 1; a < choice->alternatives_count; a++) {
            const struct price price = price_of(choice->alternatives[a]);
            // the taller at a tie: it comes first
            if (price.round_kib < cheapest.round_kib ||
                (price.round_kib == cheapest.round_kib && price.weight_kib < cheapest.weight_kib))
                cheapest = price;
        }
        char value[16];
        snprintf(value, sizeof value, "%d", cheapest.rows);
        assert_string_equal(choice->value, value);
    }
    assert_int_equal(choices, 4); // hidden, qkv, gate_up, lm_head
    // hidden, by hand: 4 rows are 64 tiles, attention_output 2 units and down 6, each in one round
    // of 8 waves of 1 KiB; 2 rows are 128 tiles, 1 and 3 units in the same rounds
    const struct plan_choice *hidden = need_choice(&made.plan, "tile_rows hidden");
    assert_string_equal(hidden->value, "2");
    assert_string_equal(hidden->alternatives[2], "4: 16 KiB in rounds, 8 KiB of weights");
    assert_string_equal(hidden->alternatives[3], "2: 16 KiB in rounds, 4 KiB of weights");
}

// 576 columns are no multiple of the larger units of tiles as high as those that are chosen.
static void test_units_are_filled(void **state) {
    (void)state;
    made_plan_open(&made, "smollm2-135m", "h100", "");
    const struct plan_plan *plan = &made.plan;
    int64_t bytes = 0;
    for (int s = 0; s < plan->stages_count; s++)
        bytes += plan->stages[s].weight_bytes;
    if (bytes > plan->shape.bytes_per_token + plan->shape.bytes_per_token / 100)
        fail_msg("%lld bytes of weights take %lld in units of %d",
                 (long long)plan->shape.bytes_per_token, (long long)bytes, plan->engine.unit_bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_tiles_are_dealt_once_and_evenly),
        TEST(test_the_residual_is_shared),
        TEST(test_other_partitions),
        TEST(test_tile_rows_that_are_asked_for),
        TEST(test_the_chosen_tile_is_the_cheapest),
        TEST(test_units_are_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
