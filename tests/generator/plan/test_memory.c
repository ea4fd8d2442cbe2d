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

// Bytes of the stages of a region that one CU streams.
static int64_t run_bytes(const struct plan_plan *plan, const char *region, int cu) {
    int64_t bytes = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        if (!stage->region || strcmp(stage->region, region) != 0)
            continue;
        const struct plan_body *body = need_body(plan, stage->body);
        bytes += (int64_t)plan_tiles_of(plan_partition_named(plan, body->partition), cu) *
                 body->units * plan->engine.unit_bytes;
    }
    return bytes;
}

static void expect_tiles(const struct plan_plan *plan, const struct plan_region *region) {
    assert_int_equal(region->cu_offset_count, plan->machine.cus);
    int64_t next = 0;
    for (int cu = 0; cu < plan->machine.cus; cu++) {
        if (region->cu_offset[cu] != next)
            fail_msg("region %s: CU %d starts at %lld, expected %lld", region->name, cu,
                     (long long)region->cu_offset[cu], (long long)next);
        next += run_bytes(plan, region->name, cu);
    }
    assert_int_equal(region->bytes, next);
}

// Regions follow each other on 4 KiB boundaries; within one, each CU's run follows the last one's.
static void expect_regions(const char *spec, const char *target, const char *set) {
    made_plan_open(&made, spec, target, set);
    const struct plan_plan *plan = &made.plan;
    int64_t end = 0, stage_bytes = 0, tile_bytes = 0;
    for (int i = 0; i < plan->regions_count; i++) {
        const struct plan_region *region = &plan->regions[i];
        assert_int_equal(region->offset % 4096, 0);
        assert_in_range(region->offset - end, 0, 4095);
        end = region->offset + region->bytes;
        if (strcmp(region->layout, "tiles") != 0)
            continue;
        expect_tiles(plan, region);
        tile_bytes += region->bytes;
    }
    for (int s = 0; s < plan->stages_count; s++)
        stage_bytes += plan->stages[s].weight_bytes;
    assert_int_equal(stage_bytes, tile_bytes);
    // What the last prefetch of a CU may touch lies in the arena.
    assert_true(plan->weight_bytes >= end + (int64_t)plan->engine.prefetch_units *
                                                plan->machine.streaming_waves *
                                                plan->engine.unit_bytes);
    made_plan_close(&made);
}

static void test_regions(void **state) {
    (void)state;
    expect_regions("austen-3m", "mi300x", "");
    expect_regions("austen-3m", "mi300x", "cus=7 tie_embeddings=false");
    expect_regions("austen-3m", "host", "cus=512");
    expect_regions("llama-3.2-1b", "mi300x", "");
    expect_regions("tests/specs/tiny.lua", "host", "cus=3 vocab=201 mlp=99 hidden=66");
}

// Nothing is padded here, so the weights are the parameters without norms.
static void test_bytes_of_a_llama(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    const struct plan_region *layers = plan_region_named(&made.plan, "layers");
    const struct plan_region *head = plan_region_named(&made.plan, "head");
    assert_int_equal(layers->bytes, 4 * 2 * (512 * 256 + 256 * 256 + 1536 * 256 + 256 * 768));
    assert_int_equal(head->bytes, 2 * 2048 * 256);
    assert_string_equal(need_stage(&made.plan, "down", 3)->region, "layers");
    assert_string_equal(need_stage(&made.plan, "lm_head", -1)->region, "head");
    assert_null(need_stage(&made.plan, "attention", 3)->region);
    assert_int_equal(need_stage(&made.plan, "down", 3)->weight_bytes, 2 * 256 * 768);
}

static void test_a_tied_embedding_is_read_in_place(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    assert_int_equal(made.plan.regions_count, 2);
    assert_string_equal(made.plan.embedding.region, "head");
    assert_string_equal(made.plan.embedding.body, "lm_head");
    assert_string_equal(need_choice(&made.plan, "embedding")->value, "in place");
}

static void test_an_untied_embedding_is_a_matrix(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "tie_embeddings=false");
    assert_int_equal(made.plan.regions_count, 3);
    const struct plan_region *region = plan_region_named(&made.plan, "embedding");
    assert_non_null(region);
    assert_string_equal(region->layout, "rows");
    assert_string_equal(region->tensor, "model.embed_tokens.weight");
    assert_int_equal(region->rows, 2048);
    assert_int_equal(region->columns, 256);
    assert_int_equal(region->bytes, 2 * 2048 * 256);
    assert_string_equal(made.plan.embedding.region, "embedding");
    assert_null(made.plan.embedding.body);
    assert_string_equal(need_stage(&made.plan, "lm_head", -1)->parts[0].tensor, "lm_head.weight");
}

// Norm weights as f32, each on 16 bytes, once.
static void test_vectors(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "hidden=66");
    const struct plan_plan *plan = &made.plan;
    assert_int_equal(plan->vectors_count, 2 * 2 + 1);
    for (int i = 0; i < plan->vectors_count; i++) {
        assert_int_equal(plan->vectors[i].elements, 66);
        assert_int_equal(plan->vectors[i].offset, i * 272); // 264 bytes, rounded up
        for (int k = 0; k < i; k++)
            assert_string_not_equal(plan->vectors[i].tensor, plan->vectors[k].tensor);
    }
    assert_int_equal(plan->vector_bytes, 5 * 272);
}

static void test_kv_of_layers(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    for (int layer = 0; layer < 4; layer++)
        assert_int_equal(need_stage(&made.plan, "attention", layer)->kv_offset,
                         layer * made.plan.kv.layer_bytes);
    assert_int_equal(need_stage(&made.plan, "qkv", 3)->kv_offset, -1);
    assert_int_equal(made.plan.kv.bytes, 4 * made.plan.kv.layer_bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_regions),
        TEST(test_bytes_of_a_llama),
        TEST(test_a_tied_embedding_is_read_in_place),
        TEST(test_an_untied_embedding_is_a_matrix),
        TEST(test_vectors),
        TEST(test_kv_of_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
