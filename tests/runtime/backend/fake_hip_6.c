// The fake HIP runtime, see fake_gpu.h.
#include "tests/runtime/backend/fake_gpu_parts.h"

// When it is loaded too, for a program that knows nothing of fakes.
__attribute__((constructor)) void fake_gpu_reset(void) {
    const char *isa = getenv("MONOGEN_FAKE_ISA");
    forget_everything();
    state = (struct fake_gpu){
        .version = 60443484,
        .isa = isa ? isa : "gfx942:sramecc+:xnack-",
        .device_count = 1,
        .cus = 304,
        .workgroups_per_cu = 1,
        .memory_bytes = (size_t)192 << 30,
    };
}

// ---- the library and its devices ----------------------------------------------------------------

int hipInit(unsigned flags) { return init(__func__, flags); }

int hipRuntimeGetVersion(int *version) { return tell(__func__, version, state.version); }

const char *hipGetErrorName(int status) {
    switch (status) {
    case INVALID_VALUE:
        return "hipErrorInvalidValue";
    case OUT_OF_MEMORY:
        return "hipErrorOutOfMemory";
    case 100:
        return "hipErrorNoDevice";
    case INVALID_DEVICE:
        return "hipErrorInvalidDevice";
    case 200:
        return "hipErrorInvalidImage";
    case 209:
        return "hipErrorNoBinaryForGpu";
    case 500:
        return "hipErrorNotFound";
    case 719:
        return "hipErrorLaunchFailure";
    default:
        return "hipErrorUnknown";
    }
}

const char *hipGetErrorString(int status) {
    return status == 719 ? "unspecified launch failure" : "as the driver puts it";
}

int hipGetDeviceCount(int *count) { return tell(__func__, count, state.device_count); }

int hipSetDevice(int device) {
    record("hipSetDevice %d", device);
    FAIL_IF_ASKED(__func__);
    return device >= 0 && device < state.device_count ? SUCCESS : INVALID_DEVICE;
}

int hipDeviceGetAttribute(int *value, int attribute, int device) {
    record("hipDeviceGetAttribute %d of %d", attribute, device);
    FAIL_IF_ASKED(__func__);
    if (attribute != 63)
        return misuse("attribute %d is not the number of CUs", attribute);
    *value = state.cus;
    return SUCCESS;
}

int hipDeviceTotalMem(size_t *bytes, int device) {
    return tell_total_memory(__func__, bytes, device);
}

int hipMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    return tell_free_memory(__func__, free_bytes, total_bytes);
}

// Fills what a real driver would, with the texts that the backend reads at their places.
static int fill_properties(void *properties, size_t bytes, size_t isa_offset, int device) {
    if (device < 0 || device >= state.device_count)
        return INVALID_DEVICE;
    char *text = properties;
    memset(text, 0, bytes);
    snprintf(text, 256, "AMD Instinct MI300X");
    snprintf(text + isa_offset, 256, "%s", state.isa);
    return SUCCESS;
}

int hipGetDeviceProperties(void *properties, int device) {
    record("hipGetDeviceProperties of %d", device);
    FAIL_IF_ASKED(__func__);
    return fill_properties(properties, 792, 396, device);
}

#ifndef FAKE_HIP_5
int hipGetDevicePropertiesR0600(void *properties, int device) {
    record("hipGetDevicePropertiesR0600 of %d", device);
    FAIL_IF_ASKED(__func__);
    return fill_properties(properties, 1472, 1160, device);
}
#endif

// ---- memory and streams -------------------------------------------------------------------------

int hipMalloc(void **address, size_t bytes) {
    uintptr_t number = 0;
    int status = allocate_on_device(__func__, &number, bytes);
    if (status == SUCCESS)
        *address = (void *)number;
    return status;
}

int hipFree(void *address) { return free_memory(__func__, (uintptr_t)address, false); }

int hipHostMalloc(void **address, size_t bytes, unsigned flags) {
    return allocate_on_host(__func__, address, bytes, flags);
}

int hipHostFree(void *address) { return free_memory(__func__, (uintptr_t)address, true); }

int hipHostGetDevicePointer(void **device_address, void *host, unsigned flags) {
    uintptr_t number = 0;
    int status = tell_device_address(__func__, &number, host, flags);
    if (status == SUCCESS)
        *device_address = (void *)number;
    return status;
}

int hipStreamCreateWithFlags(void **stream, unsigned flags) {
    return create_stream(__func__, stream, flags);
}

int hipStreamQuery(void *stream) { return query_stream(__func__, stream); }

int hipStreamSynchronize(void *stream) { return synchronize_stream(__func__, stream); }

int hipStreamDestroy(void *stream) { return destroy_stream(__func__, stream); }

int hipMemcpyAsync(void *to, const void *from, size_t bytes, int direction, void *stream) {
    if (direction != 1 && direction != 2)
        return misuse("hipMemcpyAsync in direction %d", direction);
    return direction == 1
               ? copy(__func__, (uintptr_t)to, (void *)(uintptr_t)from, bytes, true, stream)
               : copy(__func__, (uintptr_t)from, to, bytes, false, stream);
}

int hipMemsetAsync(void *to, int value, size_t bytes, void *stream) {
    return fill(__func__, (uintptr_t)to, value, bytes, stream);
}

// ---- kernels ------------------------------------------------------------------------------------

int hipModuleLoadData(void **module, const void *image) {
    return load_module(__func__, module, image);
}

int hipModuleUnload(void *module) { return unload_module(__func__, module); }

int hipModuleGetFunction(void **function, void *module, const char *symbol) {
    return find_function(__func__, function, module, symbol);
}

int hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads,
                                                       size_t dynamic_bytes) {
    return tell_resident(__func__, blocks, function, threads, dynamic_bytes);
}

int hipModuleLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z,
                          unsigned dynamic_bytes, void *stream, void **parameters, void **extra) {
    const unsigned size[] = {grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic_bytes};
    return launch_kernel(__func__, function, size, stream, parameters, extra, (void *)3);
}
