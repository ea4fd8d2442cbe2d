// The host backend: the kernel is a shared object, a workgroup is a thread. Its symbol has the type
// host_kernel; LDS is the object's own thread-local storage.
#include "runtime/backend/backend.h"
#include "runtime/backend/host_sweep.h"
#include "runtime/file_map.h"
#include "runtime/processors.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef void host_kernel(const void *argument_block, unsigned workgroup);

enum { STACK_BYTES = 1 << 20 }; // small: a target may have hundreds of CUs
enum { LARGE_PAGE_BYTES = 2 << 20 };

enum gate { GATE_SHUT, GATE_OPEN, GATE_ABANDONED };

struct workgroup {
    struct device *device;
    unsigned index;
    pthread_t thread;
};

struct device {
    void *object;
    host_kernel *kernel;
    unsigned workgroup_count;
    struct workgroup *workgroups; // [workgroup_count]
    unsigned started;             // threads of the launch that are not joined yet
    void *argument_block;         // the launch's copy
    struct device_usage usage;

    // The workgroups wait for each other, so none may run before all have a thread.
    pthread_mutex_t lock;
    pthread_cond_t gate_moved;
    enum gate gate;
    atomic_uint running; // workgroups that have not returned
};

static bool host_probe(const char *isa, char *line, size_t bytes) {
    char name[128];
    (void)isa; // compiled for this machine
    processors_name(name, sizeof name);
    snprintf(line, bytes, "%s, %d processors, a thread for each CU", name, processors_count());
    return true;
}

static void join_workgroups(struct device *device) {
    for (unsigned i = 0; i < device->started; i++)
        pthread_join(device->workgroups[i].thread, NULL);
    device->started = 0;
    free(device->argument_block);
    device->argument_block = NULL;
}

static void host_close(struct device *device) {
    if (!device)
        return;
    join_workgroups(device);
    if (device->object)
        dlclose(device->object);
    pthread_cond_destroy(&device->gate_moved);
    pthread_mutex_destroy(&device->lock);
    free(device->workgroups);
    free(device);
}

static bool load_kernel(struct device *device, const struct manifest_kernel *kernel,
                        const char *kernel_folder, struct monogen_error *error) {
    char *path = file_path(kernel_folder, kernel->object, error);
    if (!path)
        return false;
    // dlopen searches the library path for a name without a slash; file_path always has one.
    device->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    free(path);
    if (!device->object)
        return monogen_fail(error, MONOGEN_BAD_INPUT, "cannot load the kernel: %s", dlerror());
    // POSIX gives functions as object pointers here, which C cannot cast.
    void *symbol = dlsym(device->object, kernel->symbol);
    memcpy(&device->kernel, &symbol, sizeof symbol);
    if (!symbol)
        return monogen_fail(error, MONOGEN_BAD_INPUT, "%s/%s has no kernel \"%s\"", kernel_folder,
                            kernel->object, kernel->symbol);
    return true;
}

static struct device *host_open(const struct manifest *manifest, const char *kernel_folder,
                                uint64_t seed, struct monogen_error *error) {
    (void)seed; // only the system varies anything
    if (strcmp(manifest->target.backend, backend_host.name) != 0) {
        monogen_fail(error, MONOGEN_BAD_INPUT, "%s: this kernel is for %s (%s), not for the host",
                     kernel_folder, manifest->target.name, manifest->target.isa);
        return NULL;
    }
    struct device *device = calloc(1, sizeof *device);
    if (!device) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&device->lock, NULL);
    pthread_cond_init(&device->gate_moved, NULL);
    device->workgroup_count = manifest->kernel.workgroups;
    device->workgroups = calloc(device->workgroup_count, sizeof *device->workgroups);
    bool opened = device->workgroups != NULL;
    if (!opened)
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    if (!opened || !load_kernel(device, &manifest->kernel, kernel_folder, error)) {
        host_close(device);
        return NULL;
    }
    return device;
}

static bool host_allocate(struct device *device, size_t bytes, enum memory_kind kind,
                          struct device_memory *memory, struct monogen_error *error) {
    *memory = (struct device_memory){.bytes = bytes, .kind = kind};
    // Fresh pages are zero, and are touched first by the threads that fill them.
    void *pages =
        mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "no memory for %zu bytes: %s", bytes,
                            strerror(errno));
    // Large pages, where the system gives them, spare most walks of the page table. Not for memory
    // of which a part is used, such as a KV cache: there they would be zeroed for nothing.
    if (kind == MEMORY_STREAMED && bytes >= LARGE_PAGE_BYTES)
        madvise(pages, bytes, MADV_HUGEPAGE);
    memory->host = pages;
    memory->device_address = (uint64_t)(uintptr_t)pages;
    device_usage_add(&device->usage, memory);
    return true;
}

static void host_release(struct device *device, struct device_memory *memory) {
    device_usage_remove(&device->usage, memory);
    if (memory->host)
        munmap(memory->host, memory->bytes ? memory->bytes : 1);
    *memory = (struct device_memory){0};
}

static struct device_usage host_usage(const struct device *device) { return device->usage; }

static bool host_upload(struct device *device, const struct device_memory *to, size_t offset,
                        const void *from, size_t bytes, struct monogen_error *error) {
    (void)device;
    (void)error;
    memcpy((unsigned char *)to->host + offset, from, bytes);
    return true;
}

static bool host_download(struct device *device, void *to, const struct device_memory *from,
                          size_t offset, size_t bytes, struct monogen_error *error) {
    (void)device;
    (void)error;
    memcpy(to, (const unsigned char *)from->host + offset, bytes);
    return true;
}

static bool host_zero(struct device *device, const struct device_memory *memory,
                      struct monogen_error *error) {
    (void)device;
    (void)error;
    memset(memory->host, 0, memory->bytes);
    return true;
}

static enum gate pass_gate(struct device *device) {
    pthread_mutex_lock(&device->lock);
    while (device->gate == GATE_SHUT)
        pthread_cond_wait(&device->gate_moved, &device->lock);
    enum gate gate = device->gate;
    pthread_mutex_unlock(&device->lock);
    return gate;
}

static void move_gate(struct device *device, enum gate gate) {
    pthread_mutex_lock(&device->lock);
    device->gate = gate;
    pthread_cond_broadcast(&device->gate_moved);
    pthread_mutex_unlock(&device->lock);
}

static void *run_workgroup(void *pointer) {
    struct workgroup *workgroup = pointer;
    struct device *device = workgroup->device;
    if (pass_gate(device) == GATE_OPEN)
        device->kernel(device->argument_block, workgroup->index);
    atomic_fetch_sub_explicit(&device->running, 1, memory_order_release);
    return NULL;
}

// Starts a thread for each workgroup, with all signals blocked: those belong to the caller's
// threads. Returns 0 or the error of the thread that could not be started.
static int start_workgroups(struct device *device) {
    pthread_attr_t attributes;
    int problem = pthread_attr_init(&attributes);
    if (problem)
        return problem;
    problem = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (!problem && device->started < device->workgroup_count) {
        struct workgroup *workgroup = &device->workgroups[device->started];
        *workgroup = (struct workgroup){.device = device, .index = device->started};
        problem = pthread_create(&workgroup->thread, &attributes, run_workgroup, workgroup);
        if (!problem)
            device->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return problem;
}

static bool host_launch(struct device *device, const void *argument_block, size_t bytes,
                        struct monogen_error *error) {
    join_workgroups(device);
    device->argument_block = malloc(bytes);
    if (!device->argument_block)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    memcpy(device->argument_block, argument_block, bytes);
    device->gate = GATE_SHUT;
    atomic_store(&device->running, device->workgroup_count);
    int problem = start_workgroups(device);
    if (problem) {
        unsigned started = device->started;
        move_gate(device, GATE_ABANDONED);
        join_workgroups(device);
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "cannot start thread %u of the %u that stand for the kernel's "
                            "workgroups: %s\n  note: generate with fewer, --set cus=N",
                            started + 1, device->workgroup_count, strerror(problem));
    }
    move_gate(device, GATE_OPEN);
    return true;
}

static enum launch_state host_poll(struct device *device, struct monogen_error *error) {
    (void)error;
    if (atomic_load_explicit(&device->running, memory_order_acquire) != 0)
        return LAUNCH_RUNNING;
    join_workgroups(device);
    return LAUNCH_DONE;
}

static bool host_sweep_memory(struct device *device, const struct device_memory *memory,
                              size_t bytes, double *seconds, struct monogen_error *error) {
    return host_sweep(memory->host, bytes, device->workgroup_count, seconds) ||
           monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                        "cannot start %u threads that read memory: %s", device->workgroup_count,
                        strerror(errno));
}

const struct backend backend_host = {
    .name = "host",
    .uses_processors = true,
    .probe = host_probe,
    .open = host_open,
    .close = host_close,
    .allocate = host_allocate,
    .release = host_release,
    .usage = host_usage,
    .upload = host_upload,
    .download = host_download,
    .zero = host_zero,
    .launch = host_launch,
    .poll = host_poll,
    .sweep = host_sweep_memory,
};
