#include "tests/support/gpu_fixture.h"

#include "tests/support/printed.h"

#include <dlfcn.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char OBJECT[] = "5-kernel.co";

static bool is_cuda(const struct gpu_fixture *fixture) { return fixture->backend == &backend_cuda; }

// ---- words --------------------------------------------------------------------------------------

// What the two APIs say for the same thing. Words may hold words that stand above them.
static const struct word {
    const char *word, *hip, *cuda;
} words[] = {
    {"current", "hipSetDevice", "cuCtxSetCurrent"},
    {"make current", "hipSetDevice 0\n", "cuCtxSetCurrent context\n"},
    {"use second", "hipSetDevice 1\n", "cuDevicePrimaryCtxRetain of 71\ncuCtxSetCurrent context\n"},
    {"drop", "", "cuCtxSetCurrent none\ncuDevicePrimaryCtxRelease_v2 of 70\n"},
    {"init", "hipInit", "cuInit"},
    {"version", "hipRuntimeGetVersion", "cuDriverGetVersion"},
    {"count", "hipGetDeviceCount", "cuDeviceGetCount"},
    {"attribute", "hipDeviceGetAttribute", "cuDeviceGetAttribute"},
    {"total", "hipDeviceTotalMem", "cuDeviceTotalMem_v2"},
    {"load", "hipModuleLoadData", "cuModuleLoadData"},
    {"unload", "hipModuleUnload", "cuModuleUnload"},
    {"function", "hipModuleGetFunction", "cuModuleGetFunction"},
    {"resident", "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor",
     "cuOccupancyMaxActiveBlocksPerMultiprocessor"},
    {"launch", "hipModuleLaunchKernel", "cuLaunchKernel"},
    {"create", "hipStreamCreateWithFlags", "cuStreamCreate"},
    {"query", "hipStreamQuery", "cuStreamQuery"},
    {"synchronize", "hipStreamSynchronize", "cuStreamSynchronize"},
    {"destroy", "hipStreamDestroy", "cuStreamDestroy_v2"},
    {"allocate", "hipMalloc", "cuMemAlloc_v2"},
    {"release", "hipFree", "cuMemFree_v2"},
    {"allocate host", "hipHostMalloc", "cuMemHostAlloc"},
    {"release host", "hipHostFree", "cuMemFreeHost"},
    {"host flags", "0x40000002", "0x3"},
    {"host address", "hipHostGetDevicePointer", "cuMemHostGetDevicePointer_v2"},
    {"upload", "hipMemcpyAsync", "cuMemcpyHtoDAsync_v2"},
    {"download", "hipMemcpyAsync", "cuMemcpyDtoHAsync_v2"},
    {"fill", "hipMemsetAsync", "cuMemsetD8Async"},

    {"describe device",
     "hipGetDevicePropertiesR0600 of 0\n"
     "hipDeviceGetAttribute 63 of 0\n"
     "hipDeviceTotalMem of 0\n",
     "cuDeviceGet 0\n"
     "cuDeviceGetName of 70\n"
     "cuDeviceGetAttribute 75 of 70\n"
     "cuDeviceGetAttribute 76 of 70\n"
     "cuDeviceGetAttribute 16 of 70\n"
     "cuDeviceTotalMem_v2 of 70\n"},
    {"acquire", "", "cuDevicePrimaryCtxRetain of 70\n"},
    {"prepare LDS", "",
     "cuDeviceGetAttribute 97 of 70\n"
     "cuFuncGetAttribute 1\n"
     "cuFuncSetAttribute 8 to 118784\n"},
    {"dynamic LDS", "0", "118784"},

    {"no memory", "hipErrorOutOfMemory (2)", "CUDA_ERROR_OUT_OF_MEMORY (2)"},
    {"no device", "hipErrorNoDevice (100)", "CUDA_ERROR_NO_DEVICE (100)"},
    {"bad device", "hipErrorInvalidDevice (101)", "CUDA_ERROR_INVALID_DEVICE (101)"},
    {"bad value", "hipErrorInvalidValue (1)", "CUDA_ERROR_INVALID_VALUE (1)"},
    {"bad image", "hipErrorInvalidImage (200)", "CUDA_ERROR_INVALID_IMAGE (200)"},
    {"no binary", "hipErrorNoBinaryForGpu (209)", "CUDA_ERROR_NO_BINARY_FOR_GPU (209)"},
    {"crash", "hipErrorLaunchFailure (719)", "CUDA_ERROR_LAUNCH_FAILED (719)"},

    {"isa", "gfx942", "sm_90"}, // as the device tells it
    {"chip", "AMD Instinct MI300X", "NVIDIA H100 80GB HBM3"},
    {"CUs", "CUs", "SMs"},
    {"all", "304", "132"},
    {"twice", "608", "264"},
    {"one too many", "609", "265"},
    {"name", "mi300x", "h100"},
    {"free", "48.00 of 192.00", "20.00 of 80.00"},
    {"partitioned", "put it into SPX mode with amd-smi", "end that with nvidia-smi"},
    {"for what is there", "for a target with the XCDs that are there", "with --set cus=60"},
    {"object", "AMD GPU code object", "cubin"},
    {"driver", "HIP runtime", "CUDA driver"},
    {"GPU", "AMD GPU", "NVIDIA GPU"},
    {"VARIABLE", "MONOGEN_HIP", "MONOGEN_CUDA"},
};

static const char *word(const struct gpu_fixture *fixture, const char *name, size_t length) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == length && strncmp(words[i].word, name, length) == 0)
            return is_cuda(fixture) ? words[i].cuda : words[i].hip;
    fail_msg("no word {%.*s}", (int)length, name);
    return "";
}

const char *gpu_fixture_words(const struct gpu_fixture *fixture, const char *text) {
    static char results[4][4096];
    static unsigned next;
    char *result = results[next++ % 4];
    size_t used = 0;
    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        const char *piece = end ? word(fixture, text + 1, (size_t)(end - text - 1)) : text;
        size_t length = end ? strlen(piece) : 1;
        assert_true(used + length < sizeof results[0]);
        memcpy(result + used, piece, length);
        used += length;
        text = end ? end + 1 : text + 1;
    }
    result[used] = '\0';
    return result;
}

// ---- fakes --------------------------------------------------------------------------------------

// An ELF header of an object without sections.
static void write_object(const struct gpu_fixture *fixture) {
    enum { MACHINE_CUDA = 190 };
    Elf64_Ehdr header = {.e_type = ET_DYN,
                         .e_machine = is_cuda(fixture) ? MACHINE_CUDA : EM_AMDGPU,
                         .e_ehsize = sizeof header};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    gpu_fixture_write(fixture, OBJECT, &header, sizeof header);
}

void gpu_fixture_write(const struct gpu_fixture *fixture, const char *name, const void *contents,
                       size_t bytes) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(contents, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

void gpu_fixture_use(struct gpu_fixture *fixture, const char *fake) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s.so", fixture->library_folder, fake);
    void *library = dlopen(path, RTLD_NOW | RTLD_NODELETE);
    if (!library)
        fail_msg("%s", dlerror());
    void *state = dlsym(library, "fake_gpu_state");
    void *reset = dlsym(library, "fake_gpu_reset");
    assert_non_null(state);
    assert_non_null(reset);
    dlclose(library);
    fake_gpu_state_function *get_state = NULL;
    fake_gpu_reset_function *reset_state = NULL;
    memcpy(&get_state, &state, sizeof state);
    memcpy(&reset_state, &reset, sizeof reset);
    reset_state();
    fixture->fake = get_state();
    setenv(is_cuda(fixture) ? "MONOGEN_CUDA_LIBRARY" : "MONOGEN_HIP_LIBRARY", path, 1);
}

void gpu_fixture_renew(struct gpu_fixture *fixture) {
    gpu_fixture_use(fixture, is_cuda(fixture) ? "fake_cuda" : "fake_hip_6");
}

void gpu_fixture_fail(struct gpu_fixture *fixture, const char *call, int at, int status) {
    snprintf(fixture->failing, sizeof fixture->failing, "%s", gpu_fixture_words(fixture, call));
    fixture->fake->fail_call = fixture->failing;
    fixture->fake->fail_at = at;
    fixture->fake->fail_status = status;
}

static int open_fixture(void **state, const struct backend *backend,
                        const struct manifest_target *target) {
    struct gpu_fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    *state = fixture;
    fixture->backend = backend;

    // The Makefile puts the fakes into the tree of the test's program.
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return -1;
    program[length] = '\0';
    const char *tests = strstr(program, "/tests/");
    if (!tests)
        return -1;
    snprintf(fixture->library_folder, sizeof fixture->library_folder, "%.*s/tests/runtime/backend",
             (int)(tests - program), program);

    snprintf(fixture->folder, sizeof fixture->folder, "%s/gpu.XXXXXX", temporary_folder());
    if (!mkdtemp(fixture->folder))
        return -1;
    fixture->manifest = (struct manifest){
        .target = *target,
        .kernel = {.object = OBJECT,
                   .symbol = "monokernel",
                   .threads_per_workgroup = 512,
                   .lds_bytes = 116 << 10,
                   .argument_block_bytes = 24},
    };
    return 0;
}

int gpu_fixture_open_hip(void **state) {
    return open_fixture(
        state, &backend_hip,
        &(struct manifest_target){.name = "mi300x", .backend = "hip", .isa = "gfx942", .xcds = 8});
}

int gpu_fixture_open_cuda(void **state) {
    return open_fixture(
        state, &backend_cuda,
        &(struct manifest_target){.name = "h100", .backend = "cuda", .isa = "sm_90a", .xcds = 1});
}

int gpu_fixture_close(void **state) {
    struct gpu_fixture *fixture = *state;
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, OBJECT);
    int failed = unlink(path) | rmdir(fixture->folder);
    gpu_fixture_renew(fixture);
    free(fixture);
    return failed;
}

int gpu_fixture_reset(void **state) {
    struct gpu_fixture *fixture = *state;
    unsetenv("MONOGEN_HIP_DEVICE");
    unsetenv("MONOGEN_CUDA_DEVICE");
    unsetenv("ROCM_PATH");
    gpu_fixture_renew(fixture);
    write_object(fixture);
    fixture->manifest.target.cus = (uint32_t)fixture->fake->cus;
    fixture->manifest.kernel.workgroups = (uint32_t)fixture->fake->cus;
    fixture->error = (struct monogen_error){.status = MONOGEN_OK};
    return 0;
}

// ---- expectations -------------------------------------------------------------------------------

void gpu_fixture_expect_calls(struct gpu_fixture *fixture, const char *lines) {
    assert_string_equal(fixture->fake->log, gpu_fixture_words(fixture, lines));
    gpu_fixture_forget_calls(fixture);
}

void gpu_fixture_forget_calls(struct gpu_fixture *fixture) { fixture->fake->log[0] = '\0'; }

void gpu_fixture_expect_nothing_left(const struct gpu_fixture *fixture) {
    assert_string_equal(fixture->fake->misuse, "");
    assert_int_equal(fixture->fake->memories, 0);
    assert_int_equal(fixture->fake->streams, 0);
    assert_int_equal(fixture->fake->modules, 0);
    assert_int_equal(fixture->fake->contexts, 0);
}

void gpu_fixture_expect_error(const struct gpu_fixture *fixture, enum monogen_status status,
                              const char *part) {
    part = gpu_fixture_words(fixture, part);
    if (fixture->error.status != status || !strstr(fixture->error.message, part))
        fail_msg("expected status %d and '%s', but got status %d and '%s'", (int)status, part,
                 (int)fixture->error.status, fixture->error.message);
}

void gpu_fixture_expect_open_fails(struct gpu_fixture *fixture, enum monogen_status status,
                                   const char *part) {
    struct device *device =
        fixture->backend->open(&fixture->manifest, fixture->folder, 0, &fixture->error);
    if (device)
        fail_msg("opened, although expected: %s", part);
    gpu_fixture_expect_error(fixture, status, part);
    gpu_fixture_expect_nothing_left(fixture);
}

void gpu_fixture_expect_probe(const struct gpu_fixture *fixture, bool usable, const char *part) {
    char line[PATH_MAX + 1024] = "";
    part = gpu_fixture_words(fixture, part);
    bool answer = fixture->backend->probe(NULL, line, sizeof line);
    if (answer != usable || !strstr(line, part) || strchr(line, '\n'))
        fail_msg("expected %d and one line with '%s', but got %d and '%s'", usable, part, answer,
                 line);
}
