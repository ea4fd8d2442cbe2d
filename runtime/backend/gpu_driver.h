// A GPU's driver, opened at run time: the functions that the GPU backend calls and the few
// constants they need, so that monogen builds and starts where no driver is installed. AMD's HIP
// (hip.c) and NVIDIA's CUDA driver API (cuda.c) are a struct gpu_api each: what they do not have
// alike.
//
// Prototypes and numbers are those of the public APIs. HIP's were compared, by printing them with a
// compiler, between HIP 5.2.3, 5.7.1 and 6.4.3 as packaged by Debian, and read in the sources of
// HIP 7.12; CUDA's are those of the driver API since 11.0, which keeps them.
#ifndef RUNTIME_BACKEND_GPU_DRIVER_H
#define RUNTIME_BACKEND_GPU_DRIVER_H

#include "runtime/error.h"
#include "runtime/shared_library.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gpu_module_handle *gpu_module;     // hipModule_t, CUmodule
typedef struct gpu_function_handle *gpu_function; // hipFunction_t, CUfunction
typedef struct gpu_stream_handle *gpu_stream;     // hipStream_t, CUstream

enum gpu_status { // hipError_t and CUresult, as far as it is told apart
    GPU_SUCCESS = 0,
    GPU_OUT_OF_MEMORY = 2,
    GPU_INVALID_IMAGE = 200,
    GPU_NO_BINARY = 209,
    GPU_NOT_FOUND = 500,
    GPU_NOT_READY = 600,
};

enum { GPU_STREAM_NON_BLOCKING = 1 }; // apart from the null stream

// `extra` of a launch whose arguments come as one block: { BLOCK, address, SIZE, address of a
// size_t, the API's end }.
#define GPU_LAUNCH_ARGUMENT_BLOCK ((void *)1)
#define GPU_LAUNCH_ARGUMENT_SIZE ((void *)2)

enum gpu_call {
#define GPU_FUNCTION(member, hip, cuda, parameters) GPU_CALL_##member,
#include "runtime/backend/gpu_functions.def"
#undef GPU_FUNCTION
    GPU_CALLS
};

enum gpu_direction { GPU_TO_DEVICE, GPU_TO_HOST };

struct gpu_driver {
    const struct gpu_api *api;
    struct shared_library library;
    int version; // as the driver tells it; 0 where it does not
#define GPU_FUNCTION(member, hip, cuda, parameters) int(*member) parameters;
#include "runtime/backend/gpu_functions.def"
#undef GPU_FUNCTION
    void *own;     // the API's functions of its own, first of what it keeps
    void *context; // of the device in use, where the API has such a thing
};

// What a device says of itself.
struct gpu_facts {
    int number;    // among the devices
    int handle;    // as the API's functions want it
    char name[64]; // "AMD Instinct MI300X"
    char isa[64];  // "gfx942", "sm_90"
    int cus;
    size_t memory_bytes;
};

// One driver API. Functions that can fail fill *error.
struct gpu_api {
    const char *name; // "HIP": stands before a version
    struct library_search search;
    const char *device_variable;   // of the environment: the number of the device to use
    const char *gpu;               // "AMD GPU"
    const char *cus;               // what its CUs are called: "CUs", "SMs"
    const char *object;            // "AMD GPU code object"
    const char *partition_advice;  // why a device may have fewer CUs than its chip
    unsigned elf_machine;          // of its objects
    int major_unit, minor_unit;    // version = major * major_unit + minor * minor_unit + patch
    int cus_attribute;             // device attribute: how many CUs
    unsigned host_memory_flags;    // of memory that both sides use while a kernel runs
    void *launch_end;              // the last of a launch's `extra`
    const char *const *call_names; // [GPU_CALLS]

    const struct library_symbol *own_symbols; // [own_symbol_count], into `own` of [own_bytes]
    size_t own_symbol_count, own_bytes;

    const char *(*no_gpu_advice)(void); // what keeps a machine with the library from having a GPU
    // The driver's name of a status, and its words for it; NULL where it has none.
    void (*describe)(const struct gpu_driver *driver, int status, const char **name,
                     const char **text);
    // Fills handle, name and isa of the device facts->number.
    bool (*identify)(const struct gpu_driver *driver, struct gpu_facts *facts,
                     struct monogen_error *error);
    bool (*runs)(const char *device_isa, const char *kernel_isa);
    // Before a device is used, and after: driver->context. NULL: nothing to do.
    bool (*acquire)(struct gpu_driver *driver, const struct gpu_facts *facts,
                    struct monogen_error *error);
    void (*relinquish)(struct gpu_driver *driver, const struct gpu_facts *facts);
    // Makes it this thread's device.
    bool (*make_current)(const struct gpu_driver *driver, const struct gpu_facts *facts,
                         struct monogen_error *error);
    // Says how many of a workgroup's bytes of LDS the launch brings. NULL: none, the object asks
    // for all of them itself.
    bool (*prepare_lds)(const struct gpu_driver *driver, const struct gpu_facts *facts,
                        gpu_function function, size_t lds_bytes, unsigned *dynamic_lds_bytes,
                        struct monogen_error *error);
    // Put a transfer and a fill with zeros on a stream.
    bool (*copy)(const struct gpu_driver *driver, uint64_t device_address, void *host, size_t bytes,
                 enum gpu_direction direction, gpu_stream stream, struct monogen_error *error);
    bool (*clear)(const struct gpu_driver *driver, uint64_t device_address, size_t bytes,
                  gpu_stream stream, struct monogen_error *error);
    // Energy that the device has used since some time past, in joules; false where nothing tells
    // it. NULL: nothing ever does. Requires: acquire.
    bool (*energy)(const struct gpu_driver *driver, const struct gpu_facts *facts, double *joules);
};

extern const struct gpu_api gpu_api_hip, gpu_api_cuda;

// What to do where those two fail.
#define GPU_TRANSFER_ADVICE "a transfer could not be started; see the system's log (dmesg)"
#define GPU_CLEAR_ADVICE "a device memory could not be zeroed; see the system's log (dmesg)"

// Opens the API's library, finds all functions and initialises the driver. False after filling
// *error (MONOGEN_NO_ENVIRONMENT); then there is nothing to close.
bool gpu_driver_open(const struct gpu_api *api, struct gpu_driver *driver,
                     struct monogen_error *error);
void gpu_driver_close(struct gpu_driver *driver);

// Fills *facts for the device to use: the one that the API's variable names, or 0.
bool gpu_driver_choose_device(const struct gpu_driver *driver, struct gpu_facts *facts,
                              struct monogen_error *error);

// Whether `status` is success. If not, *error (MONOGEN_NO_ENVIRONMENT) says which call failed, what
// the driver calls the failure, and `advice`: one sentence on what to do.
bool gpu_check(const struct gpu_driver *driver, int status, const char *call, const char *advice,
               struct monogen_error *error);
// The same for a function that both APIs have.
bool gpu_check_call(const struct gpu_driver *driver, int status, enum gpu_call call,
                    const char *advice, struct monogen_error *error);

#endif
