// Sweeps of a GPU's memory: the object that NVRTC makes of them, and their launches on the fake
// driver.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>

#include "generator/commands/sweep_device.h"
#include "runtime/backend/backend.h"
#include "tests/support/generated.h"
#include "tests/support/gpu_fixture.h"

enum { MEMORY_BYTES = 32 << 20, RESULT_ARGUMENT = 8 };
#define LAUNCH_BYTES ((unsigned long long)16 << 30)

// ---- the object ---------------------------------------------------------------------------------

static void every_target_of_cuda_has_one_that_fits(void **state) {
    (void)state;
    static const char *const targets[] = {"h100", "h200"};
    skip_without_compiler("nvrtc");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct generated made;
        struct installation installation;
        struct arena arena = {0};
        struct compile_result compiled;
        generated_open(&made,
                       &(struct wanted_generation){.spec = "austen-3m", .target = targets[i]});
        const struct plan_plan *plan = &made.generation.plan;
        assert_true(installation_find(&arena, &installation, &made.diagnostics));
        assert_true(sweep_device_exists(&plan->machine, &installation));
        if (!sweep_device_compile(plan, &installation, NULL, &compiled, &made.diagnostics)) {
            diagnostics_print(&made.diagnostics, stderr);
            fail_msg("the sweep of %s does not compile", targets[i]);
        }
        const struct kernel_resources *r = &compiled.resources;
        print_message("%s: %s, plain loads: %ld registers, %ld spilled, %ld bytes of code\n",
                      targets[i], compiled.compiler_version, r->vgpr, r->vgpr_spills,
                      r->code_bytes);
        assert_int_equal(r->vgpr_spills, 0);
        assert_true(r->vgpr > 0 && r->vgpr <= 32); // 2048 threads share 65536 registers
        assert_memory_equal(compiled.object.bytes, ELFMAG, SELFMAG);
        assert_non_null(memmem(compiled.object.bytes, compiled.object.length, "sweep_bulk", 10));
        compile_result_close(&compiled);
        generated_close(&made);
        arena_close(&arena);
    }
}

static void other_targets_have_none(void **state) {
    (void)state;
    struct installation installation;
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    assert_true(installation_find(&arena, &installation, &diagnostics));
    assert_false(sweep_device_exists(&(struct plan_machine){.prelude = "host"}, &installation));
    arena_close(&arena);
    diagnostics_close(&diagnostics);
}

// ---- launches -----------------------------------------------------------------------------------

struct opened {
    struct sweep_device *sweep;
    struct diagnostics diagnostics;
};

// Opens a sweep of MEMORY_BYTES on the fake device, whose kernels say that they read all of it.
static struct opened open_sweep(struct gpu_fixture *fixture) {
    static const struct plan_machine machine = {.name = "test",
                                                .backend = "cuda",
                                                .isa = "sm_90a",
                                                .cus = 132,
                                                .xcds_count = 1,
                                                .lds_capacity_bytes = 200 << 10};
    Elf64_Ehdr header = {.e_type = ET_DYN, .e_machine = 190, .e_ehsize = sizeof header};
    struct text object = {0};
    struct opened opened = {0};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    text_append_bytes(&object, (const char *)&header, sizeof header);
    fixture->fake->workgroups_per_cu = 2;
    fixture->fake->has_result = true;
    fixture->fake->result_argument = RESULT_ARGUMENT;
    fixture->fake->result = LAUNCH_BYTES;
    opened.sweep = sweep_device_open(&machine, &object, MEMORY_BYTES, &opened.diagnostics);
    text_close(&object);
    return opened;
}

static void close_sweep(struct gpu_fixture *fixture, struct opened *opened) {
    sweep_device_close(opened->sweep);
    diagnostics_close(&opened->diagnostics);
    gpu_fixture_expect_nothing_left(fixture);
}

static void expect_message(const struct opened *opened, const char *part) {
    const char *message = opened->diagnostics.count ? opened->diagnostics.items[0].message : "";
    if (!strstr(message, part))
        fail_msg("no \"%s\" in: %s", part, message);
}

// Each way is a launch of its own shape, over one memory.
static void each_way_is_launched_in_its_shape(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        const char *symbol, *launch;
        unsigned workgroups;
    } ways[SWEEP_DEVICE_WAYS] = {
        [SWEEP_PLAIN] = {"cuModuleGetFunction sweep_plain\n",
                         "cuLaunchKernel 264x1x1 workgroups of 1024x1x1 threads, 0 bytes", 264},
        [SWEEP_BULK] = {"cuModuleGetFunction sweep_bulk\n",
                        "cuLaunchKernel 132x1x1 workgroups of 32x1x1 threads, 204800 bytes", 132},
    };
    struct opened opened = open_sweep(fixture);
    assert_non_null(opened.sweep);
    assert_int_equal(sweep_device_bytes(opened.sweep), MEMORY_BYTES);
    assert_non_null(strstr(fixture->fake->log, "to memory 0 + 16777216, 16777216 bytes"));
    for (int way = 0; way < SWEEP_DEVICE_WAYS; way++)
        assert_non_null(strstr(fixture->fake->log, ways[way].symbol));
    for (int way = 0; way < SWEEP_DEVICE_WAYS; way++) {
        struct swept swept;
        gpu_fixture_forget_calls(fixture);
        fixture->fake->polls_while_running = 3;
        if (!sweep_device_run(opened.sweep, way, &swept, &opened.diagnostics))
            fail_msg("%s", opened.diagnostics.items[0].message);
        if (!strstr(fixture->fake->log, ways[way].launch))
            fail_msg("no \"%s\" in:\n%s", ways[way].launch, fixture->fake->log);
        uint64_t bytes;
        uint32_t passes;
        memcpy(&bytes, fixture->fake->arguments + 16, sizeof bytes);
        memcpy(&passes, fixture->fake->arguments + 24, sizeof passes);
        assert_int_equal(bytes, MEMORY_BYTES);
        assert_int_equal(passes, 512);
        assert_true(swept.bytes == LAUNCH_BYTES && swept.seconds > 0);
        assert_int_equal(sweep_device_workgroups(opened.sweep, way), ways[way].workgroups);
    }
    close_sweep(fixture, &opened);
}

static void what_was_not_read_is_told(void **state) {
    struct gpu_fixture *fixture = *state;
    struct opened opened = open_sweep(fixture);
    struct swept swept;
    assert_non_null(opened.sweep);
    fixture->fake->result = LAUNCH_BYTES - 5;
    assert_false(sweep_device_run(opened.sweep, SWEEP_BULK, &swept, &opened.diagnostics));
    expect_message(&opened, "the sweep with bulk copies read 17179869179 of 17179869184 bytes");
    close_sweep(fixture, &opened);
}

static void a_crash_is_told(void **state) {
    struct gpu_fixture *fixture = *state;
    struct opened opened = open_sweep(fixture);
    struct swept swept;
    assert_non_null(opened.sweep);
    gpu_fixture_fail(fixture, "{query}", 1, 719);
    assert_false(sweep_device_run(opened.sweep, SWEEP_BULK, &swept, &opened.diagnostics));
    expect_message(&opened, "cuStreamQuery failed: CUDA_ERROR_LAUNCH_FAILED (719)");
    close_sweep(fixture, &opened);
}

static void failures_leave_nothing(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        const char *call;
        int at, status;
    } cases[] = {{"{load}", 1, 200},     {"{load}", 2, 200},   {"{function}", 2, 500},
                 {"{allocate}", 1, 2},   {"{allocate}", 2, 2}, {"{upload}", 1, 1},
                 {"{synchronize}", 3, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gpu_fixture_renew(fixture);
        gpu_fixture_fail(fixture, cases[i].call, cases[i].at, cases[i].status);
        struct opened opened = open_sweep(fixture);
        if (opened.sweep)
            fail_msg("opened although call %d of %s failed", cases[i].at, cases[i].call);
        assert_int_equal(opened.diagnostics.count, 1);
        close_sweep(fixture, &opened);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, gpu_fixture_reset)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target_of_cuda_has_one_that_fits),
        cmocka_unit_test(other_targets_have_none),
        TEST(each_way_is_launched_in_its_shape),
        TEST(what_was_not_read_is_told),
        TEST(a_crash_is_told),
        TEST(failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, gpu_fixture_open_cuda, gpu_fixture_close);
}
