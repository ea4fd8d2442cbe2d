// AMD's HIP runtime, libamdhip64, opened at run time: the functions that the hip backend calls and
// the few constants they need, so that monogen builds and starts where no HIP is installed.
//
// Prototypes and numbers are those of HIP's public API (hip_runtime_api.h). They were compared, by
// printing them with a compiler, between HIP 5.2.3, 5.7.1 and 6.4.3 as packaged by Debian, and read
// in the sources of HIP 7.12; all four agree, and each is used by number here.
#ifndef RUNTIME_BACKEND_HIP_DRIVER_H
#define RUNTIME_BACKEND_HIP_DRIVER_H

#include "runtime/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct hip_module_handle *hip_module;     // hipModule_t
typedef struct hip_function_handle *hip_function; // hipFunction_t
typedef struct hip_stream_handle *hip_stream;     // hipStream_t

enum hip_status { // hipError_t, as far as it is told apart
    HIP_SUCCESS = 0,
    HIP_OUT_OF_MEMORY = 2,
    HIP_INVALID_IMAGE = 200,
    HIP_NO_BINARY_FOR_GPU = 209,
    HIP_NOT_FOUND = 500,
    HIP_NOT_READY = 600,
};

enum hip_copy_direction { // hipMemcpyKind
    HIP_COPY_HOST_TO_DEVICE = 1,
    HIP_COPY_DEVICE_TO_HOST = 2,
};

enum { HIP_ATTRIBUTE_CU_COUNT = 63 };     // hipDeviceAttributeMultiprocessorCount
enum { HIP_STREAM_NON_BLOCKING = 1 };     // hipStreamNonBlocking: apart from the null stream
enum {                                    // of hipHostMalloc
    HIP_HOST_MEMORY_MAPPED = 0x2,         // hipHostMallocMapped: has an address on the device
    HIP_HOST_MEMORY_COHERENT = 0x40000000 // hipHostMallocCoherent: seen while a kernel runs
};

// hipModuleLaunchKernel's `extra` when the arguments come as one block:
// { BLOCK, address, SIZE, address of a size_t, END }.
#define HIP_LAUNCH_ARGUMENT_BLOCK ((void *)1) // HIP_LAUNCH_PARAM_BUFFER_POINTER
#define HIP_LAUNCH_ARGUMENT_SIZE ((void *)2)  // HIP_LAUNCH_PARAM_BUFFER_SIZE
#define HIP_LAUNCH_END ((void *)3)            // HIP_LAUNCH_PARAM_END

// HIP_FUNCTION(result, name, parameters) for each function of the table.
#define HIP_FUNCTIONS(HIP_FUNCTION)                                                                \
    HIP_FUNCTION(int, hipInit, (unsigned flags))                                                   \
    HIP_FUNCTION(int, hipRuntimeGetVersion, (int *version))                                        \
    HIP_FUNCTION(const char *, hipGetErrorName, (int error))                                       \
    HIP_FUNCTION(const char *, hipGetErrorString, (int error))                                     \
    HIP_FUNCTION(int, hipGetDeviceCount, (int *count))                                             \
    HIP_FUNCTION(int, hipSetDevice, (int device))                                                  \
    HIP_FUNCTION(int, hipDeviceGetAttribute, (int *value, int attribute, int device))              \
    HIP_FUNCTION(int, hipDeviceTotalMem, (size_t * bytes, int device))                             \
    HIP_FUNCTION(int, hipMemGetInfo, (size_t * free_bytes, size_t * total_bytes))                  \
    HIP_FUNCTION(int, hipStreamCreateWithFlags, (hip_stream * stream, unsigned flags))             \
    HIP_FUNCTION(int, hipStreamQuery, (hip_stream stream))                                         \
    HIP_FUNCTION(int, hipStreamSynchronize, (hip_stream stream))                                   \
    HIP_FUNCTION(int, hipStreamDestroy, (hip_stream stream))                                       \
    HIP_FUNCTION(int, hipModuleLoadData, (hip_module * module, const void *image))                 \
    HIP_FUNCTION(int, hipModuleUnload, (hip_module module))                                        \
    HIP_FUNCTION(int, hipModuleGetFunction,                                                        \
                 (hip_function * function, hip_module module, const char *symbol))                 \
    HIP_FUNCTION(                                                                                  \
        int, hipModuleOccupancyMaxActiveBlocksPerMultiprocessor,                                   \
        (int *workgroups_per_cu, hip_function function, int threads, size_t dynamic_lds_bytes))    \
    HIP_FUNCTION(int, hipModuleLaunchKernel,                                                       \
                 (hip_function function, unsigned workgroups_x, unsigned workgroups_y,             \
                  unsigned workgroups_z, unsigned threads_x, unsigned threads_y,                   \
                  unsigned threads_z, unsigned dynamic_lds_bytes, hip_stream stream,               \
                  void **arguments, void **extra))                                                 \
    HIP_FUNCTION(int, hipMalloc, (void **memory, size_t bytes))                                    \
    HIP_FUNCTION(int, hipFree, (void *memory))                                                     \
    HIP_FUNCTION(int, hipHostMalloc, (void **memory, size_t bytes, unsigned flags))                \
    HIP_FUNCTION(int, hipHostFree, (void *memory))                                                 \
    HIP_FUNCTION(int, hipHostGetDevicePointer,                                                     \
                 (void **device_address, void *host, unsigned flags))                              \
    HIP_FUNCTION(int, hipMemcpyAsync,                                                              \
                 (void *to, const void *from, size_t bytes, int direction, hip_stream stream))     \
    HIP_FUNCTION(int, hipMemsetAsync, (void *memory, int value, size_t bytes, hip_stream stream))

struct hip_driver {
    void *library;
    char name[256]; // as it was opened: "libamdhip64.so.6"
    int version;    // major * 10000000 + minor * 100000 + patch; 0 where it is not told

    // hipGetDevicePropertiesR0600 or, before HIP 6, hipGetDeviceProperties: they fill structs of
    // different layouts, which the symbol's name tells apart.
    int (*device_properties)(void *properties, int device);
    size_t isa_offset; // of gcnArchName[256] in the struct

#define HIP_MEMBER(result, name, parameters) result(*name) parameters;
    HIP_FUNCTIONS(HIP_MEMBER)
#undef HIP_MEMBER
};

// What a device says of itself.
struct hip_device_facts {
    char name[64]; // "AMD Instinct MI300X"
    char isa[64];  // "gfx942", without suffixes such as ":sramecc+:xnack-"
    int cus;
    size_t memory_bytes;
};

// Opens the library ($MONOGEN_HIP_LIBRARY names it; otherwise the newest of libamdhip64.so.7, .6,
// .5 and libamdhip64.so, each looked for in $ROCM_PATH/lib, where the system's loader looks, and in
// /opt/rocm/lib), finds all functions and calls hipInit. Returns false after filling *error
// (MONOGEN_NO_ENVIRONMENT); then there is nothing to close.
bool hip_driver_open(struct hip_driver *driver, struct monogen_error *error);
void hip_driver_close(struct hip_driver *driver);

// The device to use: $MONOGEN_HIP_DEVICE or 0. Ensures on success that it exists.
bool hip_driver_choose_device(const struct hip_driver *driver, int *device,
                              struct monogen_error *error);

bool hip_driver_device_facts(const struct hip_driver *driver, int device,
                             struct hip_device_facts *facts, struct monogen_error *error);

// Whether `status` is success. If not, *error (MONOGEN_NO_ENVIRONMENT) says which call failed, what
// the driver calls the failure, and `advice`: one sentence on what to do.
bool hip_check(const struct hip_driver *driver, int status, const char *call, const char *advice,
               struct monogen_error *error);

#endif
