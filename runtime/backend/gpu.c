// Kernels on one GPU, through the driver API that a struct gpu_api describes.
//
// A kernel runs until its tokens are made, so nothing here may wait for it unasked: the kernel and
// the transfers have a stream each, neither tied to the null stream, and host-visible memory is
// touched without a driver call. A transfer of device memory while the kernel runs is legal but may
// last until the kernel ends, because the driver may copy with a kernel of its own.
#include "runtime/backend/gpu.h"

#include "runtime/file_map.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OBJECT_BYTES ((size_t)1 << 30) // far above what a kernel needs

struct device {
    struct gpu_driver driver;
    struct gpu_facts facts;
    bool acquired;

    char *object_path;
    struct file_map object; // kept while the module is: the driver may read it late
    gpu_module module;
    gpu_function function;
    gpu_stream kernel_stream, transfer_stream;

    unsigned workgroups, threads_per_workgroup, dynamic_lds_bytes;
    size_t argument_block_bytes;
    struct device_usage usage;
};

static double gib(size_t bytes) { return (double)bytes / (1 << 30); }

// driver->member(...), and whether it succeeded.
#define CALL(driver, member, arguments, advice, error)                                             \
    gpu_check_call(driver, (driver)->member arguments, GPU_CALL_##member, advice, error)

// The current device belongs to the thread, and a model may be handed from thread to thread.
static bool make_current(const struct device *device, struct monogen_error *error) {
    return device->driver.api->make_current(&device->driver, &device->facts, error);
}

// ---- probe and measure --------------------------------------------------------------------------

bool gpu_probe(const struct gpu_api *api, const char *isa, char *line, size_t bytes) {
    struct monogen_error error;
    struct gpu_driver driver;
    if (!gpu_driver_open(api, &driver, &error)) {
        monogen_error_line(&error, line, bytes);
        return false;
    }
    struct gpu_facts facts;
    bool usable = gpu_driver_choose_device(&driver, &facts, &error);
    if (!usable)
        monogen_error_line(&error, line, bytes);
    else
        snprintf(line, bytes, "%s, %d %s, %.0f GiB, %s %d.%d (%s)", facts.isa, facts.cus, api->cus,
                 gib(facts.memory_bytes), api->name, driver.version / api->major_unit,
                 driver.version % api->major_unit / api->minor_unit, driver.library.name);
    if (usable && isa && !api->runs(facts.isa, isa)) {
        usable = false;
        snprintf(line, bytes, "device %d (%s) is %s, not %s; %s chooses another", facts.number,
                 facts.name, facts.isa, isa, api->device_variable);
    }
    gpu_driver_close(&driver);
    return usable;
}

bool gpu_measure(const struct gpu_api *api, struct device_size *size) {
    struct gpu_driver driver;
    struct gpu_facts facts;
    if (!gpu_driver_open(api, &driver, NULL))
        return false;
    const bool there = gpu_driver_choose_device(&driver, &facts, NULL) && facts.cus > 0;
    gpu_driver_close(&driver);
    if (there)
        *size = (struct device_size){(uint32_t)facts.cus, api->cus, facts.memory_bytes};
    return there;
}

// ---- open ---------------------------------------------------------------------------------------

// The driver takes the object's size from its headers and trusts them.
static bool check_object(const struct gpu_api *api, const struct file_map *object, const char *path,
                         struct monogen_error *error) {
    Elf64_Ehdr header;
    bool whole = false;
    if (object->length >= sizeof header) {
        memcpy(&header, object->bytes, sizeof header);
        uint64_t table_bytes = (uint64_t)header.e_shnum * header.e_shentsize;
        whole = memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_machine == api->elf_machine &&
                table_bytes <= object->length && header.e_shoff <= object->length - table_bytes;
    }
    if (!whole)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: not a whole %s\n"
                            "  note: generate the kernel again",
                            path, api->object);
    return true;
}

static bool check_device(const struct device *device, const struct manifest *manifest,
                         struct monogen_error *error) {
    const struct gpu_api *api = device->driver.api;
    const struct gpu_facts *facts = &device->facts;
    if (!api->runs(facts->isa, manifest->target.isa))
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel is for %s (%s), but device %d (%s) is a %s\n"
                            "  note: choose another device with %s, or generate for this one",
                            manifest->target.isa, manifest->target.name, facts->number, facts->name,
                            facts->isa, api->device_variable);
    if (facts->cus >= 0 && (unsigned)facts->cus >= manifest->target.cus)
        return true;
    char otherwise[64] = ", or generate for a target with the XCDs that are there";
    if (manifest->target.xcds == 1)
        snprintf(otherwise, sizeof otherwise, ", or generate with --set cus=%d", facts->cus);
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "the kernel is for %u %s, but device %d (%s) has %d\n  note: %s%s",
                        (unsigned)manifest->target.cus, api->cus, facts->number, facts->name,
                        facts->cus, api->partition_advice, otherwise);
}

static bool load_kernel(struct device *device, const struct manifest *manifest,
                        const char *kernel_folder, struct monogen_error *error) {
    const struct gpu_driver *driver = &device->driver;
    device->object_path = file_path(kernel_folder, manifest->kernel.object, error);
    if (!device->object_path ||
        !file_map_open(&device->object, device->object_path, MAX_OBJECT_BYTES, error) ||
        !check_object(driver->api, &device->object, device->object_path, error))
        return false;

    char advice[256];
    snprintf(advice, sizeof advice,
             "the driver does not accept the %s: generate the kernel again, or use a %s that knows "
             "the GPU and is no older than the compiler",
             driver->api->object, driver->api->search.what);
    int status = driver->module_load(&device->module, device->object.bytes);
    if (!gpu_check_call(driver, status, GPU_CALL_module_load, advice, error)) {
        device->module = NULL;
        if (error && (status == GPU_INVALID_IMAGE || status == GPU_NO_BINARY))
            error->status = MONOGEN_BAD_INPUT;
        return false;
    }
    status = driver->module_function(&device->function, device->module, manifest->kernel.symbol);
    if (status == GPU_NOT_FOUND)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s holds no kernel named %s\n"
                            "  note: generate the kernel again",
                            device->object_path, manifest->kernel.symbol);
    return gpu_check_call(driver, status, GPU_CALL_module_function, "generate the kernel again",
                          error);
}

// Workgroups wait for each other, so all must be on the device at once.
static bool check_residency(const struct device *device, struct monogen_error *error) {
    const struct gpu_driver *driver = &device->driver;
    const char *cus = driver->api->cus;
    int workgroups_per_cu = 0;
    if (!CALL(driver, count_resident,
              (&workgroups_per_cu, device->function, (int)device->threads_per_workgroup,
               device->dynamic_lds_bytes),
              "the driver cannot tell how many workgroups are resident at once", error))
        return false;
    long long resident = (long long)workgroups_per_cu * device->facts.cus;
    if (resident < (long long)device->workgroups)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel's %u workgroups wait for each other, but only %lld are "
                            "resident at once: %d %s with %d each\n"
                            "  note: `monogen inspect DIR resources` shows what a workgroup of %u "
                            "threads occupies",
                            device->workgroups, resident, device->facts.cus, cus, workgroups_per_cu,
                            device->threads_per_workgroup);
    return true;
}

static bool prepare_lds(struct device *device, size_t lds_bytes, struct monogen_error *error) {
    const struct gpu_driver *driver = &device->driver;
    return !driver->api->prepare_lds ||
           driver->api->prepare_lds(driver, &device->facts, device->function, lds_bytes,
                                    &device->dynamic_lds_bytes, error);
}

static bool acquire(struct device *device, struct monogen_error *error) {
    const struct gpu_api *api = device->driver.api;
    device->acquired = !api->acquire || api->acquire(&device->driver, &device->facts, error);
    return device->acquired && make_current(device, error);
}

static bool create_stream(const struct device *device, gpu_stream *stream,
                          struct monogen_error *error) {
    if (CALL(&device->driver, stream_create, (stream, GPU_STREAM_NON_BLOCKING),
             "another program may have used up the device's queues", error))
        return true;
    *stream = NULL;
    return false;
}

// Failures are not reported: there is nothing a caller could do, and *error may hold the first one.
void gpu_close(struct device *device) {
    if (!device)
        return;
    const struct gpu_driver *driver = &device->driver;
    if (device->acquired) {
        make_current(device, NULL);
        if (device->kernel_stream) {
            driver->stream_synchronize(device->kernel_stream); // the kernel bounds its own waits
            driver->stream_destroy(device->kernel_stream);
        }
        if (device->transfer_stream)
            driver->stream_destroy(device->transfer_stream);
        if (device->module)
            driver->module_unload(device->module);
        if (driver->api->relinquish)
            driver->api->relinquish(&device->driver, &device->facts);
    }
    gpu_driver_close(&device->driver);
    file_map_close(&device->object);
    free(device->object_path);
    free(device);
}

struct device *gpu_open(const struct gpu_api *api, const struct manifest *manifest,
                        const char *kernel_folder, struct monogen_error *error) {
    struct device *device = calloc(1, sizeof *device);
    if (!device) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    device->workgroups = manifest->kernel.workgroups;
    device->threads_per_workgroup = manifest->kernel.threads_per_workgroup;
    device->argument_block_bytes = manifest->kernel.argument_block_bytes;
    if (gpu_driver_open(api, &device->driver, error) &&
        gpu_driver_choose_device(&device->driver, &device->facts, error) &&
        check_device(device, manifest, error) && acquire(device, error) &&
        load_kernel(device, manifest, kernel_folder, error) &&
        prepare_lds(device, manifest->kernel.lds_bytes, error) && check_residency(device, error) &&
        create_stream(device, &device->kernel_stream, error) &&
        create_stream(device, &device->transfer_stream, error))
        return device;
    gpu_close(device);
    return NULL;
}

// ---- memory -------------------------------------------------------------------------------------

static bool wait_for_transfer(const struct device *device, struct monogen_error *error) {
    return CALL(&device->driver, stream_synchronize, (device->transfer_stream),
                "a transfer failed; see the system's log (dmesg)", error);
}

static bool clear(const struct device *device, const struct device_memory *memory,
                  struct monogen_error *error) {
    if (memory->bytes == 0)
        return true;
    if (memory->kind == MEMORY_HOST_VISIBLE) {
        memset(memory->host, 0, memory->bytes);
        return true;
    }
    return device->driver.api->clear(&device->driver, memory->device_address, memory->bytes,
                                     device->transfer_stream, error) &&
           wait_for_transfer(device, error);
}

// Says how much was asked for and, where the driver can tell, how much there is.
static bool allocation_failed(const struct device *device, int status, enum gpu_call call,
                              size_t bytes, struct monogen_error *error) {
    char advice[256];
    size_t free_bytes = 0, total_bytes = 0;
    if (call == GPU_CALL_allocate_host)
        snprintf(advice, sizeof advice,
                 "%zu bytes of host memory that the device can reach were asked for", bytes);
    else if (device->driver.get_free_memory(&free_bytes, &total_bytes) == GPU_SUCCESS)
        snprintf(advice, sizeof advice,
                 "%.2f GiB were asked for, %.2f of %.2f GiB are free; a smaller --context needs "
                 "less, and another program may hold the rest",
                 gib(bytes), gib(free_bytes), gib(total_bytes));
    else
        snprintf(advice, sizeof advice, "%.2f GiB were asked for; a smaller --context needs less",
                 gib(bytes));
    return gpu_check_call(&device->driver, status, call, advice, error);
}

void gpu_release(struct device *device, struct device_memory *memory) {
    const struct gpu_driver *driver = &device->driver;
    make_current(device, NULL);
    if (memory->host)
        driver->release_host(memory->host);
    else if (memory->device_address)
        driver->release(memory->device_address);
    device_usage_remove(&device->usage, memory);
    *memory = (struct device_memory){.kind = memory->kind};
}

bool gpu_allocate(struct device *device, size_t bytes, enum memory_kind kind,
                  struct device_memory *memory, struct monogen_error *error) {
    const struct gpu_driver *driver = &device->driver;
    *memory = (struct device_memory){.kind = kind};
    if (bytes == 0)
        return true;
    if (!make_current(device, error))
        return false;

    uint64_t address = 0;
    if (kind != MEMORY_HOST_VISIBLE) {
        int status = driver->allocate(&address, bytes);
        if (status != GPU_SUCCESS)
            return allocation_failed(device, status, GPU_CALL_allocate, bytes, error);
    } else {
        void *host = NULL;
        int status = driver->allocate_host(&host, bytes, driver->api->host_memory_flags);
        if (status != GPU_SUCCESS)
            return allocation_failed(device, status, GPU_CALL_allocate_host, bytes, error);
        memory->host = host;
        if (!CALL(driver, get_host_address, (&address, host, 0),
                  "the device cannot reach host memory", error)) {
            gpu_release(device, memory);
            return false;
        }
    }
    memory->device_address = address;
    memory->bytes = bytes;
    device_usage_add(&device->usage, memory);
    if (clear(device, memory, error))
        return true;
    gpu_release(device, memory);
    return false;
}

struct device_usage gpu_usage(const struct device *device) {
    return device->usage;
}

bool gpu_zero(struct device *device, const struct device_memory *memory,
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

static bool copy(const struct device *device, uint64_t device_address, void *host, size_t bytes,
                 enum gpu_direction direction, struct monogen_error *error) {
    return make_current(device, error) &&
           device->driver.api->copy(&device->driver, device_address, host, bytes, direction,
                                    device->transfer_stream, error) &&
           wait_for_transfer(device, error);
}

bool gpu_upload(struct device *device, const struct device_memory *to, size_t offset,
                const void *from, size_t bytes, struct monogen_error *error) {
    if (!check_range(to, offset, bytes, error))
        return false;
    if (bytes == 0)
        return true;
    if (to->kind == MEMORY_HOST_VISIBLE) {
        memcpy((char *)to->host + offset, from, bytes);
        return true;
    }
    return copy(device, to->device_address + offset, (void *)(uintptr_t)from, bytes, GPU_TO_DEVICE,
                error);
}

bool gpu_download(struct device *device, void *to, const struct device_memory *from, size_t offset,
                  size_t bytes, struct monogen_error *error) {
    if (!check_range(from, offset, bytes, error))
        return false;
    if (bytes == 0)
        return true;
    if (from->kind == MEMORY_HOST_VISIBLE) {
        memcpy(to, (const char *)from->host + offset, bytes);
        return true;
    }
    return copy(device, from->device_address + offset, to, bytes, GPU_TO_HOST, error);
}

// ---- launch -------------------------------------------------------------------------------------

bool gpu_launch(struct device *device, const void *argument_block, size_t bytes,
                struct monogen_error *error) {
    if (bytes != device->argument_block_bytes)
        return monogen_fail(error, MONOGEN_BAD_USAGE,
                            "the argument block has %zu bytes, but the kernel takes %zu", bytes,
                            device->argument_block_bytes);
    if (!make_current(device, error))
        return false;
    // A plain launch: check_residency() has made sure of what a cooperative one would ask for.
    void *extra[] = {GPU_LAUNCH_ARGUMENT_BLOCK, (void *)(uintptr_t)argument_block,
                     GPU_LAUNCH_ARGUMENT_SIZE, &bytes, device->driver.api->launch_end};
    return CALL(&device->driver, launch,
                (device->function, device->workgroups, 1, 1, device->threads_per_workgroup, 1, 1,
                 device->dynamic_lds_bytes, device->kernel_stream, NULL, extra),
                "the kernel was not started; see the system's log (dmesg)", error);
}

enum launch_state gpu_poll(struct device *device, struct monogen_error *error) {
    int status = device->driver.stream_query(device->kernel_stream);
    if (status == GPU_NOT_READY)
        return LAUNCH_RUNNING;
    if (gpu_check_call(&device->driver, status, GPU_CALL_stream_query,
                       "the kernel has crashed and the device takes no more work from this "
                       "process; the system's log (dmesg) says what the GPU reported",
                       error))
        return LAUNCH_DONE;
    return LAUNCH_FAILED;
}

bool gpu_energy(struct device *device, double *joules) {
    const struct gpu_api *api = device->driver.api;
    return api->energy && api->energy(&device->driver, &device->facts, joules);
}
