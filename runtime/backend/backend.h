// A backend runs an emitted kernel on one kind of device, behind one table of functions. Only a
// backend knows its driver. backends[] in backend.c is the list of them.
#ifndef RUNTIME_BACKEND_BACKEND_H
#define RUNTIME_BACKEND_BACKEND_H

#include "runtime/device_counts.h"
#include "runtime/error.h"
#include "runtime/manifest.h"

#include <stddef.h>
#include <stdint.h>

struct device; // an opened device with a loaded kernel; each backend defines its own

enum memory_kind {
    MEMORY_DEVICE,       // where the kernel reads fastest; the host may not touch it
    MEMORY_STREAMED,     // the same, for what is read from end to end again and again
    MEMORY_HOST_VISIBLE, // pinned: both sides read and write it while the kernel runs
};

struct device_memory {
    uint64_t device_address; // what the kernel's argument holds
    void *host;              // MEMORY_HOST_VISIBLE, and everything on the host backend; else NULL
    size_t bytes;
    enum memory_kind kind;
};

// What bounds a kernel that is planned for a device.
struct device_size {
    uint32_t cus;
    const char *cus_name; // what they are called there: "SMs"
    uint64_t memory_bytes;
};

// Bytes of device memory that allocate() gave and release() has not taken back: now, and the most
// there were. Memory of the host is not counted.
struct device_usage {
    size_t bytes, most_bytes;
};

enum launch_state { LAUNCH_RUNNING, LAUNCH_DONE, LAUNCH_FAILED };

struct backend {
    const char *name; // what --device says and the manifest's target.backend
    // Another backend whose kernels this one runs, instead of any of its own. NULL: its own.
    const char *kernels_of;
    // Its kernels run on the processors that their caller waits on: waiting must leave them alone.
    bool uses_processors;

    // One line of what is there ("gfx942, 304 CUs, 192 GiB"), or of what is missing and what to do.
    // Returns whether the device could be used, for kernels of `isa` (NULL: any it has). line:
    // [bytes] text.
    bool (*probe)(const char *isa, char *line, size_t bytes);

    // Fills *size for the device that open() would use; of a partitioned one, for the part that
    // this process sees. False where there is none. NULL: nothing bounds its kernels.
    bool (*measure)(struct device_size *size);

    // Opens the device, checks it against the manifest (ISA, CUs, all workgroups resident at once)
    // and loads the kernel object from kernel_folder. seed: of what the device varies from run to
    // run, where it does. NULL after filling *error.
    struct device *(*open)(const struct manifest *manifest, const char *kernel_folder,
                           uint64_t seed, struct monogen_error *error);
    void (*close)(struct device *device); // NULL is fine; frees the kernel, not the memories

    bool (*allocate)(struct device *device, size_t bytes, enum memory_kind kind,
                     struct device_memory *memory, struct monogen_error *error); // zeroed
    void (*release)(struct device *device, struct device_memory *memory);

    struct device_usage (*usage)(const struct device *device);

    bool (*upload)(struct device *device, const struct device_memory *to, size_t offset,
                   const void *from, size_t bytes, struct monogen_error *error);
    bool (*download)(struct device *device, void *to, const struct device_memory *from,
                     size_t offset, size_t bytes, struct monogen_error *error);
    bool (*zero)(struct device *device, const struct device_memory *memory,
                 struct monogen_error *error);

    // Starts the kernel: manifest->kernel.workgroups workgroups, all resident, with the argument
    // block ([bytes], the layout of the manifest's argument list). Returns at once.
    bool (*launch)(struct device *device, const void *argument_block, size_t bytes,
                   struct monogen_error *error);
    // Whether the launch has ended. After LAUNCH_FAILED *error says why.
    enum launch_state (*poll)(struct device *device, struct monogen_error *error);

    // Reads [bytes] from the start of the memory once, in the way that is fastest on this device,
    // with as many workgroups as the kernel has, and says how long that took. What a kernel that
    // streams its weights is compared with. NULL: that takes a kernel, which the generator makes
    // and opens like any other. Requires: no launch is running.
    bool (*sweep)(struct device *device, const struct device_memory *memory, size_t bytes,
                  double *seconds, struct monogen_error *error);

    // What the device has counted in all launches so far. NULL: it counts nothing. Requires: no
    // launch is running.
    struct device_counts (*count)(const struct device *device);

    // Energy that the device has used since some time past, in joules. False where nothing tells
    // it. NULL: nothing ever does.
    bool (*energy)(struct device *device, double *joules);
};

extern const struct backend backend_host; // shared object, one thread a CU
extern const struct backend backend_hip;  // gfx942 code object through libamdhip64
extern const struct backend backend_cuda; // sm_90a cubin through libcuda
extern const struct backend backend_sim;  // gfx942 code object, executed on the CPU

// For allocate() and release() of a backend: counts a memory that is there, or goes.
void device_usage_add(struct device_usage *usage, const struct device_memory *memory);
void device_usage_remove(struct device_usage *usage, const struct device_memory *memory);

// NULL where there is none of that name.
const struct backend *backend_by_name(const char *name);
// Whether it runs kernels that were generated for a target of this backend.
bool backend_runs(const struct backend *backend, const char *target_backend);
extern const struct backend *const backends[]; // NULL-terminated

#endif
