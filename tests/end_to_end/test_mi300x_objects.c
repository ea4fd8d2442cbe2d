// The real code objects for gfx942: what they need of the chip.
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

// No spills, no scratch, LDS within a CU; and room for as many waves as a workgroup has.
static void expect_resources(const char *spec, const char *set) {
    skip_without_compiler("comgr");
    struct generated made;
    generated_open(&made, &(struct wanted_generation){
                              .spec = spec, .target = "mi300x", .set = set, .compile = true});
    const struct kernel_resources *r = &made.generation.compiled.resources;
    const struct plan_machine *machine = &made.generation.plan.machine;
    print_message("%s '%s': %s, %.1f s: %ld VGPR, %ld AGPR, %ld SGPR, %ld bytes of LDS, %ld of "
                  "code, %ld waves a SIMD\n",
                  spec, set, made.generation.compiled.compiler_version,
                  made.generation.compiled.seconds, r->vgpr, r->agpr, r->sgpr, r->lds_bytes,
                  r->code_bytes, r->waves_per_simd);
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
    assert_int_equal(r->lds_bytes, plan_lds_bytes(&made.generation.plan));
    assert_memory_equal(made.generation.compiled.object.bytes, "\177ELF", 4);
    assert_non_null(strstr(made.generation.compiled.listing.bytes, "s_endpgm"));
    assert_string_equal(made.generation.object_name, "5-kernel.co");
    generated_close(&made);
}

static void test_austen(void **state) {
    (void)state;
    expect_resources("austen-3m", "");
}

static void test_llama_1b(void **state) {
    (void)state;
    expect_resources("llama-3.2-1b", "");
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
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_austen),
        cmocka_unit_test(test_llama_1b),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
