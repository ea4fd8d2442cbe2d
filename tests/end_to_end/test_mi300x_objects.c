// The real code objects for gfx942: what they need of the chip.
#include "tests/support/drafts.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

// No spills, no scratch, LDS within a CU; and room for as many waves as a workgroup has.
static void expect_resources_of(const struct generation *generation, const char *what,
                                const char *set) {
    const struct kernel_resources *r = &generation->compiled.resources;
    const struct plan_machine *machine = &generation->plan.machine;
    print_message("%s '%s': %s, %.1f s: %ld VGPR, %ld AGPR, %ld SGPR, %ld bytes of LDS, %ld of "
                  "code, %ld waves a SIMD\n",
                  what, set, generation->compiled.compiler_version, generation->compiled.seconds,
                  r->vgpr, r->agpr, r->sgpr, r->lds_bytes, r->code_bytes, r->waves_per_simd);
    assert_int_equal(r->vgpr_spills, 0);
    assert_int_equal(r->sgpr_spills, 0);
    assert_int_equal(r->scratch_bytes, 0);
    assert_in_range(r->lds_bytes, machine->lds_minimum_bytes, 64 * 1024);
    assert_true(r->code_bytes > 0);
    assert_true(r->vgpr > 0 && r->sgpr > 0);
    // The waves of a workgroup go round 4 SIMDs: the fullest one must hold its share.
    const int waves = machine->streaming_waves + machine->handoff_waves;
    assert_true(r->waves_per_simd >= (waves + 3) / 4);
    // What the plan reserves is what the code asks for.
    assert_int_equal(r->lds_bytes, plan_lds_bytes(&generation->plan));
    assert_memory_equal(generation->compiled.object.bytes, "\177ELF", 4);
    assert_non_null(strstr(generation->compiled.listing.bytes, "s_endpgm"));
    assert_string_equal(generation->object_name, "5-kernel.co");
}

static void expect_resources(const char *spec, const char *set) {
    skip_without_compiler("comgr");
    struct generated made;
    generated_open(&made, &(struct wanted_generation){
                              .spec = spec, .target = "mi300x", .set = set, .compile = true});
    expect_resources_of(&made.generation, spec, set);
    generated_close(&made);
}

static void expect_resources_of_draft(void (*build)(struct draft *draft), const char *set) {
    skip_without_compiler("comgr");
    struct made_plan plan;
    struct generated made;
    made_plan_of_open(&plan, build, "mi300x", set);
    generated_open_plan(&made, &plan.plan, NULL, true);
    expect_resources_of(&made.generation, "a draft", set);
    generated_close(&made);
    made_plan_close(&plan);
}

static void test_austen(void **state) {
    (void)state;
    expect_resources("austen-3m", "");
}

static void test_llama_1b(void **state) {
    (void)state;
    expect_resources("llama-3.2-1b", "");
    expect_resources("llama-3.2-1b", "trace=on");
}

// Heads that are no power of two need more scalar registers than others: for divisions by literals.
static void test_uneven_heads(void **state) {
    (void)state;
    expect_resources("qwen3-0.6b", "head_dim=96 rope.dims=48");
    expect_resources("llama-3.2-1b", "head_dim=80 rope.dims=20");
}

// Registers do not hold all query heads of a large group at once.
static void test_large_groups(void **state) {
    (void)state;
    expect_resources("llama-3.2-1b", "heads=56 layers=2");
    expect_resources("llama-3.2-1b", "heads=64 layers=2");
    expect_resources("llama-3.2-1b", "heads=128 layers=2");
    expect_resources("llama-3.2-1b", "heads=128 layers=2 kv=fp32");
    expect_resources("llama-3.2-1b", "heads=16 kv_heads=2 head_dim=128 layers=2");
}

// Everything that stages can do.
static void test_drafts(void **state) {
    (void)state;
    expect_resources_of_draft(build_rich_owned, "kv_splits=3");
    expect_resources_of_draft(build_rich_everywhere, "");
}

static void test_others(void **state) {
    (void)state;
    if (!all_tests_wanted()) {
        print_message("SKIPPED: a part of the long matrix (make test-all)\n");
        skip();
    }
    expect_resources("austen-3m", "unroll=inline");
    expect_resources("austen-3m", "unroll=loop kv=fp32");
    expect_resources("llama-3.2-1b", "kv=fp32 context=4096");
    expect_resources("llama-3.2-1b", "cus=256");
    expect_resources("austen-3m", "cus=7");
    expect_resources("austen-3m", "residual=everywhere buffers=unshared");
    expect_resources("llama-3.2-1b", "kv_splits=1");
    expect_resources_of_draft(build_rich_owned, "unroll=inline");
    expect_resources_of_draft(build_rich_everywhere, "kv_splits=4 buffers=unshared");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_austen),       cmocka_unit_test(test_llama_1b),
        cmocka_unit_test(test_uneven_heads), cmocka_unit_test(test_large_groups),
        cmocka_unit_test(test_drafts),       cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
