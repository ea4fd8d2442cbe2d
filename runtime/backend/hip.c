// The hip backend: a code object on one AMD GPU, through libamdhip64.
//
// A kernel runs until its tokens are made, so nothing here may wait for it unasked: the kernel and
// the transfers have a stream each, neither tied to the null stream, and host-visible memory is
// touched without a driver call. A transfer of device memory while the kernel runs is legal but may
// last until the kernel ends, because the driver may copy with a kernel of its own.
#include "runtime/backend/backend.h"

#include "runtime/backend/hip_driver.h"
#include "runtime/file_map.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OBJECT_BYTES ((size_t)1 << 30) // far above what a kernel needs

struct device {
    struct hip_driver driver;
    struct hip_device_facts facts;
    int number;

    char *object_path;
    struct file_map object; // kept while the module is: the driver may read it late
    hip_module module;
    hip_function function;
    hip_stream kernel_stream, transfer_stream;

    unsigned workgroups, threads_per_workgroup;
    size_t argument_block_bytes;
};

static double gib(size_t bytes) { return (double)bytes / (1 << 30); }

// The current device belongs to the thread, and a model may be handed from thread to thread.
static bool make_current(const struct device *device, struct monogen_error *error) {
    return hip_check(&device->driver, device->driver.hipSetDevice(device->number), "hipSetDevice",
                     "the device has gone; see the system's log (dmesg)", error);
}

// ---- probe
// ---------------------------------------------------------------------------------------

// The message as one line: "what is wrong; what to do".
static void flatten_message(char *line, size_t bytes, const char *message) {
    static const char note[] = "\n  note: ";
    size_t used = 0;
    while (*message && used + 3 <= bytes) {
        if (strncmp(message, note, sizeof note - 1) == 0) {
            line[used++] = ';';
            line[used++] = ' ';
            message += sizeof note - 1;
        } else {
            line[used++] = *message == '\n' ? ' ' : *message;
            message++;
        }
    }
    if (bytes > 0)
        line[used] = '\0';
}

static bool hip_probe(char *line, size_t bytes) {
    struct monogen_error error;
    struct hip_driver driver;
    if (!hip_driver_open(&driver, &error)) {
        flatten_message(line, bytes, error.message);
        return false;
    }
    int number = 0;
    struct hip_device_facts facts;
    bool usable = hip_driver_choose_device(&driver, &number, &error) &&
                  hip_driver_device_facts(&driver, number, &facts, &error);
    if (usable)
        snprintf(line, bytes, "%s, %d CUs, %.0f GiB, HIP %d.%d (%s)", facts.isa, facts.cus,
                 gib(facts.memory_bytes), driver.version / 10000000, driver.version / 100000 % 100,
                 driver.name);
    else
        flatten_message(line, bytes, error.message);
    hip_driver_close(&driver);
    return usable;
}

// ---- open
// ----------------------------------------------------------------------------------------

// The driver takes the object's size from its headers and trusts them.
static bool check_object(const struct file_map *object, const char *path,
                         struct monogen_error *error) {
    Elf64_Ehdr header;
    bool whole = false;
    if (object->length >= sizeof header) {
        memcpy(&header, object->bytes, sizeof header);
        uint64_t table_bytes = (uint64_t)header.e_shnum * header.e_shentsize;
        whole = memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_machine == EM_AMDGPU &&
                table_bytes <= object->length && header.e_shoff <= object->length - table_bytes;
    }
    if (!whole)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: not a whole AMD GPU code object\n"
                            "  note: generate the kernel again",
                            path);
    return true;
}

static bool check_device(const struct device *device, const struct manifest *manifest,
                         struct monogen_error *error) {
    const struct hip_device_facts *facts = &device->facts;
    if (strcmp(facts->isa, manifest->target.isa) != 0)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel is for %s (%s), but device %d (%s) is a %s\n"
                            "  note: choose another device with MONOGEN_HIP_DEVICE, or generate "
                            "for this one",
                            manifest->target.isa, manifest->target.name, device->number,
                            facts->name, facts->isa);
    if (facts->cus < 0 || (unsigned)facts->cus < manifest->target.cus)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel is for %u CUs, but device %d (%s) has %d\n"
                            "  note: a GPU in a partitioned mode (DPX, QPX, CPX) shows its "
                            "partitions as devices: put it into SPX mode with amd-smi, or "
                            "generate with --set cus=%d",
                            (unsigned)manifest->target.cus, device->number, facts->name, facts->cus,
                            facts->cus);
    return true;
}

static bool load_kernel(struct device *device, const struct manifest *manifest,
                        const char *kernel_folder, struct monogen_error *error) {
    const struct hip_driver *driver = &device->driver;
    device->object_path = file_path(kernel_folder, manifest->kernel.object, error);
    if (!device->object_path ||
        !file_map_open(&device->object, device->object_path, MAX_OBJECT_BYTES, error) ||
        !check_object(&device->object, device->object_path, error))
        return false;

    int status = driver->hipModuleLoadData(&device->module, device->object.bytes);
    if (!hip_check(driver, status, "hipModuleLoadData",
                   "the driver does not accept the code object: generate the kernel again, or use "
                   "a HIP runtime that knows the GPU",
                   error)) {
        device->module = NULL;
        if (error && (status == HIP_INVALID_IMAGE || status == HIP_NO_BINARY_FOR_GPU))
            error->status = MONOGEN_BAD_INPUT;
        return false;
    }
    status =
        driver->hipModuleGetFunction(&device->function, device->module, manifest->kernel.symbol);
    if (status == HIP_NOT_FOUND)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s holds no kernel named %s\n"
                            "  note: generate the kernel again",
                            device->object_path, manifest->kernel.symbol);
    return hip_check(driver, status, "hipModuleGetFunction", "generate the kernel again", error);
}

// Workgroups wait for each other, so all must be on the device at once.
static bool check_residency(const struct device *device, struct monogen_error *error) {
    const struct hip_driver *driver = &device->driver;
    int workgroups_per_cu = 0;
    if (!hip_check(driver,
                   driver->hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(
                       &workgroups_per_cu, device->function, (int)device->threads_per_workgroup, 0),
                   "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor",
                   "the driver cannot tell how many workgroups fit a CU", error))
        return false;
    long long resident = (long long)workgroups_per_cu * device->facts.cus;
    if (resident < (long long)device->workgroups)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel's %u workgroups wait for each other, but only %lld are "
                            "resident at once: %d CUs with %d each\n"
                            "  note: `monogen inspect DIR resources` shows what a workgroup of %u "
                            "threads occupies",
                            device->workgroups, resident, device->facts.cus, workgroups_per_cu,
                            device->threads_per_workgroup);
    return true;
}

static bool create_stream(const struct device *device, hip_stream *stream,
                          struct monogen_error *error) {
    if (hip_check(&device->driver,
                  device->driver.hipStreamCreateWithFlags(stream, HIP_STREAM_NON_BLOCKING),
                  "hipStreamCreateWithFlags",
                  "another program may have used up the device's queues", error))
        return true;
    *stream = NULL;
    return false;
}

// Failures are not reported: there is nothing a caller could do, and *error may hold the first one.
static void hip_close(struct device *device) {
    if (!device)
        return;
    const struct hip_driver *driver = &device->driver;
    if (driver->library) {
        make_current(device, NULL);
        if (device->kernel_stream) {
            driver->hipStreamSynchronize(device->kernel_stream); // the kernel bounds its own waits
            driver->hipStreamDestroy(device->kernel_stream);
        }
        if (device->transfer_stream)
            driver->hipStreamDestroy(device->transfer_stream);
        if (device->module)
            driver->hipModuleUnload(device->module);
        hip_driver_close(&device->driver);
    }
    file_map_close(&device->object);
    free(device->object_path);
    free(device);
}

static struct device *hip_open(const struct manifest *manifest, const char *kernel_folder,
                               struct monogen_error *error) {
    struct device *device = calloc(1, sizeof *device);
    if (!device) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    device->workgroups = manifest->kernel.workgroups;
    device->threads_per_workgroup = manifest->kernel.threads_per_workgroup;
    device->argument_block_bytes = manifest->kernel.argument_block_bytes;
    if (hip_driver_open(&device->driver, error) &&
        hip_driver_choose_device(&device->driver, &device->number, error) &&
        hip_driver_device_facts(&device->driver, device->number, &device->facts, error) &&
        check_device(device, manifest, error) && make_current(device, error) &&
        load_kernel(device, manifest, kernel_folder, error) && check_residency(device, error) &&
        create_stream(device, &device->kernel_stream, error) &&
        create_stream(device, &device->transfer_stream, error))
        return device;
    hip_close(device);
    return NULL;
}

// ---- memory
// --------------------------------------------------------------------------------------

static bool wait_for_transfer(const struct device *device, struct monogen_error *error) {
    return hip_check(&device->driver, device->driver.hipStreamSynchronize(device->transfer_stream),
                     "hipStreamSynchronize", "a transfer failed; see the system's log (dmesg)",
                     error);
}

static bool clear(const struct device *device, const struct device_memory *memory,
                  struct monogen_error *error) {
    if (memory->bytes == 0)
        return true;
    if (memory->kind == MEMORY_HOST_VISIBLE) {
        memset(memory->host, 0, memory->bytes);
        return true;
    }
    return hip_check(&device->driver,
                     device->driver.hipMemsetAsync((void *)(uintptr_t)memory->device_address, 0,
                                                   memory->bytes, device->transfer_stream),
                     "hipMemsetAsync", "a device memory could not be zeroed", error) &&
           wait_for_transfer(device, error);
}

// Says how much was asked for and, where the driver can tell, how much there is.
static bool allocation_failed(const struct device *device, int status, const char *call,
                              size_t bytes, enum memory_kind kind, struct monogen_error *error) {
    char advice[256];
    size_t free_bytes = 0, total_bytes = 0;
    if (kind == MEMORY_HOST_VISIBLE)
        snprintf(advice, sizeof advice,
                 "%zu bytes of host memory that the device can reach were asked for", bytes);
    else if (device->driver.hipMemGetInfo(&free_bytes, &total_bytes) == HIP_SUCCESS)
        snprintf(advice, sizeof advice,
                 "%.2f GiB were asked for, %.2f of %.2f GiB are free; a smaller --context needs "
                 "less, and another program may hold the rest",
                 gib(bytes), gib(free_bytes), gib(total_bytes));
    else
        snprintf(advice, sizeof advice, "%.2f GiB were asked for; a smaller --context needs less",
                 gib(bytes));
    return hip_check(&device->driver, status, call, advice, error);
}

static void hip_release(struct device *device, struct device_memory *memory) {
    const struct hip_driver *driver = &device->driver;
    make_current(device, NULL);
    if (memory->host)
        driver->hipHostFree(memory->host);
    else if (memory->device_address)
        driver->hipFree((void *)(uintptr_t)memory->device_address);
    *memory = (struct device_memory){.kind = memory->kind};
}

static bool hip_allocate(struct device *device, size_t bytes, enum memory_kind kind,
                         struct device_memory *memory, struct monogen_error *error) {
    const struct hip_driver *driver = &device->driver;
    *memory = (struct device_memory){.kind = kind};
    if (bytes == 0)
        return true;
    if (!make_current(device, error))
        return false;

    void *address = NULL;
    if (kind != MEMORY_HOST_VISIBLE) {
        int status = driver->hipMalloc(&address, bytes);
        if (status != HIP_SUCCESS)
            return allocation_failed(device, status, "hipMalloc", bytes, kind, error);
    } else {
        void *host = NULL;
        int status =
            driver->hipHostMalloc(&host, bytes, HIP_HOST_MEMORY_MAPPED | HIP_HOST_MEMORY_COHERENT);
        if (status != HIP_SUCCESS)
            return allocation_failed(device, status, "hipHostMalloc", bytes, kind, error);
        memory->host = host;
        if (!hip_check(driver, driver->hipHostGetDevicePointer(&address, host, 0),
                       "hipHostGetDevicePointer", "the device cannot reach host memory", error)) {
            hip_release(device, memory);
            return false;
        }
    }
    memory->device_address = (uint64_t)(uintptr_t)address;
    memory->bytes = bytes;
    if (clear(device, memory, error))
        return true;
    hip_release(device, memory);
    return false;
}

static bool hip_zero(struct device *device, const struct device_memory *memory,
                     struct monogen_error *error) {
    return make_current(device, error) && clear(device, memory, error);
}

static bool check_range(const struct device_memory *memory, size_t offset, size_t bytes,
                        struct monogen_error *error) {
    if (offset <= memory->bytes && bytes <= memory->bytes - offset)
        return true;
    return monogen_fail(error, MONOGEN_BAD_USAGE,
                        "a transfer of %zu bytes at %zu leaves a memory of %zu bytes", bytes,
                        offset, memory->bytes);
}

static bool copy(const struct device *device, void *to, const void *from, size_t bytes,
                 enum hip_copy_direction direction, struct monogen_error *error) {
    return make_current(device, error) &&
           hip_check(&device->driver,
                     device->driver.hipMemcpyAsync(to, from, bytes, (int)direction,
                                                   device->transfer_stream),
                     "hipMemcpyAsync",
                     "a transfer could not be started; see the system's log (dmesg)", error) &&
           wait_for_transfer(device, error);
}

static bool hip_upload(struct device *device, const struct device_memory *to, size_t offset,
                       const void *from, size_t bytes, struct monogen_error *error) {
    if (!check_range(to, offset, bytes, error))
        return false;
    if (bytes == 0)
        return true;
    if (to->kind == MEMORY_HOST_VISIBLE) {
        memcpy((char *)to->host + offset, from, bytes);
        return true;
    }
    return copy(device, (void *)(uintptr_t)(to->device_address + offset), from, bytes,
                HIP_COPY_HOST_TO_DEVICE, error);
}

static bool hip_download(struct device *device, void *to, const struct device_memory *from,
                         size_t offset, size_t bytes, struct monogen_error *error) {
    if (!check_range(from, offset, bytes, error))
        return false;
    if (bytes == 0)
        return true;
    if (from->kind == MEMORY_HOST_VISIBLE) {
        memcpy(to, (const char *)from->host + offset, bytes);
        return true;
    }
    return copy(device, to, (const void *)(uintptr_t)(from->device_address + offset), bytes,
                HIP_COPY_DEVICE_TO_HOST, error);
}

// ---- launch
// --------------------------------------------------------------------------------------

static bool hip_launch(struct device *device, const void *argument_block, size_t bytes,
                       struct monogen_error *error) {
    if (bytes != device->argument_block_bytes)
        return monogen_fail(error, MONOGEN_BAD_USAGE,
                            "the argument block has %zu bytes, but the kernel takes %zu", bytes,
                            device->argument_block_bytes);
    if (!make_current(device, error))
        return false;
    // A plain launch: check_residency() has made sure of what a cooperative one would ask for.
    void *extra[] = {HIP_LAUNCH_ARGUMENT_BLOCK, (void *)argument_block, HIP_LAUNCH_ARGUMENT_SIZE,
                     &bytes, HIP_LAUNCH_END};
    return hip_check(&device->driver,
                     device->driver.hipModuleLaunchKernel(device->function, device->workgroups, 1,
                                                          1, device->threads_per_workgroup, 1, 1, 0,
                                                          device->kernel_stream, NULL, extra),
                     "hipModuleLaunchKernel",
                     "the kernel was not started; see the system's log (dmesg)", error);
}

static enum launch_state hip_poll(struct device *device, struct monogen_error *error) {
    int status = device->driver.hipStreamQuery(device->kernel_stream);
    if (status == HIP_NOT_READY)
        return LAUNCH_RUNNING;
    if (hip_check(&device->driver, status, "hipStreamQuery",
                  "the kernel has crashed and the device takes no more work from this process; "
                  "the system's log (dmesg) says what the GPU reported",
                  error))
        return LAUNCH_DONE;
    return LAUNCH_FAILED;
}

const struct backend backend_hip = {
    .name = "hip",
    .probe = hip_probe,
    .open = hip_open,
    .close = hip_close,
    .allocate = hip_allocate,
    .release = hip_release,
    .upload = hip_upload,
    .download = hip_download,
    .zero = hip_zero,
    .launch = hip_launch,
    .poll = hip_poll,
};
