// The GPU backends against the fake drivers: which calls, in which order, and every failure. Every
// test runs for hip and for cuda; gpu_fixture.h says what {words} mean.
#include "runtime/backend/backend.h"
#include "tests/support/gpu_fixture.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char OPEN_CALLS[] = "{init} 0\n"
                                 "{version}\n"
                                 "{count}\n"
                                 "{describe device}"
                                 "{acquire}"
                                 "{make current}"
                                 "{load}\n"
                                 "{function} monokernel\n"
                                 "{prepare LDS}"
                                 "{resident} 512 threads, {dynamic LDS} bytes\n"
                                 "{create} 1 -> stream 0\n"
                                 "{create} 1 -> stream 1\n";

static const char CLOSE_CALLS[] = "{make current}"
                                  "{synchronize} stream 0\n"
                                  "{destroy} stream 0\n"
                                  "{destroy} stream 1\n"
                                  "{unload}\n"
                                  "{drop}";

static struct device *open_device(struct gpu_fixture *fixture) {
    return fixture->backend->open(&fixture->manifest, fixture->folder, 0, &fixture->error);
}

// An open device whose calls are forgotten.
static struct device *opened(struct gpu_fixture *fixture) {
    struct device *device = open_device(fixture);
    if (!device)
        fail_msg("%s", fixture->error.message);
    gpu_fixture_forget_calls(fixture);
    return device;
}

static struct device_memory allocated(struct gpu_fixture *fixture, struct device *device,
                                      size_t bytes, enum memory_kind kind) {
    struct device_memory memory;
    if (!fixture->backend->allocate(device, bytes, kind, &memory, &fixture->error))
        fail_msg("%s", fixture->error.message);
    gpu_fixture_forget_calls(fixture);
    return memory;
}

// ---- the size of the device -------------------------------------------------------------------

static void the_size_is_that_of_the_chosen_device(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device_size size;
    fixture->fake->cus = 60;
    assert_true(fixture->backend->measure(&size));
    assert_int_equal(size.cus, 60);
    assert_int_equal(size.memory_bytes, fixture->fake->memory_bytes);
    assert_string_equal(size.cus_name, gpu_fixture_words(fixture, "{CUs}"));
    // As for a probe, no context is made.
    gpu_fixture_expect_calls(fixture, "{init} 0\n{version}\n{count}\n{describe device}");
    gpu_fixture_expect_nothing_left(fixture);

    static const char *const calls[] = {"{init}", "{count}", "{attribute}", "{total}"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        gpu_fixture_renew(fixture);
        gpu_fixture_fail(fixture, calls[i], 1, 1);
        assert_false(fixture->backend->measure(&size));
        gpu_fixture_expect_nothing_left(fixture);
    }
}

// ---- open and close -----------------------------------------------------------------------------

static void open_and_close_call_in_order(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = open_device(fixture);
    assert_non_null(device);
    gpu_fixture_expect_calls(fixture, OPEN_CALLS);
    fixture->backend->close(device);
    gpu_fixture_expect_calls(fixture, CLOSE_CALLS);
    gpu_fixture_expect_nothing_left(fixture);
    fixture->backend->close(NULL);
}

static void chosen_device_is_used(void **state) {
    struct gpu_fixture *fixture = *state;
    fixture->fake->device_count = 2;
    setenv(gpu_fixture_words(fixture, "{VARIABLE}_DEVICE"), "1", 1);
    struct device *device = open_device(fixture);
    assert_non_null(device);
    assert_non_null(strstr(fixture->fake->log, gpu_fixture_words(fixture, "{use second}{load}\n")));
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void open_fails_at_any_call(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        const char *call, *said;
        int at, status;
        enum monogen_status ends_with;
    } cases[] = {
        {"{init}", "{init} failed: {no device}", 1, 100, MONOGEN_NO_ENVIRONMENT},
        {"{count}", "{count} failed", 1, 101, MONOGEN_NO_ENVIRONMENT},
        {"{attribute}", "{attribute} failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"{total}", "{total} failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"{current}", "{current} failed", 1, 101, MONOGEN_NO_ENVIRONMENT},
        {"{load}", "{load} failed: {no memory}", 1, 2, MONOGEN_NO_ENVIRONMENT},
        {"{load}", "{load} failed: {bad image}", 1, 200, MONOGEN_BAD_INPUT},
        {"{load}", "{load} failed: {no binary}", 1, 209, MONOGEN_BAD_INPUT},
        {"{function}", "holds no kernel named monokernel", 1, 500, MONOGEN_BAD_INPUT},
        {"{function}", "{function} failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"{resident}", "{resident} failed", 1, 1, MONOGEN_NO_ENVIRONMENT},
        {"{create}", "{create} failed", 1, 2, MONOGEN_NO_ENVIRONMENT},
        {"{create}", "{create} failed", 2, 2, MONOGEN_NO_ENVIRONMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gpu_fixture_renew(fixture);
        gpu_fixture_fail(fixture, cases[i].call, cases[i].at, cases[i].status);
        gpu_fixture_expect_open_fails(fixture, cases[i].ends_with, cases[i].said);
    }
    // Without an error to fill, the answer is the same.
    gpu_fixture_renew(fixture);
    gpu_fixture_fail(fixture, "{load}", 1, 200);
    assert_null(fixture->backend->open(&fixture->manifest, fixture->folder, 0, NULL));
}

static void expect_no_load(const struct gpu_fixture *fixture) {
    assert_null(strstr(fixture->fake->log, gpu_fixture_words(fixture, "{load}")));
}

static void device_must_fit_the_kernel(void **state) {
    struct gpu_fixture *fixture = *state;
    const char *isa = fixture->manifest.target.isa;
    fixture->manifest.target.isa = "gfx1";
    gpu_fixture_expect_open_fails(
        fixture, MONOGEN_NO_ENVIRONMENT,
        "the kernel is for gfx1 ({name}), but device 0 ({chip}) is a {isa}\n"
        "  note: choose another device with {VARIABLE}_DEVICE");
    fixture->manifest.target.isa = isa;
    int cus = fixture->fake->cus;
    fixture->fake->cus = 60;
    gpu_fixture_expect_open_fails(fixture, MONOGEN_NO_ENVIRONMENT,
                                  "the kernel is for {all} {CUs}, but device 0 ({chip}) has 60\n");
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "{partitioned}, or generate {for what is there}");
    expect_no_load(fixture);

    fixture->manifest.target.cus = 60; // a kernel for fewer CUs than there are is fine
    fixture->manifest.kernel.workgroups = 60;
    fixture->fake->cus = cus;
    struct device *device = open_device(fixture);
    assert_non_null(device);
    fixture->backend->close(device);
}

static void all_workgroups_must_be_resident(void **state) {
    struct gpu_fixture *fixture = *state;
    fixture->fake->workgroups_per_cu = 0;
    gpu_fixture_expect_open_fails(
        fixture, MONOGEN_NO_ENVIRONMENT,
        "the kernel's {all} workgroups wait for each other, but only 0 are resident at "
        "once: {all} {CUs} with 0 each");
    fixture->fake->workgroups_per_cu = 2;
    fixture->manifest.kernel.workgroups = 2 * fixture->manifest.target.cus + 1;
    gpu_fixture_expect_open_fails(
        fixture, MONOGEN_NO_ENVIRONMENT,
        "the kernel's {one too many} workgroups wait for each other, but only {twice} are "
        "resident");
    fixture->manifest.kernel.workgroups--;
    struct device *device = open_device(fixture);
    assert_non_null(device);
    fixture->backend->close(device);
}

static void code_object_must_be_whole(void **state) {
    struct gpu_fixture *fixture = *state;
    const char *name = fixture->manifest.kernel.object;
    enum { MACHINE_CUDA = 190 };
    Elf64_Ehdr header = {.e_machine = fixture->backend == &backend_cuda ? MACHINE_CUDA : EM_AMDGPU};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;

    Elf64_Ehdr broken[4] = {header, header, header, header};
    broken[0].e_ident[0] = 0;
    broken[1].e_machine = EM_X86_64;
    broken[2].e_shnum = 4; // sections behind the end
    broken[2].e_shentsize = 64;
    broken[3].e_shoff = UINT64_MAX - 8;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        gpu_fixture_write(fixture, name, &broken[i], sizeof broken[i]);
        gpu_fixture_expect_open_fails(fixture, MONOGEN_BAD_INPUT,
                                      "/5-kernel.co: not a whole {object}");
    }
    gpu_fixture_write(fixture, name, &header, sizeof header - 1);
    gpu_fixture_expect_open_fails(fixture, MONOGEN_BAD_INPUT, "not a whole {object}");
    gpu_fixture_write(fixture, name, "", 0);
    gpu_fixture_expect_open_fails(fixture, MONOGEN_BAD_INPUT, "not a whole {object}");
    expect_no_load(fixture);

    fixture->manifest.kernel.object = "absent.co";
    struct device *device = open_device(fixture);
    fixture->manifest.kernel.object = name;
    assert_null(device);
    gpu_fixture_expect_error(fixture, MONOGEN_BAD_INPUT, "/absent.co");
    gpu_fixture_expect_nothing_left(fixture);
}

// ---- memory -------------------------------------------------------------------------------------

static void device_memory_is_zeroed_and_moved(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory;
    assert_true(fixture->backend->allocate(device, 4096, MEMORY_DEVICE, &memory, &fixture->error));
    gpu_fixture_expect_calls(fixture, "{make current}"
                                      "{allocate} 4096\n"
                                      "{fill} memory 0 to 0, 4096 bytes, stream 1\n"
                                      "{synchronize} stream 1\n");
    assert_null(memory.host);
    assert_int_equal(memory.bytes, 4096);
    assert_int_equal(memory.kind, MEMORY_DEVICE);

    const char text[] = "sixteen bytes ..";
    char back[4096];
    assert_true(fixture->backend->upload(device, &memory, 4080, text, 16, &fixture->error));
    gpu_fixture_expect_calls(fixture, "{make current}"
                                      "{upload} to memory 0 + 4080, 16 bytes, stream 1\n"
                                      "{synchronize} stream 1\n");
    assert_true(fixture->backend->download(device, back, &memory, 0, sizeof back, &fixture->error));
    gpu_fixture_expect_calls(fixture, "{make current}"
                                      "{download} from memory 0 + 0, 4096 bytes, stream 1\n"
                                      "{synchronize} stream 1\n");
    assert_memory_equal(back + 4080, text, 16);
    for (size_t i = 0; i < 4080; i++)
        assert_int_equal(back[i], 0);

    assert_true(fixture->backend->zero(device, &memory, &fixture->error));
    gpu_fixture_expect_calls(fixture, "{make current}"
                                      "{fill} memory 0 to 0, 4096 bytes, stream 1\n"
                                      "{synchronize} stream 1\n");
    assert_true(fixture->backend->download(device, back, &memory, 4080, 16, &fixture->error));
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(back[i], 0);

    gpu_fixture_forget_calls(fixture);
    fixture->backend->release(device, &memory);
    gpu_fixture_expect_calls(fixture, "{make current}{release} memory 0\n");
    assert_int_equal(memory.device_address, 0);
    fixture->backend->release(device, &memory); // twice is harmless
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void host_visible_memory_needs_no_driver(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory;
    assert_true(
        fixture->backend->allocate(device, 64, MEMORY_HOST_VISIBLE, &memory, &fixture->error));
    gpu_fixture_expect_calls(fixture, "{make current}"
                                      "{allocate host} 64 flags {host flags}\n"
                                      "{host address} flags 0\n");
    assert_non_null(memory.host);
    assert_int_not_equal(memory.device_address, (uintptr_t)memory.host);
    const unsigned char *bytes = memory.host;
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(bytes[i], 0);

    char back[4] = "";
    assert_true(fixture->backend->upload(device, &memory, 60, "tail", 4, &fixture->error));
    assert_memory_equal(bytes + 60, "tail", 4);
    assert_true(fixture->backend->download(device, back, &memory, 60, 4, &fixture->error));
    assert_memory_equal(back, "tail", 4);
    gpu_fixture_expect_calls(fixture, "");
    assert_true(fixture->backend->zero(device, &memory, &fixture->error));
    assert_int_equal(bytes[60], 0);

    gpu_fixture_forget_calls(fixture);
    fixture->backend->release(device, &memory);
    gpu_fixture_expect_calls(fixture, "{make current}{release host} memory 0\n");
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void empty_memory_is_no_call(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory;
    assert_true(fixture->backend->allocate(device, 0, MEMORY_DEVICE, &memory, &fixture->error));
    assert_int_equal(memory.device_address, 0);
    assert_true(fixture->backend->upload(device, &memory, 0, NULL, 0, &fixture->error));
    assert_true(fixture->backend->download(device, NULL, &memory, 0, 0, &fixture->error));
    gpu_fixture_expect_calls(fixture, "");
    fixture->backend->release(device, &memory);
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void transfers_stay_inside(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory = allocated(fixture, device, 64, MEMORY_DEVICE);
    char bytes[64];
    static const size_t wrong[][2] = {{0, 65}, {64, 1}, {65, 0}, {1, SIZE_MAX}, {SIZE_MAX, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(fixture->backend->upload(device, &memory, wrong[i][0], bytes, wrong[i][1],
                                              &fixture->error));
        gpu_fixture_expect_error(fixture, MONOGEN_BAD_USAGE, "leaves a memory of 64 bytes");
        assert_false(fixture->backend->download(device, bytes, &memory, wrong[i][0], wrong[i][1],
                                                &fixture->error));
        gpu_fixture_expect_error(fixture, MONOGEN_BAD_USAGE, "leaves a memory of 64 bytes");
    }
    gpu_fixture_expect_calls(fixture, "");
    fixture->backend->release(device, &memory);
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void full_memory_is_explained(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    gpu_fixture_fail(fixture, "{allocate}", 3, 2);
    struct device_memory memories[3];
    assert_true(
        fixture->backend->allocate(device, 16, MEMORY_DEVICE, &memories[0], &fixture->error));
    assert_true(
        fixture->backend->allocate(device, 16, MEMORY_DEVICE, &memories[1], &fixture->error));
    assert_false(fixture->backend->allocate(device, (size_t)100 << 30, MEMORY_DEVICE, &memories[2],
                                            &fixture->error));
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "{allocate} failed: {no memory}");
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "100.00 GiB were asked for, {free} GiB are free; a smaller "
                             "--context needs less");
    assert_int_equal(memories[2].device_address, 0);
    assert_int_equal(fixture->fake->memories, 2);
    for (size_t i = 0; i < 3; i++)
        fixture->backend->release(device, &memories[i]);
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void expect_usage(const struct gpu_fixture *fixture, const struct device *device,
                         size_t bytes, size_t most_bytes) {
    const struct device_usage usage = fixture->backend->usage(device);
    assert_int_equal(usage.bytes, bytes);
    assert_int_equal(usage.most_bytes, most_bytes);
}

static void device_memory_is_counted(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory none;
    expect_usage(fixture, device, 0, 0);
    struct device_memory first = allocated(fixture, device, 4096, MEMORY_DEVICE);
    struct device_memory second = allocated(fixture, device, 100, MEMORY_STREAMED);
    struct device_memory on_host = allocated(fixture, device, 5000, MEMORY_HOST_VISIBLE);
    expect_usage(fixture, device, 4196, 4196);
    gpu_fixture_fail(fixture, "{allocate}", 1, 2);
    assert_false(fixture->backend->allocate(device, 64, MEMORY_DEVICE, &none, &fixture->error));
    expect_usage(fixture, device, 4196, 4196);
    fixture->backend->release(device, &first);
    fixture->backend->release(device, &first);
    fixture->backend->release(device, &on_host);
    expect_usage(fixture, device, 100, 4196);
    first = allocated(fixture, device, 50, MEMORY_DEVICE);
    expect_usage(fixture, device, 150, 4196);
    fixture->backend->release(device, &first);
    fixture->backend->release(device, &second);
    expect_usage(fixture, device, 0, 4196);
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void failed_allocation_leaves_nothing(void **state) {
    struct gpu_fixture *fixture = *state;
    static const struct {
        enum memory_kind kind;
        const char *call, *said;
    } cases[] = {
        {MEMORY_DEVICE, "{current}", "{current} failed"},
        {MEMORY_DEVICE, "{fill}", "{fill} failed"},
        {MEMORY_DEVICE, "{synchronize}", "{synchronize} failed"},
        {MEMORY_HOST_VISIBLE, "{allocate host}",
         "64 bytes of host memory that the device can reach were asked for"},
        {MEMORY_HOST_VISIBLE, "{host address}", "{host address} failed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gpu_fixture_renew(fixture);
        struct device *device = opened(fixture);
        gpu_fixture_fail(fixture, cases[i].call, 1, 1);
        struct device_memory memory;
        assert_false(
            fixture->backend->allocate(device, 64, cases[i].kind, &memory, &fixture->error));
        gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, cases[i].said);
        assert_int_equal(fixture->fake->memories, 0);
        fixture->backend->close(device);
        gpu_fixture_expect_nothing_left(fixture);
    }
}

static void failed_transfers_are_named(void **state) {
    struct gpu_fixture *fixture = *state;
    static const char *const calls[] = {"{current}", "{upload}", "{synchronize}"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        gpu_fixture_renew(fixture);
        struct device *device = opened(fixture);
        struct device_memory memory = allocated(fixture, device, 64, MEMORY_DEVICE);
        char bytes[64] = "", part[64];
        snprintf(part, sizeof part, "%s failed: {crash}", calls[i]);
        gpu_fixture_fail(fixture, calls[i], 1, 719);
        assert_false(fixture->backend->upload(device, &memory, 0, bytes, 64, &fixture->error));
        gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, part);
        fixture->backend->release(device, &memory);
        fixture->backend->close(device);
    }
}

// ---- launch -------------------------------------------------------------------------------------

static void launch_runs_until_polled_done(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    struct device_memory memory = allocated(fixture, device, 64, MEMORY_DEVICE);
    unsigned char arguments[24], back[64];
    for (size_t i = 0; i < sizeof arguments; i++)
        arguments[i] = (unsigned char)(i * 11);
    fixture->fake->polls_while_running = 2;
    assert_true(fixture->backend->launch(device, arguments, sizeof arguments, &fixture->error));
    gpu_fixture_expect_calls(
        fixture,
        "{make current}"
        "{launch} {all}x1x1 workgroups of 512x1x1 threads, {dynamic LDS} bytes, stream 0\n");
    assert_int_equal(fixture->fake->argument_bytes, sizeof arguments);
    assert_memory_equal(fixture->fake->arguments, arguments, sizeof arguments);

    assert_int_equal(fixture->backend->poll(device, &fixture->error), LAUNCH_RUNNING);
    // A download meanwhile goes round the kernel; the fake notes a misuse if it does not.
    assert_true(fixture->backend->download(device, back, &memory, 0, 64, &fixture->error));
    assert_int_equal(fixture->backend->poll(device, &fixture->error), LAUNCH_RUNNING);
    assert_int_equal(fixture->backend->poll(device, &fixture->error), LAUNCH_DONE);
    gpu_fixture_expect_calls(fixture, "{query} stream 0\n"
                                      "{make current}"
                                      "{download} from memory 0 + 0, 64 bytes, stream 1\n"
                                      "{synchronize} stream 1\n"
                                      "{query} stream 0\n"
                                      "{query} stream 0\n");

    // Once more, as for the next prompt.
    fixture->fake->polls_while_running = 0;
    assert_true(fixture->backend->launch(device, arguments, sizeof arguments, &fixture->error));
    assert_int_equal(fixture->backend->poll(device, &fixture->error), LAUNCH_DONE);
    fixture->backend->release(device, &memory);
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void close_waits_for_the_kernel(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    unsigned char arguments[24] = {0};
    fixture->fake->polls_while_running = 1000;
    assert_true(fixture->backend->launch(device, arguments, sizeof arguments, &fixture->error));
    assert_int_equal(fixture->backend->poll(device, &fixture->error), LAUNCH_RUNNING);
    gpu_fixture_forget_calls(fixture);
    fixture->backend->close(device);
    gpu_fixture_expect_calls(fixture, CLOSE_CALLS);
    gpu_fixture_expect_nothing_left(fixture);
}

static void failed_launch_is_explained(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    unsigned char arguments[24] = {0};
    assert_false(fixture->backend->launch(device, arguments, 16, &fixture->error));
    gpu_fixture_expect_error(fixture, MONOGEN_BAD_USAGE,
                             "the argument block has 16 bytes, but the kernel takes 24");
    gpu_fixture_expect_calls(fixture, "");

    gpu_fixture_fail(fixture, "{launch}", 1, 719);
    assert_false(fixture->backend->launch(device, arguments, sizeof arguments, &fixture->error));
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT,
                             "{launch} failed: {crash}: "
                             "unspecified launch failure\n  note: the kernel was not started");
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

static void crashed_kernel_is_explained(void **state) {
    struct gpu_fixture *fixture = *state;
    struct device *device = opened(fixture);
    unsigned char arguments[24] = {0};
    assert_true(fixture->backend->launch(device, arguments, sizeof arguments, &fixture->error));
    gpu_fixture_fail(fixture, "{query}", 1, 719);
    assert_int_equal(fixture->backend->poll(device, &fixture->error), LAUNCH_FAILED);
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "{query} failed: {crash}");
    gpu_fixture_expect_error(fixture, MONOGEN_NO_ENVIRONMENT, "the kernel has crashed");
    fixture->backend->close(device);
    gpu_fixture_expect_nothing_left(fixture);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, gpu_fixture_reset)
    const struct CMUnitTest tests[] = {
        TEST(the_size_is_that_of_the_chosen_device),
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
        TEST(device_memory_is_counted),
        TEST(failed_allocation_leaves_nothing),
        TEST(failed_transfers_are_named),
        TEST(launch_runs_until_polled_done),
        TEST(close_waits_for_the_kernel),
        TEST(failed_launch_is_explained),
        TEST(crashed_kernel_is_explained),
    };
    return cmocka_run_group_tests_name("hip", tests, gpu_fixture_open_hip, gpu_fixture_close) +
           cmocka_run_group_tests_name("cuda", tests, gpu_fixture_open_cuda, gpu_fixture_close);
}
