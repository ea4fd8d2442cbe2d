// Small kernels on a real NVIDIA GPU, from NVRTC to the cuda backend: what the fake driver takes on
// trust. Skipped where there is no such GPU.
#include "runtime/backend/backend.h"
#include "runtime/clock.h"
#include "runtime/manifest.h"
#include "tests/support/small_kernel.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { THREADS = 256, LDS_BYTES = 120 << 10 }; // more than half of what an SM has
enum mode { MODE_REVERSE, MODE_TALK, MODE_TRAP };

// As the kernel has it too.
struct block {
    uint64_t out, in, ring, stop;
    uint64_t timeout_ns;
    uint32_t mode, unused;
};

static const char source[] =
    "struct Block {\n"
    "    float *out;\n"
    "    const float *in;\n"
    "    unsigned long long *ring;\n"
    "    const unsigned *stop;\n"
    "    unsigned long long timeout_ns;\n"
    "    unsigned mode;\n"
    "};\n"
    "static __device__ unsigned long long now_ns() {\n"
    "    unsigned long long now;\n"
    "    asm volatile(\"mov.u64 %0, %%globaltimer;\" : \"=l\"(now));\n"
    "    return now;\n"
    "}\n"
    "static __device__ unsigned load_host(const unsigned *word) {\n"
    "    unsigned value;\n"
    "    asm volatile(\"ld.relaxed.sys.global.u32 %0, [%1];\" : \"=r\"(value) : \"l\"(word)\n"
    "                 : \"memory\");\n"
    "    return value;\n"
    "}\n"
    "static __device__ void store_host(unsigned long long *pair, unsigned long long value) {\n"
    "    asm volatile(\"st.relaxed.sys.global.u64 [%0], %1;\" ::\"l\"(pair), \"l\"(value)\n"
    "                 : \"memory\");\n"
    "}\n"
    "extern __shared__ __align__(16) unsigned char lds[];\n"
    "extern \"C\" __global__ void __launch_bounds__(256, 1) monokernel(const Block block) {\n"
    "    const unsigned lane = threadIdx.x;\n"
    "    if (block.mode == 0) {\n"
    // At the end of the shared memory that the launch brings: all of it must be there.
    "        float *tile = (float *)(lds + (120 << 10)) - 256;\n"
    "        tile[lane] = block.in[blockIdx.x * 256 + lane];\n"
    "        __syncthreads();\n"
    "        block.out[blockIdx.x * 256 + lane] = 2.0f * tile[255 - lane];\n"
    "    } else if (block.mode == 1 && blockIdx.x == 0 && lane == 0) {\n"
    "        const unsigned long long start = now_ns();\n"
    "        store_host(&block.ring[0], 7);\n"
    "        while (load_host(block.stop) == 0 && now_ns() - start < block.timeout_ns)\n"
    "            ;\n"
    "        store_host(&block.ring[1], load_host(block.stop) ? 1 : 2);\n"
    "    } else if (block.mode == 2 && blockIdx.x == 0) {\n"
    "        asm volatile(\"trap;\");\n"
    "    }\n"
    "}\n";

static char folder[PATH_MAX];
static struct manifest manifest = {
    .target = {.name = "test", .backend = "cuda", .isa = "sm_90a", .xcds = 1},
    .kernel = {.object = "5-kernel.cubin",
               .symbol = "monokernel",
               .threads_per_workgroup = THREADS,
               .lds_bytes = LDS_BYTES,
               .argument_block_bytes = sizeof(struct block)},
};

// Compiles the kernel, for as many workgroups as there are SMs. Skips the test where that is not
// possible.
static void need_device(void) {
    char line[1024];
    need_compiler("nvrtc");
    if (!backend_cuda.probe("sm_90a", line, sizeof line)) {
        print_message("SKIPPED: %s\n", line);
        skip();
    }
    int sms = 0;
    assert_int_equal(sscanf(line, "sm_90, %d SMs", &sms), 1);
    manifest.target.cus = manifest.kernel.workgroups = (uint32_t)sms;
    if (folder[0])
        return;
    snprintf(folder, sizeof folder, "%s", test_folder("cuda"));
    struct compile_request request = small_kernel_request("nvrtc");
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    request.source = source;
    request.kernel = manifest.kernel.symbol;
    if (!compile_source(&request, NULL, NULL, NULL, &result, &diagnostics)) {
        diagnostics_print(&diagnostics, stderr);
        fail_msg("the kernel does not compile");
    }
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, manifest.kernel.object);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(result.object.bytes, 1, result.object.length, file),
                     result.object.length);
    assert_int_equal(fclose(file), 0);
    compile_result_close(&result);
}

static struct device *opened(void) {
    struct monogen_error error;
    struct device *device = backend_cuda.open(&manifest, folder, 0, &error);
    if (!device)
        fail_msg("%s", error.message);
    return device;
}

#define CHECK(call)                                                                                \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s", error.message);                                                         \
    } while (0)

static enum launch_state wait_for_end(struct device *device, struct monogen_error *error) {
    enum launch_state state = LAUNCH_RUNNING;
    for (double start = clock_seconds(CLOCK_MONOTONIC);
         state == LAUNCH_RUNNING && clock_seconds(CLOCK_MONOTONIC) - start < 10;)
        state = backend_cuda.poll(device, error);
    return state;
}

// Every SM computes, with as much shared memory as was asked for.
static void a_kernel_computes(void **state) {
    (void)state;
    need_device();
    struct monogen_error error = {.message = ""};
    struct device *device = opened();
    const size_t count = (size_t)manifest.kernel.workgroups * THREADS,
                 bytes = count * sizeof(float);
    struct device_memory in, out;
    float *numbers = malloc(bytes);
    assert_non_null(numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)i;
    CHECK(backend_cuda.allocate(device, bytes, MEMORY_STREAMED, &in, &error));
    CHECK(backend_cuda.allocate(device, bytes, MEMORY_DEVICE, &out, &error));
    CHECK(backend_cuda.upload(device, &in, 0, numbers, bytes, &error));
    const struct block block = {
        .in = in.device_address, .out = out.device_address, .mode = MODE_REVERSE};
    for (int launch = 0; launch < 2; launch++) {
        CHECK(backend_cuda.zero(device, &out, &error));
        CHECK(backend_cuda.launch(device, &block, sizeof block, &error));
        if (wait_for_end(device, &error) != LAUNCH_DONE)
            fail_msg("it did not end: %s", error.message);
        CHECK(backend_cuda.download(device, numbers, &out, 0, bytes, &error));
        for (size_t i = 0; i < count; i++)
            if (numbers[i] != 2.0f * (float)(i / THREADS * THREADS + THREADS - 1 - i % THREADS))
                fail_msg("number %zu is %g", i, (double)numbers[i]);
    }
    free(numbers);
    backend_cuda.release(device, &in);
    backend_cuda.release(device, &out);
    backend_cuda.close(device);
}

// Tokens come while the kernel runs, and a word of the host reaches it.
static void kernel_and_host_talk(void **state) {
    (void)state;
    need_device();
    struct monogen_error error = {.message = ""};
    struct device *device = opened();
    struct device_memory ring, stop;
    CHECK(backend_cuda.allocate(device, 16, MEMORY_HOST_VISIBLE, &ring, &error));
    CHECK(backend_cuda.allocate(device, 4, MEMORY_HOST_VISIBLE, &stop, &error));
    const struct block block = {.ring = ring.device_address,
                                .stop = stop.device_address,
                                .timeout_ns = 5000000000,
                                .mode = MODE_TALK};
    uint64_t *tokens = ring.host;
    const double start = clock_seconds(CLOCK_MONOTONIC);
    CHECK(backend_cuda.launch(device, &block, sizeof block, &error));
    while (__atomic_load_n(&tokens[0], __ATOMIC_ACQUIRE) == 0 &&
           clock_seconds(CLOCK_MONOTONIC) - start < 4)
        ;
    assert_int_equal(tokens[0], 7);
    assert_int_equal(backend_cuda.poll(device, &error), LAUNCH_RUNNING);
    __atomic_store_n((uint32_t *)stop.host, 1, __ATOMIC_RELEASE);
    if (wait_for_end(device, &error) != LAUNCH_DONE)
        fail_msg("it did not end: %s", error.message);
    assert_int_equal(tokens[1], 1);
    assert_true(clock_seconds(CLOCK_MONOTONIC) - start < 4);
    backend_cuda.release(device, &ring);
    backend_cuda.release(device, &stop);
    backend_cuda.close(device);
}

static void expect_refused(const char *part) {
    struct monogen_error error;
    struct device *device = backend_cuda.open(&manifest, folder, 0, &error);
    if (device)
        fail_msg("opened, although expected: %s", part);
    if (!strstr(error.message, part))
        fail_msg("expected '%s', but got '%s'", part, error.message);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    need_device();
    manifest.kernel.workgroups++;
    expect_refused("workgroups wait for each other, but only");
    manifest.kernel.workgroups--;
    manifest.target.cus++;
    expect_refused("or generate with --set cus=");
    manifest.target.cus--;
    manifest.kernel.lds_bytes = 1 << 20;
    expect_refused("a workgroup of the kernel needs 1048576 bytes of shared memory");
    manifest.kernel.lds_bytes = LDS_BYTES;

    struct monogen_error error;
    struct device *device = opened();
    struct device_memory memory;
    assert_false(backend_cuda.allocate(device, (size_t)1 << 40, MEMORY_DEVICE, &memory, &error));
    assert_non_null(strstr(error.message, "1024.00 GiB were asked for, "));
    assert_non_null(strstr(error.message, "GiB are free"));
    backend_cuda.close(device);
}

// Where NVML is there, its counter goes up at the rate of a GPU.
static void energy_is_counted(void **state) {
    (void)state;
    need_device();
    struct device *device = opened();
    double before = 0, after = 0;
    if (!backend_cuda.energy(device, &before)) {
        backend_cuda.close(device);
        print_message("SKIPPED: no NVML tells this GPU's energy\n");
        skip();
    }
    const double start = clock_seconds(CLOCK_MONOTONIC);
    while (clock_seconds(CLOCK_MONOTONIC) - start < 1)
        ;
    assert_true(backend_cuda.energy(device, &after));
    print_message("%.1f J in a second\n", after - before);
    assert_true(after - before > 5 && after - before < 2000);
    backend_cuda.close(device);
}

// The last test: after it the process can no longer use the device.
static void a_trap_is_told(void **state) {
    (void)state;
    need_device();
    struct monogen_error error = {.message = ""};
    struct device *device = opened();
    const struct block block = {.mode = MODE_TRAP};
    CHECK(backend_cuda.launch(device, &block, sizeof block, &error));
    assert_int_equal(wait_for_end(device, &error), LAUNCH_FAILED);
    print_message("%s\n", error.message);
    assert_non_null(strstr(error.message, "cuStreamQuery failed: CUDA_ERROR_"));
    assert_non_null(strstr(error.message, "the kernel has crashed"));
    backend_cuda.close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_computes),
        cmocka_unit_test(kernel_and_host_talk),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(energy_is_counted),
        cmocka_unit_test(a_trap_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
