// The hip backend against the fake HIP runtime: which calls, in which order, and every failure.
#include "runtime/backend/backend.h"
#include "tests/support/hip_fixture.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char OPEN_CALLS[] =
    "hipInit 0\n"
    "hipRuntimeGetVersion\n"
    "hipGetDeviceCount\n"
    "hipGetDevicePropertiesR0600 of 0\n"
    "hipDeviceGetAttribute 63 of 0\n"
    "hipDeviceTotalMem of 0\n"
    "hipSetDevice 0\n"
    "hipModuleLoadData\n"
    "hipModuleGetFunction monokernel\n"
    "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor 512 threads, 0 bytes\n"
    "hipStreamCreateWithFlags 1 -> stream 0\n"
    "hipStreamCreateWithFlags 1 -> stream 1\n";

static const char CLOSE_CALLS[] = "hipSetDevice 0\n"
                                  "hipStreamSynchronize stream 0\n"
                                  "hipStreamDestroy stream 0\n"
                                  "hipStreamDestroy stream 1\n"
                                  "hipModuleUnload\n";

static struct device *open_device(struct hip_fixture *fixture) {
    return backend_hip.open(&fixture->manifest, fixture->folder, &fixture->error);
}

// An open device whose calls are forgotten.
static struct device *opened(struct hip_fixture *fixture) {
    struct device *device = open_device(fixture);
    if (!device)
        fail_msg("%s", fixture->error.message);
    hip_fixture_forget_calls(fixture);
    return device;
}

static struct device_memory allocated(struct hip_fixture *fixture, struct device *device,
                                      size_t bytes, enum memory_kind kind) {
    struct device_memory memory;
    if (!backend_hip.allocate(device, bytes, kind, &memory, &fixture->error))
        fail_msg("%s", fixture->error.message);
    hip_fixture_forget_calls(fixture);
    return memory;
}

static void fail_at(struct hip_fixture *fixture, const char *call, int at, int status) {
    fixture->fake->fail_call = call;
    fixture->fake->fail_at = at;
    fixture->fake->fail_status = status;
}

static void expect_open_fails(struct hip_fixture *fixture, enum monogen_status status,
                              const char *part) {
    struct device *device = open_device(fixture);
    if (device)
        fail_msg("opened, although expected: %s", part);
    hip_fixture_expect_error(fixture, status, part);
    hip_fixture_expect_nothing_left(fixture);
}

// ---- open and close
// ------------------------------------------------------------------------------

static void open_and_close_call_in_order(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = open_device(fixture);
    assert_non_null(device);
    hip_fixture_expect_calls(fixture, OPEN_CALLS);
    backend_hip.close(device);
    hip_fixture_expect_calls(fixture, CLOSE_CALLS);
    hip_fixture_expect_nothing_left(fixture);
    backend_hip.close(NULL);
}

static void chosen_device_is_used(void **state) {
    struct hip_fixture *fixture = *state;
    fixture->fake->device_count = 2;
    setenv("MONOGEN_HIP_DEVICE", "1", 1);
    struct device *device = open_device(fixture);
    assert_non_null(device);
    assert_non_null(strstr(fixture->fake->log, "hipSetDevice 1\nhipModuleLoadData\n"));
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void open_fails_at_any_call(void **state) {
    struct hip_fixture *fixture = *state;
    static const struct {
        const char *call, *said;
        int at, status;
        enum monogen_status ends_with;
    } cases[] = {
        {"hipInit", "hipInit failed: hipErrorNoDevice (100)", 1, 100, MONOGEN_NO_ENVIRONMENT},
        {"hipGetDeviceCount", "hipGetDeviceCount failed", 1, 101, MONOGEN_NO_ENVIRONMENT},
        {"hipGetDevicePropertiesR0600", "hipGetDeviceProperties failed", 1, 101,
         MONOGEN_NO_ENVIRONMENT},
        {"hipDeviceGetAttribute", "hipDeviceGetAttribute failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"hipDeviceTotalMem", "hipDeviceTotalMem failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"hipSetDevice", "hipSetDevice failed", 1, 101, MONOGEN_NO_ENVIRONMENT},
        {"hipModuleLoadData", "hipModuleLoadData failed: hipErrorOutOfMemory (2)", 1, 2,
         MONOGEN_NO_ENVIRONMENT},
        {"hipModuleLoadData", "hipModuleLoadData failed: hipErrorInvalidImage (200)", 1, 200,
         MONOGEN_BAD_INPUT},
        {"hipModuleLoadData", "hipModuleLoadData failed: hipErrorNoBinaryForGpu (209)", 1, 209,
         MONOGEN_BAD_INPUT},
        {"hipModuleGetFunction", "holds no kernel named monokernel", 1, 500, MONOGEN_BAD_INPUT},
        {"hipModuleGetFunction", "hipModuleGetFunction failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"hipModuleOccupancyMaxActiveBlocksPerMultiprocessor",
         "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"hipStreamCreateWithFlags", "hipStreamCreateWithFlags failed", 1, 2,
         MONOGEN_NO_ENVIRONMENT},
        {"hipStreamCreateWithFlags", "hipStreamCreateWithFlags failed", 2, 2,
         MONOGEN_NO_ENVIRONMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hip_fixture_use(fixture, 6);
        fail_at(fixture, cases[i].call, cases[i].at, cases[i].status);
        expect_open_fails(fixture, cases[i].ends_with, cases[i].said);
    }
    // Without an error to fill, the answer is the same.
    hip_fixture_use(fixture, 6);
    fail_at(fixture, "hipModuleLoadData", 1, 200);
    assert_null(backend_hip.open(&fixture->manifest, fixture->folder, NULL));
}

static void device_must_fit_the_kernel(void **state) {
    struct hip_fixture *fixture = *state;
    fixture->fake->isa = "gfx90a:sramecc+:xnack-";
    expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT,
                      "the kernel is for gfx942 (mi300x), but device 0 (AMD Instinct MI300X) is a "
                      "gfx90a\n");
    fixture->fake->isa = "gfx942";
    fixture->fake->cus = 60;
    expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT,
                      "the kernel is for 304 CUs, but device 0 (AMD Instinct MI300X) has 60\n");
    hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "generate with --set cus=60");
    assert_null(strstr(fixture->fake->log, "hipModuleLoadData"));

    fixture->manifest.target.cus = 60; // a kernel for fewer CUs than there are is fine
    fixture->manifest.kernel.workgroups = 60;
    fixture->fake->cus = 304;
    struct device *device = open_device(fixture);
    assert_non_null(device);
    backend_hip.close(device);
}

static void all_workgroups_must_be_resident(void **state) {
    struct hip_fixture *fixture = *state;
    fixture->fake->workgroups_per_cu = 0;
    expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT,
                      "the kernel's 304 workgroups wait for each other, but only 0 are resident at "
                      "once: 304 CUs with 0 each");
    fixture->fake->workgroups_per_cu = 2;
    fixture->manifest.kernel.workgroups = 609;
    expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT,
                      "the kernel's 609 workgroups wait for each other, but only 608 are resident");
    fixture->manifest.kernel.workgroups = 608;
    struct device *device = open_device(fixture);
    assert_non_null(device);
    backend_hip.close(device);
}

static void code_object_must_be_whole(void **state) {
    struct hip_fixture *fixture = *state;
    const char *name = fixture->manifest.kernel.object;
    Elf64_Ehdr header = {.e_machine = EM_AMDGPU};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;

    Elf64_Ehdr broken[4] = {header, header, header, header};
    broken[0].e_ident[0] = 0;
    broken[1].e_machine = EM_X86_64;
    broken[2].e_shnum = 4; // sections behind the end
    broken[2].e_shentsize = 64;
    broken[3].e_shoff = UINT64_MAX - 8;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        hip_fixture_write(fixture, name, &broken[i], sizeof broken[i]);
        expect_open_fails(fixture, MONOGEN_BAD_INPUT,
                          "/5-kernel.co: not a whole AMD GPU code object");
    }
    hip_fixture_write(fixture, name, &header, sizeof header - 1);
    expect_open_fails(fixture, MONOGEN_BAD_INPUT, "not a whole AMD GPU code object");
    hip_fixture_write(fixture, name, "", 0);
    expect_open_fails(fixture, MONOGEN_BAD_INPUT, "not a whole AMD GPU code object");
    assert_null(strstr(fixture->fake->log, "hipModuleLoadData"));

    fixture->manifest.kernel.object = "absent.co";
    struct device *device = open_device(fixture);
    fixture->manifest.kernel.object = name;
    assert_null(device);
    hip_fixture_expect_error(fixture, MONOGEN_BAD_INPUT, "/absent.co");
    hip_fixture_expect_nothing_left(fixture);
}

// ---- memory
// --------------------------------------------------------------------------------------

static void device_memory_is_zeroed_and_moved(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory;
    assert_true(backend_hip.allocate(device, 4096, MEMORY_DEVICE, &memory, &fixture->error));
    hip_fixture_expect_calls(fixture, "hipSetDevice 0\n"
                                      "hipMalloc 4096\n"
                                      "hipMemsetAsync memory 0 to 0, 4096 bytes, stream 1\n"
                                      "hipStreamSynchronize stream 1\n");
    assert_null(memory.host);
    assert_int_equal(memory.bytes, 4096);
    assert_int_equal(memory.kind, MEMORY_DEVICE);

    const char text[] = "sixteen bytes ..";
    char back[4096];
    assert_true(backend_hip.upload(device, &memory, 4080, text, 16, &fixture->error));
    hip_fixture_expect_calls(fixture, "hipSetDevice 0\n"
                                      "hipMemcpyAsync to memory 0 + 4080, 16 bytes, stream 1\n"
                                      "hipStreamSynchronize stream 1\n");
    assert_true(backend_hip.download(device, back, &memory, 0, sizeof back, &fixture->error));
    hip_fixture_expect_calls(fixture, "hipSetDevice 0\n"
                                      "hipMemcpyAsync from memory 0 + 0, 4096 bytes, stream 1\n"
                                      "hipStreamSynchronize stream 1\n");
    assert_memory_equal(back + 4080, text, 16);
    for (size_t i = 0; i < 4080; i++)
        assert_int_equal(back[i], 0);

    assert_true(backend_hip.zero(device, &memory, &fixture->error));
    hip_fixture_expect_calls(fixture, "hipSetDevice 0\n"
                                      "hipMemsetAsync memory 0 to 0, 4096 bytes, stream 1\n"
                                      "hipStreamSynchronize stream 1\n");
    assert_true(backend_hip.download(device, back, &memory, 4080, 16, &fixture->error));
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(back[i], 0);

    hip_fixture_forget_calls(fixture);
    backend_hip.release(device, &memory);
    hip_fixture_expect_calls(fixture, "hipSetDevice 0\nhipFree memory 0\n");
    assert_int_equal(memory.device_address, 0);
    backend_hip.release(device, &memory); // twice is harmless
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void host_visible_memory_needs_no_driver(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory;
    assert_true(backend_hip.allocate(device, 64, MEMORY_HOST_VISIBLE, &memory, &fixture->error));
    hip_fixture_expect_calls(fixture, "hipSetDevice 0\n"
                                      "hipHostMalloc 64 flags 0x40000002\n"
                                      "hipHostGetDevicePointer flags 0\n");
    assert_non_null(memory.host);
    assert_int_not_equal(memory.device_address, (uintptr_t)memory.host);
    const unsigned char *bytes = memory.host;
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(bytes[i], 0);

    char back[4] = "";
    assert_true(backend_hip.upload(device, &memory, 60, "tail", 4, &fixture->error));
    assert_memory_equal(bytes + 60, "tail", 4);
    assert_true(backend_hip.download(device, back, &memory, 60, 4, &fixture->error));
    assert_memory_equal(back, "tail", 4);
    hip_fixture_expect_calls(fixture, "");
    assert_true(backend_hip.zero(device, &memory, &fixture->error));
    assert_int_equal(bytes[60], 0);

    hip_fixture_forget_calls(fixture);
    backend_hip.release(device, &memory);
    hip_fixture_expect_calls(fixture, "hipSetDevice 0\nhipHostFree memory 0\n");
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void empty_memory_is_no_call(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory;
    assert_true(backend_hip.allocate(device, 0, MEMORY_DEVICE, &memory, &fixture->error));
    assert_int_equal(memory.device_address, 0);
    assert_true(backend_hip.upload(device, &memory, 0, NULL, 0, &fixture->error));
    assert_true(backend_hip.download(device, NULL, &memory, 0, 0, &fixture->error));
    hip_fixture_expect_calls(fixture, "");
    backend_hip.release(device, &memory);
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void transfers_stay_inside(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory = allocated(fixture, device, 64, MEMORY_DEVICE);
    char bytes[64];
    static const size_t wrong[][2] = {{0, 65}, {64, 1}, {65, 0}, {1, SIZE_MAX}, {SIZE_MAX, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(
            backend_hip.upload(device, &memory, wrong[i][0], bytes, wrong[i][1], &fixture->error));
        hip_fixture_expect_error(fixture, MONOGEN_BAD_USAGE, "leaves a memory of 64 bytes");
        assert_false(backend_hip.download(device, bytes, &memory, wrong[i][0], wrong[i][1],
                                          &fixture->error));
        hip_fixture_expect_error(fixture, MONOGEN_BAD_USAGE, "leaves a memory of 64 bytes");
    }
    hip_fixture_expect_calls(fixture, "");
    backend_hip.release(device, &memory);
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void full_memory_is_explained(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    fail_at(fixture, "hipMalloc", 3, 2);
    struct device_memory memories[3];
    assert_true(backend_hip.allocate(device, 16, MEMORY_DEVICE, &memories[0], &fixture->error));
    assert_true(backend_hip.allocate(device, 16, MEMORY_DEVICE, &memories[1], &fixture->error));
    assert_false(backend_hip.allocate(device, (size_t)100 << 30, MEMORY_DEVICE, &memories[2],
                                      &fixture->error));
    hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "hipMalloc failed: hipErrorOutOfMemory (2)");
    hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "100.00 GiB were asked for, 48.00 of 192.00 GiB are free; a smaller "
                             "--context needs less");
    assert_int_equal(memories[2].device_address, 0);
    assert_int_equal(fixture->fake->memories, 2);
    for (size_t i = 0; i < 3; i++)
        backend_hip.release(device, &memories[i]);
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void failed_allocation_leaves_nothing(void **state) {
    struct hip_fixture *fixture = *state;
    static const struct {
        enum memory_kind kind;
        const char *call, *said;
    } cases[] = {
        {MEMORY_DEVICE, "hipSetDevice", "hipSetDevice failed"},
        {MEMORY_DEVICE, "hipMemsetAsync", "hipMemsetAsync failed"},
        {MEMORY_DEVICE, "hipStreamSynchronize", "hipStreamSynchronize failed"},
        {MEMORY_HOST_VISIBLE, "hipHostMalloc",
         "64 bytes of host memory that the device can reach were asked for"},
        {MEMORY_HOST_VISIBLE, "hipHostGetDevicePointer", "hipHostGetDevicePointer failed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hip_fixture_use(fixture, 6);
        struct device *device = opened(fixture);
        fail_at(fixture, cases[i].call, 1, 1);
        struct device_memory memory;
        assert_false(backend_hip.allocate(device, 64, cases[i].kind, &memory, &fixture->error));
        hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, cases[i].said);
        assert_int_equal(fixture->fake->memories, 0);
        backend_hip.close(device);
        hip_fixture_expect_nothing_left(fixture);
    }
}

static void failed_transfers_are_named(void **state) {
    struct hip_fixture *fixture = *state;
    static const char *const calls[] = {"hipSetDevice", "hipMemcpyAsync", "hipStreamSynchronize"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        hip_fixture_use(fixture, 6);
        struct device *device = opened(fixture);
        struct device_memory memory = allocated(fixture, device, 64, MEMORY_DEVICE);
        char bytes[64] = "", part[64];
        snprintf(part, sizeof part, "%s failed: hipErrorLaunchFailure (719)", calls[i]);
        fail_at(fixture, calls[i], 1, 719);
        assert_false(backend_hip.upload(device, &memory, 0, bytes, 64, &fixture->error));
        hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, part);
        backend_hip.release(device, &memory);
        backend_hip.close(device);
    }
}

// ---- launch
// --------------------------------------------------------------------------------------

static void launch_runs_until_polled_done(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory = allocated(fixture, device, 64, MEMORY_DEVICE);
    unsigned char arguments[24], back[64];
    for (size_t i = 0; i < sizeof arguments; i++)
        arguments[i] = (unsigned char)(i * 11);
    fixture->fake->polls_while_running = 2;
    assert_true(backend_hip.launch(device, arguments, sizeof arguments, &fixture->error));
    hip_fixture_expect_calls(
        fixture,
        "hipSetDevice 0\n"
        "hipModuleLaunchKernel 304x1x1 workgroups of 512x1x1 threads, 0 bytes, stream 0\n");
    assert_int_equal(fixture->fake->argument_bytes, sizeof arguments);
    assert_memory_equal(fixture->fake->arguments, arguments, sizeof arguments);

    assert_int_equal(backend_hip.poll(device, &fixture->error), LAUNCH_RUNNING);
    // A download meanwhile goes round the kernel; the fake notes a misuse if it does not.
    assert_true(backend_hip.download(device, back, &memory, 0, 64, &fixture->error));
    assert_int_equal(backend_hip.poll(device, &fixture->error), LAUNCH_RUNNING);
    assert_int_equal(backend_hip.poll(device, &fixture->error), LAUNCH_DONE);
    hip_fixture_expect_calls(fixture, "hipStreamQuery stream 0\n"
                                      "hipSetDevice 0\n"
                                      "hipMemcpyAsync from memory 0 + 0, 64 bytes, stream 1\n"
                                      "hipStreamSynchronize stream 1\n"
                                      "hipStreamQuery stream 0\n"
                                      "hipStreamQuery stream 0\n");

    // Once more, as for the next prompt.
    fixture->fake->polls_while_running = 0;
    assert_true(backend_hip.launch(device, arguments, sizeof arguments, &fixture->error));
    assert_int_equal(backend_hip.poll(device, &fixture->error), LAUNCH_DONE);
    backend_hip.release(device, &memory);
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void close_waits_for_the_kernel(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    unsigned char arguments[24] = {0};
    fixture->fake->polls_while_running = 1000;
    assert_true(backend_hip.launch(device, arguments, sizeof arguments, &fixture->error));
    assert_int_equal(backend_hip.poll(device, &fixture->error), LAUNCH_RUNNING);
    hip_fixture_forget_calls(fixture);
    backend_hip.close(device);
    hip_fixture_expect_calls(fixture, CLOSE_CALLS);
    hip_fixture_expect_nothing_left(fixture);
}

static void failed_launch_is_explained(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    unsigned char arguments[24] = {0};
    assert_false(backend_hip.launch(device, arguments, 16, &fixture->error));
    hip_fixture_expect_error(fixture, MONOGEN_BAD_USAGE,
                             "the argument block has 16 bytes, but the kernel takes 24");
    hip_fixture_expect_calls(fixture, "");

    fail_at(fixture, "hipModuleLaunchKernel", 1, 719);
    assert_false(backend_hip.launch(device, arguments, sizeof arguments, &fixture->error));
    hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "hipModuleLaunchKernel failed: hipErrorLaunchFailure (719): "
                             "unspecified launch failure\n  note: the kernel was not started");
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

static void crashed_kernel_is_explained(void **state) {
    struct hip_fixture *fixture = *state;
    struct device *device = opened(fixture);
    unsigned char arguments[24] = {0};
    assert_true(backend_hip.launch(device, arguments, sizeof arguments, &fixture->error));
    fail_at(fixture, "hipStreamQuery", 1, 719);
    assert_int_equal(backend_hip.poll(device, &fixture->error), LAUNCH_FAILED);
    hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "hipStreamQuery failed: hipErrorLaunchFailure (719)");
    hip_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "the kernel has crashed");
    backend_hip.close(device);
    hip_fixture_expect_nothing_left(fixture);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, hip_fixture_reset)
    const struct CMUnitTest tests[] = {
        TEST(open_and_close_call_in_order),
        TEST(chosen_device_is_used),
        TEST(open_fails_at_any_call),
        TEST(device_must_fit_the_kernel),
        TEST(all_workgroups_must_be_resident),
        TEST(code_object_must_be_whole),
        TEST(device_memory_is_zeroed_and_moved),
        TEST(host_visible_memory_needs_no_driver),
        TEST(empty_memory_is_no_call),
        TEST(transfers_stay_inside),
        TEST(full_memory_is_explained),
        TEST(failed_allocation_leaves_nothing),
        TEST(failed_transfers_are_named),
        TEST(launch_runs_until_polled_done),
        TEST(close_waits_for_the_kernel),
        TEST(failed_launch_is_explained),
        TEST(crashed_kernel_is_explained),
    };
    return cmocka_run_group_tests(tests, hip_fixture_open, hip_fixture_close);
}
