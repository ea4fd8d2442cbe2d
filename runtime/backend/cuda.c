// The cuda backend: a cubin on one NVIDIA GPU, through the driver API of libcuda.
//
// A device is used through its primary context, which other users of CUDA in the process share. The
// launch brings the LDS of a workgroup (shared memory, manifest.kernel.lds_bytes) as dynamic shared
// memory: an object cannot ask for more than 48 KiB itself. What it does ask for comes on top.
#include "runtime/backend/gpu.h"
#include "runtime/backend/nvml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_DRIVER "/dev/nvidiactl" // what NVIDIA's kernel driver offers to all programs
#define WINDOWS_DRIVER "/dev/dxg"      // the same under Windows' Subsystem for Linux

enum { MACHINE_CUDA = 190 }; // EM_CUDA of newer elf.h

enum device_attribute {           // CUdevice_attribute
    ATTRIBUTE_SM_COUNT = 16,      // MULTIPROCESSOR_COUNT
    ATTRIBUTE_MAJOR = 75,         // COMPUTE_CAPABILITY_MAJOR
    ATTRIBUTE_MINOR = 76,         // COMPUTE_CAPABILITY_MINOR
    ATTRIBUTE_WORKGROUP_LDS = 97, // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
};
enum function_attribute {     // CUfunction_attribute
    FUNCTION_STATIC_LDS = 1,  // SHARED_SIZE_BYTES
    FUNCTION_DYNAMIC_LDS = 8, // MAX_DYNAMIC_SHARED_SIZE_BYTES
};
enum {                        // of cuMemHostAlloc
    HOST_MEMORY_PORTABLE = 1, // pinned for every context
    HOST_MEMORY_MAPPED = 2,   // has an address on the device
};

// CUDA_FUNCTION(name, parameters); all return a status.
#define CUDA_FUNCTIONS(CUDA_FUNCTION)                                                              \
    CUDA_FUNCTION(cuGetErrorName, (int status, const char **name))                                 \
    CUDA_FUNCTION(cuGetErrorString, (int status, const char **text))                               \
    CUDA_FUNCTION(cuDeviceGet, (int *device, int number))                                          \
    CUDA_FUNCTION(cuDeviceGetName, (char *name, int bytes, int device))                            \
    CUDA_FUNCTION(cuDeviceGetPCIBusId, (char *bus_id, int bytes, int device))                      \
    CUDA_FUNCTION(cuDevicePrimaryCtxRetain, (void **context, int device))                          \
    CUDA_FUNCTION(cuDevicePrimaryCtxRelease_v2, (int device))                                      \
    CUDA_FUNCTION(cuCtxSetCurrent, (void *context))                                                \
    CUDA_FUNCTION(cuFuncGetAttribute, (int *value, int attribute, gpu_function function))          \
    CUDA_FUNCTION(cuFuncSetAttribute, (gpu_function function, int attribute, int value))           \
    CUDA_FUNCTION(cuMemcpyHtoDAsync_v2,                                                            \
                  (uint64_t to, const void *from, size_t bytes, gpu_stream stream))                \
    CUDA_FUNCTION(cuMemcpyDtoHAsync_v2,                                                            \
                  (void *to, uint64_t from, size_t bytes, gpu_stream stream))                      \
    CUDA_FUNCTION(cuMemsetD8Async,                                                                 \
                  (uint64_t memory, unsigned char value, size_t bytes, gpu_stream stream))

struct cuda_functions {
#define CUDA_MEMBER(name, parameters) int(*name) parameters;
    CUDA_FUNCTIONS(CUDA_MEMBER)
#undef CUDA_MEMBER
};

// What driver->own points to.
struct cuda {
    struct cuda_functions functions;
    bool meter_sought; // it was tried to open the meter
    struct nvml_meter meter;
};

static const struct library_symbol own_symbols[] = {
#define CUDA_SYMBOL(name, parameters) {#name, offsetof(struct cuda, functions.name), false},
    CUDA_FUNCTIONS(CUDA_SYMBOL)
#undef CUDA_SYMBOL
};

static const struct cuda_functions *own(const struct gpu_driver *driver) {
    return &((const struct cuda *)driver->own)->functions;
}

// name(...), and whether it succeeded.
#define CALL(driver, name, arguments, advice, error)                                               \
    gpu_check(driver, own(driver)->name arguments, #name, advice, error)

static void describe(const struct gpu_driver *driver, int status, const char **name,
                     const char **text) {
    if (own(driver)->cuGetErrorName(status, name) != GPU_SUCCESS)
        *name = NULL;
    if (own(driver)->cuGetErrorString(status, text) != GPU_SUCCESS)
        *text = NULL;
}

static const char *no_gpu_advice(void) {
    if (access(KERNEL_DRIVER, F_OK) != 0 && access(WINDOWS_DRIVER, F_OK) != 0)
        return "there is no " KERNEL_DRIVER
               ": this machine has no NVIDIA GPU, its kernel driver is "
               "not loaded, or a container hides it (start it with --gpus all); "
               "--device host runs on the CPU";
    return "the kernel driver is there, so look at CUDA_VISIBLE_DEVICES, at nvidia-smi and at the "
           "system's log (dmesg); --device host runs on the CPU";
}

static bool identify(const struct gpu_driver *driver, struct gpu_facts *facts,
                     struct monogen_error *error) {
    static const char advice[] = "the driver cannot describe the device; see nvidia-smi and the "
                                 "system's log (dmesg)";
    int major = 0, minor = 0;
    if (!CALL(driver, cuDeviceGet, (&facts->handle, facts->number), advice, error) ||
        !CALL(driver, cuDeviceGetName, (facts->name, sizeof facts->name, facts->handle), advice,
              error) ||
        !gpu_check_call(driver, driver->get_attribute(&major, ATTRIBUTE_MAJOR, facts->handle),
                        GPU_CALL_get_attribute, advice, error) ||
        !gpu_check_call(driver, driver->get_attribute(&minor, ATTRIBUTE_MINOR, facts->handle),
                        GPU_CALL_get_attribute, advice, error))
        return false;
    snprintf(facts->isa, sizeof facts->isa, "sm_%d%d", major, minor);
    return true;
}

// 90 of "sm_90a", and the suffix. 0: the text has another form.
static long architecture(const char *isa, const char **suffix) {
    static const char prefix[] = "sm_";
    char *end = NULL;
    const char *digits = isa + sizeof prefix - 1;
    if (strncmp(isa, prefix, sizeof prefix - 1) != 0 || !isdigit((unsigned char)*digits))
        return 0;
    long number = strtol(digits, &end, 10);
    *suffix = end;
    return number;
}

// Code for sm_90a runs there alone; without a suffix it runs on later devices of its generation
// too.
static bool runs(const char *device_isa, const char *kernel_isa) {
    const char *suffix = "", *kernel_suffix = "";
    long device = architecture(device_isa, &suffix),
         kernel = architecture(kernel_isa, &kernel_suffix);
    if (device == 0 || kernel == 0)
        return false;
    return *kernel_suffix ? device == kernel : device / 10 == kernel / 10 && device >= kernel;
}

static bool make_current(const struct gpu_driver *driver, const struct gpu_facts *facts,
                         struct monogen_error *error) {
    (void)facts;
    return CALL(driver, cuCtxSetCurrent, (driver->context),
                "the device has gone; see the system's log (dmesg)", error);
}

static bool acquire(struct gpu_driver *driver, const struct gpu_facts *facts,
                    struct monogen_error *error) {
    return CALL(driver, cuDevicePrimaryCtxRetain, (&driver->context, facts->handle),
                "another program may have filled the device's memory or have it for itself "
                "(nvidia-smi shows both)",
                error);
}

static void relinquish(struct gpu_driver *driver, const struct gpu_facts *facts) {
    nvml_close(&((struct cuda *)driver->own)->meter);
    own(driver)->cuCtxSetCurrent(NULL);
    own(driver)->cuDevicePrimaryCtxRelease_v2(facts->handle);
    driver->context = NULL;
}

static bool prepare_lds(const struct gpu_driver *driver, const struct gpu_facts *facts,
                        gpu_function function, size_t lds_bytes, unsigned *dynamic_lds_bytes,
                        struct monogen_error *error) {
    static const char advice[] = "the driver cannot tell how much shared memory there is";
    int most = 0, in_object = 0;
    if (!gpu_check_call(driver,
                        driver->get_attribute(&most, ATTRIBUTE_WORKGROUP_LDS, facts->handle),
                        GPU_CALL_get_attribute, advice, error) ||
        !CALL(driver, cuFuncGetAttribute, (&in_object, FUNCTION_STATIC_LDS, function), advice,
              error))
        return false;
    if (most < in_object || lds_bytes > (size_t)(most - in_object))
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "a workgroup of the kernel needs %zu bytes of shared memory and %d in "
                            "its object, but device %d (%s) gives it %d\n"
                            "  note: generate with a smaller --set lds_bytes=N",
                            lds_bytes, in_object, facts->number, facts->name, most);
    *dynamic_lds_bytes = (unsigned)lds_bytes;
    return CALL(driver, cuFuncSetAttribute, (function, FUNCTION_DYNAMIC_LDS, (int)lds_bytes),
                "the driver refuses a workgroup that much shared memory", error);
}

static bool copy(const struct gpu_driver *driver, uint64_t device_address, void *host, size_t bytes,
                 enum gpu_direction direction, gpu_stream stream, struct monogen_error *error) {
    return direction == GPU_TO_DEVICE
               ? CALL(driver, cuMemcpyHtoDAsync_v2, (device_address, host, bytes, stream),
                      GPU_TRANSFER_ADVICE, error)
               : CALL(driver, cuMemcpyDtoHAsync_v2, (host, device_address, bytes, stream),
                      GPU_TRANSFER_ADVICE, error);
}

static bool clear(const struct gpu_driver *driver, uint64_t device_address, size_t bytes,
                  gpu_stream stream, struct monogen_error *error) {
    return CALL(driver, cuMemsetD8Async, (device_address, 0, bytes, stream), GPU_CLEAR_ADVICE,
                error);
}

// A machine without NVML is one that does not tell: nobody needs the reason.
static bool energy(const struct gpu_driver *driver, const struct gpu_facts *facts, double *joules) {
    struct cuda *cuda = driver->own;
    char bus_id[NVML_BUS_ID_BYTES] = "";
    if (!cuda->meter_sought &&
        own(driver)->cuDeviceGetPCIBusId(bus_id, sizeof bus_id, facts->handle) == GPU_SUCCESS)
        nvml_open(&cuda->meter, bus_id, NULL);
    cuda->meter_sought = true;
    return nvml_energy(&cuda->meter, joules);
}

static const char *const files[] = {"libcuda.so.1", NULL};
// Where containers and Windows' Subsystem for Linux put the host's driver.
static const char *const folders[] = {"/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", NULL};
static const char *const call_names[GPU_CALLS] = {
#define GPU_FUNCTION(member, hip, cuda, parameters) #cuda,
#include "runtime/backend/gpu_functions.def"
#undef GPU_FUNCTION
};

const struct gpu_api gpu_api_cuda = {
    .name = "CUDA",
    .search = {.what = "CUDA driver",
               .variable = "MONOGEN_CUDA_LIBRARY",
               .files = files,
               .patterns = folders,
               .absent = "no CUDA driver: libcuda.so.1 is not installed\n"
                         "  note: it comes with NVIDIA's GPU driver (Debian: libcuda1; a container "
                         "started with --gpus all gets the host's); MONOGEN_CUDA_LIBRARY names "
                         "another place\n"
                         "  note: --device host runs on the CPU"},
    .device_variable = "MONOGEN_CUDA_DEVICE",
    .gpu = "NVIDIA GPU",
    .cus = "SMs",
    .object = "cubin",
    .partition_advice = "a GPU that is partitioned (MIG) shows the SMs of one instance: end that "
                        "with nvidia-smi",
    .elf_machine = MACHINE_CUDA,
    .major_unit = 1000,
    .minor_unit = 10,
    .cus_attribute = ATTRIBUTE_SM_COUNT,
    .host_memory_flags = HOST_MEMORY_PORTABLE | HOST_MEMORY_MAPPED,
    .launch_end = NULL, // CU_LAUNCH_PARAM_END
    .call_names = call_names,
    .own_symbols = own_symbols,
    .own_symbol_count = sizeof own_symbols / sizeof *own_symbols,
    .own_bytes = sizeof(struct cuda),
    .no_gpu_advice = no_gpu_advice,
    .describe = describe,
    .identify = identify,
    .runs = runs,
    .acquire = acquire,
    .relinquish = relinquish,
    .make_current = make_current,
    .prepare_lds = prepare_lds,
    .copy = copy,
    .clear = clear,
    .energy = energy,
};

GPU_BACKEND(backend_cuda, "cuda", gpu_api_cuda);
