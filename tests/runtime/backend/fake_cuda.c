// The fake CUDA driver, see fake_gpu.h. A device's handle is not its number.
#include "tests/runtime/backend/fake_gpu_parts.h"

enum { FIRST_HANDLE = 70 };
static int retained;        // handle of the device whose primary context is
static int retained_times;  // 0: none is
static char context_object; // its address is the context
static bool is_current;     // on the one thread that tests have

static int number_in(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

// When it is loaded too, for a program that knows nothing of fakes.
__attribute__((constructor)) void fake_gpu_reset(void) {
    forget_everything();
    retained_times = 0;
    is_current = false;
    state = (struct fake_gpu){
        .version = 13000,
        .compute_capability = 90,
        .device_count = 1,
        .cus = number_in("MONOGEN_FAKE_CUS", 132),
        .workgroups_per_cu = 1,
        .workgroup_lds_bytes = 232448,
        .memory_bytes = (size_t)number_in("MONOGEN_FAKE_GIB", 80) << 30,
    };
}

// Calls that work in a context. True as on a device where none is.
static bool has_no_context(const char *call) {
    if (!is_current)
        misuse("%s without a context", call);
    return !is_current;
}

enum { INVALID_CONTEXT = 201 };
#define NEED_CONTEXT()                                                                             \
    do {                                                                                           \
        if (has_no_context(__func__))                                                              \
            return INVALID_CONTEXT;                                                                \
    } while (0)

static bool is_handle(int device) {
    return device >= FIRST_HANDLE && device < FIRST_HANDLE + state.device_count;
}

// ---- the library and its devices ----------------------------------------------------------------

int cuInit(unsigned flags) { return init(__func__, flags); }

int cuDriverGetVersion(int *version) { return tell(__func__, version, state.version); }

int cuGetErrorName(int status, const char **name) {
    static const struct {
        int status;
        const char *name;
    } names[] = {{INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
                 {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
                 {100, "CUDA_ERROR_NO_DEVICE"},
                 {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
                 {200, "CUDA_ERROR_INVALID_IMAGE"},
                 {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
                 {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                 {500, "CUDA_ERROR_NOT_FOUND"},
                 {719, "CUDA_ERROR_LAUNCH_FAILED"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].status == status) {
            *name = names[i].name;
            return SUCCESS;
        }
    return INVALID_VALUE; // and *name stays what it was
}

int cuGetErrorString(int status, const char **text) {
    *text = status == 719 ? "unspecified launch failure" : "as the driver puts it";
    return SUCCESS;
}

int cuDeviceGetCount(int *count) { return tell(__func__, count, state.device_count); }

int cuDeviceGet(int *device, int number) {
    record("cuDeviceGet %d", number);
    FAIL_IF_ASKED(__func__);
    *device = FIRST_HANDLE + number;
    return number >= 0 && number < state.device_count ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int bytes, int device) {
    record("cuDeviceGetName of %d", device);
    FAIL_IF_ASKED(__func__);
    if (!is_handle(device))
        return INVALID_DEVICE;
    snprintf(name, (size_t)bytes, "NVIDIA H100 80GB HBM3");
    return SUCCESS;
}

int cuDeviceGetPCIBusId(char *bus_id, int bytes, int device) {
    record("cuDeviceGetPCIBusId of %d", device);
    FAIL_IF_ASKED(__func__);
    if (!is_handle(device))
        return INVALID_DEVICE;
    snprintf(bus_id, (size_t)bytes, "0000:1B:00.0");
    return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    record("cuDeviceGetAttribute %d of %d", attribute, device);
    FAIL_IF_ASKED(__func__);
    if (!is_handle(device))
        return INVALID_DEVICE;
    switch (attribute) {
    case 16:
        *value = state.cus;
        return SUCCESS;
    case 75:
        *value = state.compute_capability / 10;
        return SUCCESS;
    case 76:
        *value = state.compute_capability % 10;
        return SUCCESS;
    case 97:
        *value = state.workgroup_lds_bytes;
        return SUCCESS;
    default:
        return misuse("nobody needs attribute %d", attribute);
    }
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    return is_handle(device) ? tell_total_memory(__func__, bytes, device) : INVALID_DEVICE;
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
    NEED_CONTEXT();
    return tell_free_memory(__func__, free_bytes, total_bytes);
}

// ---- contexts -----------------------------------------------------------------------------------

int cuDevicePrimaryCtxRetain(void **context, int device) {
    record("cuDevicePrimaryCtxRetain of %d", device);
    FAIL_IF_ASKED(__func__);
    if (!is_handle(device))
        return INVALID_DEVICE;
    if (retained_times++ > 0 && retained != device)
        misuse("contexts of two devices at once");
    retained = device;
    state.contexts++;
    *context = &context_object;
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
    record("cuDevicePrimaryCtxRelease_v2 of %d", device);
    if (retained_times == 1 && (state.memories || state.streams || state.modules))
        misuse("a context is released before what is in it");
    if (is_current)
        misuse("a context is released that is current");
    if (retained_times == 0 || retained != device)
        return misuse("a context is released that was not retained");
    retained_times--;
    state.contexts--;
    return SUCCESS;
}

int cuCtxSetCurrent(void *context) {
    record("cuCtxSetCurrent %s", context ? "context" : "none");
    FAIL_IF_ASKED(__func__);
    if (context && (context != &context_object || retained_times == 0))
        return misuse("cuCtxSetCurrent of what is no context");
    is_current = context != NULL;
    return SUCCESS;
}

// ---- memory and streams -------------------------------------------------------------------------

int cuMemAlloc_v2(unsigned long long *address, size_t bytes) {
    uintptr_t number = 0;
    NEED_CONTEXT();
    int status = allocate_on_device(__func__, &number, bytes);
    if (status == SUCCESS)
        *address = number;
    return status;
}

int cuMemFree_v2(unsigned long long address) {
    NEED_CONTEXT();
    return free_memory(__func__, (uintptr_t)address, false);
}

int cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
    NEED_CONTEXT();
    return allocate_on_host(__func__, address, bytes, flags);
}

int cuMemFreeHost(void *address) {
    NEED_CONTEXT();
    return free_memory(__func__, (uintptr_t)address, true);
}

int cuMemHostGetDevicePointer_v2(unsigned long long *device_address, void *host, unsigned flags) {
    uintptr_t number = 0;
    NEED_CONTEXT();
    int status = tell_device_address(__func__, &number, host, flags);
    if (status == SUCCESS)
        *device_address = number;
    return status;
}

int cuStreamCreate(void **stream, unsigned flags) {
    NEED_CONTEXT();
    return create_stream(__func__, stream, flags);
}

int cuStreamQuery(void *stream) {
    NEED_CONTEXT();
    return query_stream(__func__, stream);
}

int cuStreamSynchronize(void *stream) {
    NEED_CONTEXT();
    return synchronize_stream(__func__, stream);
}

int cuStreamDestroy_v2(void *stream) {
    NEED_CONTEXT();
    return destroy_stream(__func__, stream);
}

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream) {
    NEED_CONTEXT();
    return copy(__func__, (uintptr_t)to, (void *)(uintptr_t)from, bytes, true, stream);
}

int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream) {
    NEED_CONTEXT();
    return copy(__func__, (uintptr_t)from, to, bytes, false, stream);
}

int cuMemsetD8Async(unsigned long long to, unsigned char value, size_t bytes, void *stream) {
    NEED_CONTEXT();
    return fill(__func__, (uintptr_t)to, value, bytes, stream);
}

// ---- kernels ------------------------------------------------------------------------------------

int cuModuleLoadData(void **module, const void *image) {
    NEED_CONTEXT();
    return load_module(__func__, module, image);
}

int cuModuleUnload(void *module) {
    NEED_CONTEXT();
    return unload_module(__func__, module);
}

int cuModuleGetFunction(void **function, void *module, const char *symbol) {
    NEED_CONTEXT();
    return find_function(__func__, function, module, symbol);
}

int cuFuncGetAttribute(int *value, int attribute, void *function) {
    record("cuFuncGetAttribute %d", attribute);
    FAIL_IF_ASKED(__func__);
    NEED_CONTEXT();
    if (!module_of_function(function) || attribute != 1)
        return misuse("attribute %d of a function is not what its object holds", attribute);
    *value = state.object_lds_bytes;
    return SUCCESS;
}

int cuFuncSetAttribute(void *function, int attribute, int value) {
    record("cuFuncSetAttribute %d to %d", attribute, value);
    FAIL_IF_ASKED(__func__);
    NEED_CONTEXT();
    struct module *module = module_of_function(function);
    if (!module || attribute != 8)
        return misuse("attribute %d of a function is not its dynamic LDS", attribute);
    if (value < 0 || value + state.object_lds_bytes > state.workgroup_lds_bytes)
        return INVALID_VALUE;
    module->dynamic_lds_allowed = value;
    return SUCCESS;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads,
                                                size_t dynamic_bytes) {
    NEED_CONTEXT();
    return tell_resident(__func__, blocks, function, threads, dynamic_bytes);
}

int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned dynamic_bytes,
                   void *stream, void **parameters, void **extra) {
    const unsigned size[] = {grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic_bytes};
    NEED_CONTEXT();
    const struct module *module = module_of_function(function);
    if (module && dynamic_bytes > (unsigned)module->dynamic_lds_allowed)
        misuse("a launch with more LDS than was asked for");
    return launch_kernel(__func__, function, size, stream, parameters, extra, NULL);
}
