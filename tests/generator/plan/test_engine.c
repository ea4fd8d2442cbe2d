#include "generator/plan/engine.h"

#include "tests/support/made_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct engine *need_engine(const char *name) {
    const struct engine *engine = engine_named(name);
    assert_non_null(engine);
    return engine;
}

// As many units as go into 8 KiB and share the waves evenly; one where a unit is larger.
static void test_bytes_of_a_copy(void **state) {
    (void)state;
    static const struct {
        int unit_bytes, waves, bytes;
    } copies[] = {{8192, 4, 8192}, {4096, 4, 8192}, {2048, 4, 8192},  {1024, 4, 4096},
                  {1024, 8, 8192}, {1024, 6, 6144}, {2048, 6, 6144},  {2048, 5, 2048},
                  {8192, 7, 8192}, {1024, 1, 1024}, {16384, 4, 16384}};
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        const int unit_bytes = copies[i].unit_bytes, waves = copies[i].waves;
        const int bytes = engine_copy_bytes(need_engine("ring_mma"), unit_bytes, waves);
        if (bytes != copies[i].bytes)
            fail_msg("units of %d bytes, %d waves: copies of %d bytes instead of %d", unit_bytes,
                     waves, bytes, copies[i].bytes);
        assert_int_equal(engine_copy_bytes(need_engine("rows_vgpr"), unit_bytes, waves), 0);
    }
}

static void test_units_under_way(void **state) {
    (void)state;
    const struct engine *ring = need_engine("ring_mma");
    assert_int_equal(engine_prefetch_units(ring, 8 << 10), 5);
    assert_int_equal(engine_prefetch_units(ring, 4 << 10), 10);
    assert_int_equal(engine_prefetch_units(ring, 1 << 10), ENGINE_MAX_PREFETCH_UNITS);
    assert_int_equal(engine_prefetch_units(ring, 1 << 20), 1);
    assert_int_equal(engine_prefetch_units(need_engine("rows_vgpr"), 8 << 10), 4);
    assert_int_equal(engine_prefetch_units(need_engine("rows_scalar"), 256), 0);
}

static void test_pairs_of_a_poll(void **state) {
    (void)state;
    assert_int_equal(engine_handoff_batch(need_engine("ring_mma"), 32), 8);
    assert_int_equal(engine_handoff_batch(need_engine("ring_mma"), 128), 2);
    assert_int_equal(engine_handoff_batch(need_engine("rows_vgpr"), 64), 8);
    assert_int_equal(engine_handoff_batch(need_engine("rows_scalar"), 1), 1);
}

static void test_heads_in_fragments(void **state) {
    (void)state;
    static const struct {
        const char *engine;
        int head_dim, group;
        const char *kv_dtype, *attention;
        int waves; // of 4 that multiply and 7 that hand off
    } heads[] = {
        {"ring_mma", 64, 1, "bf16", "fragments", 11}, {"ring_mma", 64, 4, "bf16", "fragments", 11},
        {"ring_mma", 64, 5, "bf16", "fragments", 4},  {"ring_mma", 64, 8, "bf16", "fragments", 4},
        {"ring_mma", 64, 9, "bf16", "rows", 4},       {"ring_mma", 64, 4, "fp32", "rows", 4},
        {"ring_mma", 128, 1, "bf16", "fragments", 4}, {"ring_mma", 128, 2, "bf16", "fragments", 4},
        {"ring_mma", 128, 3, "bf16", "rows", 4},      {"ring_mma", 128, 4, "bf16", "fragments", 4},
        {"ring_mma", 128, 8, "bf16", "rows", 4},      {"ring_mma", 80, 1, "bf16", "rows", 4},
        {"ring_mma", 256, 4, "bf16", "rows", 4},      {"rows_vgpr", 64, 4, "bf16", "rows", 4},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const struct engine *engine = need_engine(heads[i].engine);
        const struct plan_shape shape = {.heads = 3 * heads[i].group,
                                         .kv_heads = 3,
                                         .head_dim = heads[i].head_dim,
                                         .kv_dtype = heads[i].kv_dtype};
        const char *attention = engine_attention(engine, &shape);
        const int waves = engine_attending_waves(engine, &shape, 4, 7);
        if (strcmp(attention, heads[i].attention) != 0 || waves != heads[i].waves)
            fail_msg("%s, %d heads of %d by %s: %s by %d waves instead of %s by %d",
                     heads[i].engine, heads[i].group, heads[i].head_dim, heads[i].kv_dtype,
                     attention, waves, heads[i].attention, heads[i].waves);
    }
}

// A ring that is short for its copies under way would lose count of the rounds of a place.
static void test_no_more_copies_than_places(void **state) {
    (void)state;
    struct made_plan made;
    made_plan_open(&made, "llama-3.2-1b", "h100", "mlp=40960 prefetch_units=16");
    const struct plan_engine *engine = &made.plan.engine;
    assert_in_range(engine->ring_copies, made.plan.machine.streaming_waves, 15);
    assert_int_equal(engine->prefetch_units, engine->ring_copies);
    made_plan_close(&made);
    made_plan_open(&made, "llama-3.2-1b", "h100", "prefetch_units=16");
    assert_in_range(made.plan.engine.ring_copies, 17, ENGINE_MAX_RING_COPIES);
    assert_int_equal(made.plan.engine.prefetch_units, 16);
    made_plan_close(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_copy),
        cmocka_unit_test(test_units_under_way),
        cmocka_unit_test(test_pairs_of_a_poll),
        cmocka_unit_test(test_heads_in_fragments),
        cmocka_unit_test(test_no_more_copies_than_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
