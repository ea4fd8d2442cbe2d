#include "runtime/kernel_arguments.h"
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

// Roles are numbered XCD by XCD, without a gap; every XCD gets as many workgroups as the fullest
// one needs, for nobody can choose where a workgroup starts.
static void expect_roles(const char *set, const int *cus_of_xcd, int workgroups) {
    made_plan_open(&made, "austen-3m", "mi300x", set);
    const struct plan_machine *machine = &made.plan.machine;
    assert_int_equal(machine->xcds_count, 8);
    int first = 0;
    for (int i = 0; i < 8; i++) {
        const struct plan_xcd *xcd = &machine->xcds[i];
        if (xcd->xcd != i || xcd->iod != i / 2 || xcd->first_cu != first ||
            xcd->cus != cus_of_xcd[i])
            fail_msg("'%s': XCD %d of IOD %d has %d CUs from %d on; expected %d from %d on", set,
                     xcd->xcd, xcd->iod, xcd->cus, xcd->first_cu, cus_of_xcd[i], first);
        first += xcd->cus;
    }
    assert_int_equal(machine->cus, first);
    assert_int_equal(machine->workgroups, workgroups);
    made_plan_close(&made);
}

static void test_roles(void **state) {
    (void)state;
    expect_roles("", (const int[]){38, 38, 38, 38, 38, 38, 38, 38}, 304);
    expect_roles("cus=304", (const int[]){38, 38, 38, 38, 38, 38, 38, 38}, 304);
    expect_roles("cus=256", (const int[]){32, 32, 32, 32, 32, 32, 32, 32}, 256);
    expect_roles("cus=300", (const int[]){38, 38, 38, 38, 37, 37, 37, 37}, 304);
    expect_roles("cus=7", (const int[]){1, 1, 1, 1, 1, 1, 1, 0}, 8);
    expect_roles("cus=1", (const int[]){1, 0, 0, 0, 0, 0, 0, 0}, 8);
}

static void test_host_roles(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "host", "cus=7");
    assert_int_equal(made.plan.machine.xcds_count, 1);
    assert_int_equal(made.plan.machine.workgroups, 7);
    assert_int_equal(made.plan.machine.workgroup_threads, 1);
    assert_int_equal(made.plan.machine.xcds[0].cus, 7);
}

// With the spec's path as it was found or given.
static void test_context_of_another_folder(void **state) {
    (void)state;
    assert_false(made_plan_try(&made, "tests/../specs", "austen-3m", "host", "context=1025"));
    assert_string_equal(made.diagnostics.items[0].message,
                        "context 1025 is longer than the model's own, 1024 "
                        "(tests/../specs/models/austen-3m.lua)");
    made_plan_close(&made);
}

static void expect_refusal(const char *target, const char *set, const char *message) {
    assert_false(made_plan_try(&made, "specs", "austen-3m", target, set));
    assert_int_equal(diagnostics_exit_status(&made.diagnostics), DIAGNOSTIC_USAGE);
    assert_string_equal(made.diagnostics.items[0].message, message);
    made_plan_close(&made);
}

static void test_more_than_there_is(void **state) {
    (void)state;
    expect_refusal("mi300x", "cus=305", "--set cus=305: target mi300x has 304 CUs");
    expect_refusal(
        "host", "context=1025",
        "context 1025 is longer than the model's own, 1024 (specs/models/austen-3m.lua)");
}

static void test_sizes(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "context=512 eos=1,2,3");
    const struct plan_plan *plan = &made.plan;
    assert_string_equal(plan->model, "austen-3m");
    assert_string_equal(plan->spec_file, "specs/models/austen-3m.lua");
    assert_int_equal(plan->shape.hidden, 256);
    assert_int_equal(plan->shape.layers, 4);
    assert_int_equal(plan->shape.vocab, 2048);
    assert_int_equal(plan->shape.mlp, 768);
    assert_int_equal(plan->shape.context, 512);
    assert_int_equal(plan->shape.parameters, 3672320);
    assert_int_equal(plan->shape.bytes_per_token, 2 * (3672320 + 256));
    assert_int_equal(plan->shape.eos_count, 3);
    assert_int_equal(plan->shape.eos[2], 3);
    assert_int_equal(plan->machine.workgroup_threads, 9 * 64);
    assert_string_equal(plan->machine.isa, "gfx942");
    assert_string_equal(plan->engine.name, "rows_vgpr");
    assert_int_equal(plan->engine.unit_elements * 2, plan->engine.unit_bytes);
    for (int i = 0; i < plan->constants_count; i++) {
        if (strcmp(plan->constants[i].name, "CONTEXT") == 0)
            assert_int_equal(plan->constants[i].value, 512);
        if (strcmp(plan->constants[i].name, "MLP") == 0)
            assert_int_equal(plan->constants[i].value, 768);
    }
}

// Keys and values of a layer: [K, V][kv head][position][row], rows padded to a power of two of
// 16-byte lanes.
static void expect_kv(const char *spec, const char *set, int element_bytes, int row_elements,
                      int64_t context, int kv_heads, int layers) {
    made_plan_open(&made, spec, "mi300x", set);
    const struct plan_kv *kv = &made.plan.kv;
    const int64_t head = context * row_elements * element_bytes;
    if (kv->element_bytes != element_bytes || kv->row_elements != row_elements ||
        kv->head_bytes != head || kv->layer_bytes != 2 * head * kv_heads ||
        kv->bytes != kv->layer_bytes * layers)
        fail_msg("%s '%s': elements of %d bytes, rows of %d, %lld bytes a head, %lld a layer, %lld",
                 spec, set, kv->element_bytes, kv->row_elements, (long long)kv->head_bytes,
                 (long long)kv->layer_bytes, (long long)kv->bytes);
    made_plan_close(&made);
}

static void test_kv(void **state) {
    (void)state;
    expect_kv("austen-3m", "kv_splits=1", 2, 64, 1024, 2, 4);
    expect_kv("austen-3m", "kv_splits=1 kv=fp32", 4, 64, 1024, 2, 4);
    expect_kv("austen-3m", "kv_splits=1 kv=fp32 context=100", 4, 64, 100, 2, 4);
    expect_kv("austen-3m", "kv_splits=1 head_dim=80", 2, 128, 1024, 2, 4); // 10 lanes of 8: 16
    expect_kv("austen-3m", "kv_splits=1 head_dim=20 kv=fp32", 4, 32, 1024, 2, 4);
    expect_kv("llama-3.2-1b", "kv_splits=1", 2, 64, 131072, 8, 16);
}

static void test_rope(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "mi300x", "");
    assert_int_equal(made.plan.ropes_count, 1);
    const struct plan_rope *rope = &made.plan.ropes[0];
    assert_string_equal(rope->name, "rope");
    assert_int_equal(rope->pairs, 32);
    assert_int_equal(rope->inverse_frequencies_count, 32);
    assert_true(rope->inverse_frequencies[0] == 1.0);
    assert_true(rope->amplitude == 1.0);
    for (int layer = 0; layer < 4; layer++)
        assert_int_equal(need_stage(&made.plan, "attention", layer)->rope, 0);
    assert_int_equal(need_stage(&made.plan, "qkv", 0)->rope, -1);
}

// The kernel's arguments are those of the runtime, in its order.
static void test_arguments(void **state) {
    (void)state;
    made_plan_open(&made, "austen-3m", "host", "");
    static const struct {
        const char *type, *name;
        int bytes;
    } expected[] = {
#define KERNEL_ARGUMENT(type, name, bytes) {type, #name, bytes},
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
    };
    assert_int_equal(made.plan.arguments_count, sizeof expected / sizeof expected[0]);
    for (int i = 0; i < made.plan.arguments_count; i++) {
        assert_string_equal(made.plan.arguments[i].name, expected[i].name);
        assert_string_equal(made.plan.arguments[i].type, expected[i].type);
        assert_int_equal(made.plan.arguments[i].bytes, expected[i].bytes);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, close_plan)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_roles),
        TEST(test_host_roles),
        TEST(test_more_than_there_is),
        TEST(test_context_of_another_folder),
        TEST(test_sizes),
        TEST(test_kv),
        TEST(test_rope),
        TEST(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
