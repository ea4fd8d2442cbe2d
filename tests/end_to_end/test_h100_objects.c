// The cubins of every shipped spec for H100: what they need of the chip. Skipped without a CUDA
// toolkit.
#include "tests/support/generated.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

// No spills, all waves of a workgroup at once, shared memory as planned; one workgroup an SM.
static void expect_resources(const char *spec, const char *set) {
    struct generated made;
    generated_open(&made, &(struct wanted_generation){
                              .spec = spec, .target = "h100", .set = set, .compile = true});
    const struct kernel_resources *r = &made.generation.compiled.resources;
    const struct plan_machine *machine = &made.generation.plan.machine;
    const long waves = machine->streaming_waves + machine->handoff_waves + machine->copy_waves;
    print_message(
        "%s '%s': %s, %.1f s: %ld registers, %ld bytes of static shared memory, %ld of code\n",
        spec, set, made.generation.compiled.compiler_version, made.generation.compiled.seconds,
        r->vgpr, r->lds_bytes, r->code_bytes);
    if (r->vgpr_spills != 0 || r->scratch_bytes != 0)
        fail_msg("%s '%s': %ld registers spilled, %ld bytes of local memory", spec, set,
                 r->vgpr_spills, r->scratch_bytes);
    assert_true(r->vgpr > 0 && r->code_bytes > 0);
    assert_true(4 * r->waves_per_simd >= waves);
    // The plan's arrays come with the launch; the object's own are the prelude's few bytes.
    enum { MOST_SHARED_BYTES_A_BLOCK = 227 << 10 }; // H100 architecture white paper
    assert_in_range(plan_lds_bytes(&made.generation.plan) + r->lds_bytes,
                    machine->lds_minimum_bytes, MOST_SHARED_BYTES_A_BLOCK);
    assert_memory_equal(made.generation.compiled.object.bytes, "\177ELF", 4);
    assert_string_equal(made.generation.object_name, "5-kernel.cubin");
    generated_close(&made);
}

static void every_shipped_spec_fits(void **state) {
    (void)state;
    skip_without_compiler("nvrtc");
    DIR *folder = opendir("specs/models");
    assert_non_null(folder);
    int specs = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        const char *end = strstr(entry->d_name, ".lua");
        if (!end)
            continue;
        char spec[256];
        snprintf(spec, sizeof spec, "%.*s", (int)(end - entry->d_name), entry->d_name);
        expect_resources(spec, "");
        specs++;
    }
    closedir(folder);
    assert_true(specs > 0);
}

static void other_choices_fit(void **state) {
    (void)state;
    skip_without_compiler("nvrtc");
    expect_resources("llama-3.2-1b", "kv=fp32");
    expect_resources("llama-3.2-1b", "kv_splits=4 context=16640");
    expect_resources("llama-3.2-1b", "residual=everywhere");
    expect_resources("llama-3.2-1b", "heads=64 layers=2");
    expect_resources("llama-3.2-1b", "prefetch_units=16");
    expect_resources("austen-3m", "unroll=inline cus=7 kv=fp32");
    expect_resources("llama-3.2-1b", "trace=on");
    expect_resources("gemma-3-1b", "trace=on"); // of all shipped ones it needs most registers
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_spec_fits),
        cmocka_unit_test(other_choices_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
