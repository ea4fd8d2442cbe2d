// The hip backend: a code object on one AMD GPU, through libamdhip64.
#include "runtime/backend/gpu.h"

#include <ctype.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_DRIVER "/dev/kfd" // what the amdgpu kernel driver offers to computing programs

enum { ATTRIBUTE_CU_COUNT = 63 };     // hipDeviceAttributeMultiprocessorCount
enum {                                // of hipHostMalloc
    HOST_MEMORY_MAPPED = 0x2,         // hipHostMallocMapped: has an address on the device
    HOST_MEMORY_COHERENT = 0x40000000 // hipHostMallocCoherent: seen while a kernel runs
};
enum { COPY_HOST_TO_DEVICE = 1, COPY_DEVICE_TO_HOST = 2 }; // hipMemcpyKind

// hipDeviceProp_t: name[256] comes first in both layouts, gcnArchName[256] is at
// offsetof(hipDeviceProp_tR0600, gcnArchName) or offsetof(hipDeviceProp_tR0000, gcnArchName).
enum {
    ISA_OFFSET_R0600 = 1160,
    ISA_OFFSET_R0000 = 396,
    PROPERTY_TEXT_BYTES = 256,
    PROPERTIES_BYTES = 8192, // R0600 has 1472 bytes, R0000 792; the rest is for a later driver
};

// HIP_FUNCTION(result, name, parameters, optional). Before HIP 6 there is hipGetDeviceProperties
// alone; the two fill structs of different layouts, which the symbol's name tells apart.
#define HIP_FUNCTIONS(HIP_FUNCTION)                                                                \
    HIP_FUNCTION(const char *, hipGetErrorName, (int error), false)                                \
    HIP_FUNCTION(const char *, hipGetErrorString, (int error), false)                              \
    HIP_FUNCTION(int, hipSetDevice, (int device), false)                                           \
    HIP_FUNCTION(int, hipGetDevicePropertiesR0600, (void *properties, int device), true)           \
    HIP_FUNCTION(int, hipGetDeviceProperties, (void *properties, int device), true)                \
    HIP_FUNCTION(int, hipMemcpyAsync,                                                              \
                 (void *to, const void *from, size_t bytes, int direction, gpu_stream stream),     \
                 false)                                                                            \
    HIP_FUNCTION(int, hipMemsetAsync, (void *memory, int value, size_t bytes, gpu_stream stream),  \
                 false)

struct hip_functions {
#define HIP_MEMBER(result, name, parameters, optional) result(*name) parameters;
    HIP_FUNCTIONS(HIP_MEMBER)
#undef HIP_MEMBER
};

static const struct library_symbol own_symbols[] = {
#define HIP_SYMBOL(result, name, parameters, optional)                                             \
    {#name, offsetof(struct hip_functions, name), optional},
    HIP_FUNCTIONS(HIP_SYMBOL)
#undef HIP_SYMBOL
};

static const struct hip_functions *own(const struct gpu_driver *driver) { return driver->own; }

static void describe(const struct gpu_driver *driver, int status, const char **name,
                     const char **text) {
    *name = own(driver)->hipGetErrorName(status);
    *text = own(driver)->hipGetErrorString(status);
}

static const char *no_gpu_advice(void) {
    if (access(KERNEL_DRIVER, F_OK) != 0)
        return "there is no " KERNEL_DRIVER ": this machine has no AMD GPU, or the amdgpu kernel "
               "driver does not drive it (its firmware is in firmware-amd-graphics); "
               "--device host runs on the CPU";
    if (access(KERNEL_DRIVER, R_OK | W_OK) != 0)
        return "this user may not open " KERNEL_DRIVER ": add it to the groups render and video "
               "and log in again; --device host runs on the CPU";
    return KERNEL_DRIVER " is there, so look at HIP_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES, at "
                         "rocminfo (of the package rocminfo) and at the system's log (dmesg); "
                         "--device host runs on the CPU";
}

// Copies the text up to `end` or a zero byte, whichever comes first; false when it does not fit or
// is not plain ASCII, as when the struct has another layout than expected.
static bool copy_property(char *to, size_t to_bytes, const char *from, char end) {
    size_t length = 0;
    while (length < PROPERTY_TEXT_BYTES && from[length] && from[length] != end) {
        if (!isprint((unsigned char)from[length]))
            return false;
        length++;
    }
    if (length >= to_bytes)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

static bool identify(const struct gpu_driver *driver, struct gpu_facts *facts,
                     struct monogen_error *error) {
    const struct hip_functions *hip = own(driver);
    union {
        char bytes[PROPERTIES_BYTES];
        max_align_t alignment;
    } properties;
    memset(&properties, 0, sizeof properties);
    facts->handle = facts->number;
    bool is_new = hip->hipGetDevicePropertiesR0600 != NULL;
    if (!is_new && !hip->hipGetDeviceProperties)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "%s lacks the function hipGetDeviceProperties\n"
                            "  note: name another HIP runtime with %s",
                            driver->library.name, driver->api->search.variable);
    int status = is_new ? hip->hipGetDevicePropertiesR0600(&properties, facts->handle)
                        : hip->hipGetDeviceProperties(&properties, facts->handle);
    if (!gpu_check(driver, status, "hipGetDeviceProperties",
                   "the driver cannot describe the device; see the system's log (dmesg)", error))
        return false;
    // An ISA may have suffixes, such as ":sramecc+:xnack-".
    const char *isa = properties.bytes + (is_new ? ISA_OFFSET_R0600 : ISA_OFFSET_R0000);
    if (!copy_property(facts->isa, sizeof facts->isa, isa, ':') ||
        strncmp(facts->isa, "gfx", 3) != 0)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "%s (version %d) describes its devices in a form that is not known "
                            "here: the name of the ISA is not where HIP 5, 6 and 7 have it\n"
                            "  note: name another HIP runtime with %s",
                            driver->library.name, driver->version, driver->api->search.variable);
    if (!copy_property(facts->name, sizeof facts->name, properties.bytes, '\0') || !facts->name[0])
        snprintf(facts->name, sizeof facts->name, "unnamed");
    return true;
}

static bool runs(const char *device_isa, const char *kernel_isa) {
    return strcmp(device_isa, kernel_isa) == 0;
}

static bool make_current(const struct gpu_driver *driver, const struct gpu_facts *facts,
                         struct monogen_error *error) {
    return gpu_check(driver, own(driver)->hipSetDevice(facts->handle), "hipSetDevice",
                     "the device has gone; see the system's log (dmesg)", error);
}

static bool copy(const struct gpu_driver *driver, uint64_t device_address, void *host, size_t bytes,
                 enum gpu_direction direction, gpu_stream stream, struct monogen_error *error) {
    void *device = (void *)(uintptr_t)device_address;
    int status =
        direction == GPU_TO_DEVICE
            ? own(driver)->hipMemcpyAsync(device, host, bytes, COPY_HOST_TO_DEVICE, stream)
            : own(driver)->hipMemcpyAsync(host, device, bytes, COPY_DEVICE_TO_HOST, stream);
    return gpu_check(driver, status, "hipMemcpyAsync", GPU_TRANSFER_ADVICE, error);
}

static bool clear(const struct gpu_driver *driver, uint64_t device_address, size_t bytes,
                  gpu_stream stream, struct monogen_error *error) {
    void *device = (void *)(uintptr_t)device_address;
    return gpu_check(driver, own(driver)->hipMemsetAsync(device, 0, bytes, stream),
                     "hipMemsetAsync", GPU_CLEAR_ADVICE, error);
}

static const char *const files[] = {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5",
                                    "libamdhip64.so", NULL};
static const char *const folders[] = {"/opt/rocm/lib", NULL};
static const char *const call_names[GPU_CALLS] = {
#define GPU_FUNCTION(member, hip, cuda, parameters) #hip,
#include "runtime/backend/gpu_functions.def"
#undef GPU_FUNCTION
};

const struct gpu_api gpu_api_hip = {
    .name = "HIP",
    .search = {.what = "HIP runtime",
               .variable = "MONOGEN_HIP_LIBRARY",
               .files = files,
               .home_variable = "ROCM_PATH",
               .home_subfolder = "lib",
               .patterns = folders,
               .absent = "no HIP runtime: libamdhip64.so (.7, .6 or .5) is neither installed nor "
                         "in /opt/rocm/lib or $ROCM_PATH/lib\n"
                         "  note: install libamdhip64-5 (Debian 13), libamdhip64-6 (Debian forky) "
                         "or AMD's ROCm, or name the library with MONOGEN_HIP_LIBRARY\n"
                         "  note: --device host runs on the CPU"},
    .device_variable = "MONOGEN_HIP_DEVICE",
    .gpu = "AMD GPU",
    .cus = "CUs",
    .object = "AMD GPU code object",
    .partition_advice = "a GPU in a partitioned mode (DPX, QPX, CPX) shows its partitions as "
                        "devices: put it into SPX mode with amd-smi",
    .elf_machine = EM_AMDGPU,
    .major_unit = 10000000,
    .minor_unit = 100000,
    .cus_attribute = ATTRIBUTE_CU_COUNT,
    .host_memory_flags = HOST_MEMORY_MAPPED | HOST_MEMORY_COHERENT,
    .launch_end = (void *)3, // HIP_LAUNCH_PARAM_END
    .call_names = call_names,
    .own_symbols = own_symbols,
    .own_symbol_count = sizeof own_symbols / sizeof *own_symbols,
    .own_bytes = sizeof(struct hip_functions),
    .no_gpu_advice = no_gpu_advice,
    .describe = describe,
    .identify = identify,
    .runs = runs,
    .make_current = make_current,
    .copy = copy,
    .clear = clear,
};

GPU_BACKEND(backend_hip, "hip", gpu_api_hip);
