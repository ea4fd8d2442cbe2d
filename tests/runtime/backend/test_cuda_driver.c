// What the cuda backend has of its own: finding the driver, describing devices, contexts and LDS.
#include "runtime/backend/backend.h"
#include "runtime/backend/gpu_driver.h"
#include "tests/support/gpu_fixture.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// ---- describing ---------------------------------------------------------------------------------

static void probe_names_the_device(void **state) {
    struct gpu_fixture *fixture = *state;
    char line[PATH_MAX + 256], expected[PATH_MAX + 256];
    assert_true(backend_cuda.probe(NULL, line, sizeof line));
    snprintf(expected, sizeof expected, "sm_90, 132 SMs, 80 GiB, CUDA 13.0 (%s/fake_cuda.so)",
             fixture->library_folder);
    assert_string_equal(line, expected);
    // No context is made for a probe: that takes long and fills device memory.
    gpu_fixture_expect_calls(fixture, "{init} 0\n{version}\n{count}\n{describe device}");
    gpu_fixture_expect_nothing_left(fixture);
    fixture->fake->version = 12080;
    gpu_fixture_expect_probe(fixture, true, "CUDA 12.8 (");
}

static void probe_compares_the_isa(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        int capability;
        const char *isa;
        bool runs;
    } cases[] = {
        {90, "sm_90a", true},   {90, "sm_90", true},    {89, "sm_90a", false},
        {100, "sm_90a", false}, {100, "sm_90", false},  {86, "sm_80", true},
        {80, "sm_86", false},   {121, "sm_120", true},  {90, "gfx942", false},
        {90, "sm_", false},     {90, "sm_x", false},    {90, "native", false},
        {100, "sm_10", false},  {103, "sm_103a", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[PATH_MAX + 256];
        fixture->fake->compute_capability = cases[i].capability;
        if (backend_cuda.probe(cases[i].isa, line, sizeof line) != cases[i].runs)
            fail_msg("%s on a device of %d: %s", cases[i].isa, cases[i].capability, line);
        if (!cases[i].runs && !strstr(line, "device 0 (NVIDIA H100 80GB HBM3) is sm_"))
            fail_msg("not explained: %s", line);
    }
}

static void failing_questions_are_named(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        const char *call;
        int at;
    } cases[] = {{"cuDeviceGetCount", 1},     {"cuDeviceGet", 1},
                 {"cuDeviceGetName", 1},      {"cuDeviceGetAttribute", 1},
                 {"cuDeviceGetAttribute", 2}, {"cuDeviceGetAttribute", 3},
                 {"cuDeviceTotalMem_v2", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gpu_fixture_renew(fixture);
        gpu_fixture_fail(fixture, cases[i].call, cases[i].at, 101);
        char part[128];
        snprintf(part, sizeof part, "%s failed: {bad device}", cases[i].call);
        gpu_fixture_expect_probe(fixture, false, part);
    }
}

static void unnamed_errors_are_numbers(void **state) {
    struct gpu_fixture *fixture = *state;
    gpu_fixture_fail(fixture, "cuInit", 1, 4711);
    gpu_fixture_expect_probe(fixture, false, "cuInit failed: unnamed error (4711); ");
}

static void missing_gpu_is_explained(void **state) {
    struct gpu_fixture *fixture = *state;
    gpu_fixture_fail(fixture, "cuInit", 1, 100);
    gpu_fixture_expect_probe(fixture, false, "cuInit failed: {no device}: as the driver puts it; ");
    gpu_fixture_renew(fixture);
    fixture->fake->device_count = 0;
    gpu_fixture_expect_probe(fixture, false, "sees no NVIDIA GPU; ");
    gpu_fixture_expect_probe(fixture, false, "--device host runs on the CPU");
    if (access("/dev/nvidiactl", F_OK) != 0 && access("/dev/dxg", F_OK) != 0)
        gpu_fixture_expect_probe(fixture, false, "there is no /dev/nvidiactl");
}

// ---- finding the library ------------------------------------------------------------------------

static void named_library_must_open(void **state) {
    struct gpu_fixture *fixture = *state;
    setenv("MONOGEN_CUDA_LIBRARY", "/nowhere/libcuda.so.1", 1);
    gpu_fixture_expect_probe(fixture, false,
                             "cannot open the CUDA driver that MONOGEN_CUDA_LIBRARY names: "
                             "/nowhere/libcuda.so.1: ");
    setenv("MONOGEN_CUDA_LIBRARY", "libm.so.6", 1);
    gpu_fixture_expect_probe(fixture, false,
                             "libm.so.6 lacks the function cuInit: it is not a CUDA driver, or one "
                             "that is too old; name another with MONOGEN_CUDA_LIBRARY");
}

static void missing_library_is_explained(void **state) {
    struct gpu_fixture *fixture = *state;
    void *library = dlopen("libcuda.so.1", RTLD_LAZY);
    if (library) {
        dlclose(library);
        print_message("SKIPPED: this machine has a CUDA driver\n");
        skip();
    }
    unsetenv("MONOGEN_CUDA_LIBRARY");
    gpu_fixture_expect_probe(fixture, false, "no CUDA driver: libcuda.so.1 is not installed; ");
}

// ---- contexts and LDS ---------------------------------------------------------------------------

static void refused_context_is_explained(void **state) {
    struct gpu_fixture *fixture = *state;
    gpu_fixture_fail(fixture, "cuDevicePrimaryCtxRetain", 1, 2);
    gpu_fixture_expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT,
                                  "cuDevicePrimaryCtxRetain failed: {no memory}");
    // Nothing was retained, so nothing may be released.
    assert_null(strstr(fixture->fake->log, "cuDevicePrimaryCtxRelease"));
}

static void lds_must_fit_a_workgroup(void **state) {
    struct gpu_fixture *fixture = *state;
    fixture->fake->object_lds_bytes = 112;
    fixture->manifest.kernel.lds_bytes = (size_t)fixture->fake->workgroup_lds_bytes - 111;
    gpu_fixture_expect_open_fails(
        fixture, MONOGEN_NO_ENVIRONMENT,
        "a workgroup of the kernel needs 232337 bytes of shared memory and 112 in its "
        "object, but device 0 (NVIDIA H100 80GB HBM3) gives it 232448\n"
        "  note: generate with a smaller --set lds_bytes=N");
    fixture->manifest.kernel.lds_bytes--;
    struct device *device =
        backend_cuda.open(&fixture->manifest, fixture->folder, 0, &fixture->error);
    assert_non_null(device);
    assert_non_null(strstr(fixture->fake->log, "cuFuncSetAttribute 8 to 232336\n"));
    backend_cuda.close(device);
    gpu_fixture_expect_nothing_left(fixture);
    fixture->manifest.kernel.lds_bytes = SIZE_MAX;
    gpu_fixture_expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT,
                                  "a workgroup of the kernel needs");
    fixture->manifest.kernel.lds_bytes = 116 << 10;
}

static void failed_preparations_leave_nothing(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        const char *call;
        int at;
    } cases[] = {{"cuDeviceGetAttribute", 4}, {"cuFuncGetAttribute", 1}, {"cuFuncSetAttribute", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gpu_fixture_renew(fixture);
        gpu_fixture_fail(fixture, cases[i].call, cases[i].at, 1);
        char part[128];
        snprintf(part, sizeof part, "%s failed: {bad value}", cases[i].call);
        gpu_fixture_expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT, part);
    }
}

// ---- energy -------------------------------------------------------------------------------------

// How many have NVML open.
static int nvml_users(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_NODELETE);
    if (!library)
        fail_msg("%s", dlerror());
    void *symbol = dlsym(library, "fake_nvml_users");
    int (*users)(void) = NULL;
    assert_non_null(symbol);
    memcpy(&users, &symbol, sizeof symbol);
    dlclose(library);
    return users();
}

static struct device *open_with_nvml(struct gpu_fixture *fixture, const char *path) {
    setenv("MONOGEN_NVML_LIBRARY", path, 1);
    struct device *device =
        backend_cuda.open(&fixture->manifest, fixture->folder, 0, &fixture->error);
    if (!device)
        fail_msg("%s", fixture->error.message);
    gpu_fixture_forget_calls(fixture);
    return device;
}

static void energy_is_nvmls(void **state) {
    struct gpu_fixture *fixture = *state;
    char path[PATH_MAX + 64];
    double first = 0, second = 0;
    snprintf(path, sizeof path, "%s/fake_nvml.so", fixture->library_folder);
    struct device *device = open_with_nvml(fixture, path);
    assert_int_equal(nvml_users(path), 0); // not before somebody asks
    assert_true(backend_cuda.energy(device, &first));
    assert_true(backend_cuda.energy(device, &second));
    if (second - first < 1.4999 || second - first > 1.5001)
        fail_msg("%g J between %g and %g", second - first, first, second);
    assert_int_equal(nvml_users(path), 1);
    gpu_fixture_expect_calls(fixture, "cuDeviceGetPCIBusId of 70\n"); // once
    backend_cuda.close(device);
    assert_int_equal(nvml_users(path), 0);
    gpu_fixture_expect_nothing_left(fixture);
}

static void energy_may_be_untold(void **state) {
    struct gpu_fixture *fixture = *state;
    static const char *const failing[] = {"nvmlInit_v2", "nvmlDeviceGetHandleByPciBusId_v2",
                                          "nvmlDeviceGetTotalEnergyConsumption"};
    char path[PATH_MAX + 64];
    double joules = 0;
    snprintf(path, sizeof path, "%s/fake_nvml.so", fixture->library_folder);
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++) {
        setenv("MONOGEN_FAKE_NVML", failing[i], 1);
        struct device *device = open_with_nvml(fixture, path);
        if (backend_cuda.energy(device, &joules))
            fail_msg("%g J although %s fails", joules, failing[i]);
        backend_cuda.close(device);
        assert_int_equal(nvml_users(path), 0);
    }
    unsetenv("MONOGEN_FAKE_NVML");
    static const char *const libraries[] = {"/nowhere/libnvidia-ml.so.1", "libm.so.6"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        struct device *device = open_with_nvml(fixture, libraries[i]);
        assert_false(backend_cuda.energy(device, &joules));
        assert_false(backend_cuda.energy(device, &joules));
        backend_cuda.close(device);
    }
    struct device *device = open_with_nvml(fixture, path);
    gpu_fixture_fail(fixture, "cuDeviceGetPCIBusId", 1, 1);
    assert_false(backend_cuda.energy(device, &joules));
    backend_cuda.close(device);
    unsetenv("MONOGEN_NVML_LIBRARY");
    gpu_fixture_expect_nothing_left(fixture);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, gpu_fixture_reset)
    const struct CMUnitTest tests[] = {
        TEST(probe_names_the_device),
        TEST(probe_compares_the_isa),
        TEST(failing_questions_are_named),
        TEST(unnamed_errors_are_numbers),
        TEST(missing_gpu_is_explained),
        TEST(named_library_must_open),
        TEST(missing_library_is_explained),
        TEST(refused_context_is_explained),
        TEST(lds_must_fit_a_workgroup),
        TEST(failed_preparations_leave_nothing),
        TEST(energy_is_nvmls),
        TEST(energy_may_be_untold),
    };
    return cmocka_run_group_tests(tests, gpu_fixture_open_cuda, gpu_fixture_close);
}
