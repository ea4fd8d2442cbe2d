// The sim backend: executes the code object for an AMD GPU on the CPU, on a chip of the shape that
// the manifest tells. What it runs is what a GPU would load; how fast says nothing of a GPU.
#include "runtime/backend/backend.h"
#include "runtime/file_map.h"
#include "runtime/kernel_arguments.h"
#include "runtime/processors.h"
#include "runtime/simulator/chip.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_LISTING_BYTES ((size_t)1 << 30)
#define ISA "gfx942" // whose instructions runtime/simulator executes

struct device {
    const struct manifest *manifest; // outlives the device
    struct object object;
    struct chip *chip;
    struct device_usage usage;
    uint64_t addresses[ARGUMENT_COUNT]; // of the newest launch's arguments, 0 where it is none

    pthread_t thread;
    bool has_thread;
    atomic_bool stop; // ends the run without waiting for the kernel
    atomic_bool ended;
    bool succeeded;
    struct monogen_error error;  // of the run
    struct device_counts counts; // of the launches that have ended
};

static bool probe(const char *isa, char *line, size_t bytes) {
    char processor[128];
    if (isa && strcmp(isa, ISA) != 0) {
        snprintf(line, bytes, "executes code for " ISA ", not %s", isa);
        return false;
    }
    processors_name(processor, sizeof processor);
    snprintf(line, bytes, ISA " executed on %s, %d processors", processor, processors_count());
    return true;
}

// ---- open ---------------------------------------------------------------------------------------

static struct chip_shape shape_of(const struct manifest_chip *chip) {
    return (struct chip_shape){.memory = {.xcds = chip->xcds,
                                          .cus_per_xcd = chip->cus_per_xcd,
                                          .iod_of_xcd = chip->iod_of_xcd,
                                          .l1_bytes = chip->l1_bytes,
                                          .l1_ways = chip->l1_ways,
                                          .l2_bytes = chip->l2_bytes,
                                          .l2_ways = chip->l2_ways,
                                          .line_bytes = chip->cache_line_bytes},
                               .simds_per_cu = chip->simds_per_cu,
                               .waves_per_simd = chip->waves_per_simd,
                               .registers_per_lane = chip->registers_per_lane,
                               .register_granule = chip->register_granule,
                               .lds_bytes = chip->lds_bytes,
                               .turn_ns = chip->handoff_ns,
                               .clock_mhz = chip->clock_mhz,
                               .realtime_mhz = chip->realtime_mhz};
}

static uint32_t count_iods(const struct manifest_chip *chip) {
    uint32_t highest = 0;
    for (uint32_t i = 0; i < chip->xcds; i++)
        highest = chip->iod_of_xcd[i] > highest ? chip->iod_of_xcd[i] : highest;
    return highest + 1;
}

static bool check_manifest(const struct manifest *manifest, const char *kernel_folder,
                           struct monogen_error *error) {
    const struct manifest_target *target = &manifest->target;
    if (strcmp(target->isa, ISA) != 0)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: this kernel is for %s (%s), and sim executes code for " ISA,
                            kernel_folder, target->name, target->isa);
    if (target->chip.xcds == 0 || !manifest->kernel.listing)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: the manifest says nothing of the chip, or names no disassembly\n"
                            "  note: generate the kernel again, for a target that has "
                            "simds_per_cu, caches and clocks",
                            kernel_folder);
    return true;
}

static bool load_kernel(struct device *device, const char *kernel_folder,
                        struct monogen_error *error) {
    const struct manifest_kernel *kernel = &device->manifest->kernel;
    char *object_path = file_path(kernel_folder, kernel->object, error);
    char *listing_path = object_path ? file_path(kernel_folder, kernel->listing, error) : NULL;
    struct file_map listing = {0};
    const bool loaded = listing_path && object_read(&device->object, object_path, ISA, error) &&
                        file_map_open(&listing, listing_path, MAX_LISTING_BYTES, error) &&
                        chip_load(device->chip, &device->object, kernel->symbol, listing_path,
                                  (const char *)listing.bytes, listing.length, error);
    file_map_close(&listing);
    free(listing_path);
    free(object_path);
    return loaded;
}

// Ends a kernel that is still running.
static void join(struct device *device) {
    if (!device->has_thread)
        return;
    pthread_join(device->thread, NULL);
    device->has_thread = false;
}

static void sim_close(struct device *device) {
    if (!device)
        return;
    atomic_store(&device->stop, true);
    join(device);
    chip_close(device->chip);
    object_close(&device->object);
    free(device);
}

static struct device *sim_open(const struct manifest *manifest, const char *kernel_folder,
                               uint64_t seed, struct monogen_error *error) {
    if (!check_manifest(manifest, kernel_folder, error))
        return NULL;
    struct device *device = calloc(1, sizeof *device);
    if (!device) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    device->manifest = manifest;
    struct chip_shape shape = shape_of(&manifest->target.chip);
    shape.memory.iods = count_iods(&manifest->target.chip);
    device->chip = chip_open(&shape, seed, error);
    if (device->chip && load_kernel(device, kernel_folder, error))
        return device;
    sim_close(device);
    return NULL;
}

// ---- memory -------------------------------------------------------------------------------------

static bool sim_allocate(struct device *device, size_t bytes, enum memory_kind kind,
                         struct device_memory *memory, struct monogen_error *error) {
    *memory = (struct device_memory){.bytes = bytes, .kind = kind};
    if (bytes == 0)
        return true;
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "no memory for %zu bytes: %s", bytes,
                            strerror(errno));
    if (!memory_add(chip_memory(device->chip), pages, bytes, "device memory", error)) {
        munmap(pages, bytes);
        return false;
    }
    memory->host = pages;
    memory->device_address = (uint64_t)(uintptr_t)pages;
    device_usage_add(&device->usage, memory);
    return true;
}

static void sim_release(struct device *device, struct device_memory *memory) {
    device_usage_remove(&device->usage, memory);
    if (memory->host) {
        memory_remove(chip_memory(device->chip), memory->host);
        munmap(memory->host, memory->bytes);
    }
    *memory = (struct device_memory){0};
}

static struct device_usage sim_usage(const struct device *device) { return device->usage; }

static bool sim_upload(struct device *device, const struct device_memory *to, size_t offset,
                       const void *from, size_t bytes, struct monogen_error *error) {
    (void)device;
    (void)error;
    memcpy((unsigned char *)to->host + offset, from, bytes);
    return true;
}

static bool sim_download(struct device *device, void *to, const struct device_memory *from,
                         size_t offset, size_t bytes, struct monogen_error *error) {
    (void)device;
    (void)error;
    memcpy(to, (const unsigned char *)from->host + offset, bytes);
    return true;
}

static bool sim_zero(struct device *device, const struct device_memory *memory,
                     struct monogen_error *error) {
    (void)device;
    (void)error;
    memset(memory->host, 0, memory->bytes);
    return true;
}

// ---- launch -------------------------------------------------------------------------------------

// The plan's name of a mailbox.
static bool name_mailbox(const struct manifest *manifest, uint64_t offset, char *text,
                         size_t bytes) {
    enum { PAIR_BYTES = 8 };
    const uint64_t pair = offset / PAIR_BYTES;
    for (size_t i = 0; i < manifest->mailbox_count; i++) {
        const struct manifest_mailbox *mailbox = &manifest->mailboxes[i];
        if (pair < mailbox->first_pair || pair - mailbox->first_pair >= mailbox->pairs)
            continue;
        snprintf(text, bytes, "pair %" PRIu64 " of mailbox %s", pair - mailbox->first_pair,
                 mailbox->name);
        return true;
    }
    return false;
}

// The argument that the address is behind: allocations are far apart, so that it is the nearest.
static bool name_place(void *context, uint64_t address, char *text, size_t bytes) {
    const struct device *device = context;
    int nearest = -1;
    for (int i = 0; i < ARGUMENT_COUNT; i++)
        if (device->addresses[i] && device->addresses[i] <= address &&
            (nearest < 0 || device->addresses[i] > device->addresses[nearest]))
            nearest = i;
    if (nearest < 0)
        return false;
    const uint64_t offset = address - device->addresses[nearest];
    if (nearest != ARGUMENT_mailboxes || !name_mailbox(device->manifest, offset, text, bytes))
        snprintf(text, bytes, "%s + 0x%" PRIx64,
                 kernel_argument_name((enum kernel_argument)nearest), offset);
    return true;
}

// Adds the launch that has ended. What memory counts goes on from launch to launch.
static void add_counts(struct device *device) {
    struct chip_counts launch;
    chip_count(device->chip, &launch);
    const uint64_t *executed = launch.workgroups.instructions;
    struct device_counts *counts = &device->counts;
    counts->turns += launch.turns;
    counts->scalar_alu += executed[CLASS_SCALAR_ALU];
    counts->scalar_memory += executed[CLASS_SCALAR_MEMORY];
    counts->branches += executed[CLASS_BRANCH];
    counts->waits += executed[CLASS_WAIT];
    counts->vector_alu += executed[CLASS_VECTOR_ALU];
    counts->matrix += executed[CLASS_MATRIX];
    counts->lds += executed[CLASS_LDS];
    counts->global += executed[CLASS_GLOBAL];
    counts->atomics += executed[CLASS_ATOMIC];
    counts->caches += executed[CLASS_CACHE];
    counts->sleeps += launch.workgroups.sleeps;
    counts->barriers += launch.workgroups.barriers;
    counts->lds_bytes += launch.workgroups.lds_bytes;
    counts->lds_conflict_cycles += launch.workgroups.lds_conflict_cycles;
    counts->l1_hits = launch.memory.l1_hits;
    counts->l1_misses = launch.memory.l1_misses;
    counts->l2_hits = launch.memory.l2_hits;
    counts->l2_misses = launch.memory.l2_misses;
    counts->passed_lines = launch.memory.passed_lines;
    counts->local_bytes = launch.memory.local_bytes;
    counts->remote_bytes = launch.memory.remote_bytes;
    counts->written_bytes = launch.memory.written_bytes;
}

static void *run(void *pointer) {
    struct device *device = pointer;
    device->succeeded = chip_run(device->chip, &device->stop, &device->error);
    add_counts(device);
    atomic_store(&device->ended, true);
    return NULL;
}

static bool start(struct device *device, const void *argument_block, size_t bytes,
                  struct monogen_error *error) {
    const struct manifest_kernel *kernel = &device->manifest->kernel;
    const struct object_kernel *wants = object_find_kernel(&device->object, kernel->symbol);
    const size_t wanted_bytes = wants->argument_block_bytes;
    const size_t block_bytes = wanted_bytes > bytes ? wanted_bytes : bytes;
    unsigned char *block = calloc(1, block_bytes ? block_bytes : 1);
    if (!block)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    memcpy(block, argument_block, bytes);
    const struct chip_launch launch = {.grid = {kernel->workgroups, 1, 1},
                                       .block = {kernel->threads_per_workgroup, 1, 1},
                                       .arguments = block,
                                       .argument_bytes = block_bytes,
                                       .name = name_place,
                                       .context = device};
    object_fill_hidden_arguments(wants, launch.grid, launch.block, block);
    const bool started = chip_start(device->chip, &launch, error);
    free(block);
    return started;
}

static void take_addresses(struct device *device, const unsigned char *argument_block) {
    const struct manifest_kernel *kernel = &device->manifest->kernel;
    memset(device->addresses, 0, sizeof device->addresses);
    for (size_t i = 0; i < kernel->argument_count; i++) {
        const struct manifest_argument *argument = &kernel->arguments[i];
        const enum kernel_argument known = kernel_argument_by_name(argument->name);
        // Addresses are of 8 bytes, and so is one number.
        if (argument->bytes == sizeof device->addresses[known] && known != ARGUMENT_timeout_ns)
            memcpy(&device->addresses[known], argument_block + argument->offset,
                   sizeof device->addresses[known]);
    }
}

static bool sim_launch(struct device *device, const void *argument_block, size_t bytes,
                       struct monogen_error *error) {
    join(device);
    if (bytes != device->manifest->kernel.argument_block_bytes)
        return monogen_fail(error, MONOGEN_BAD_USAGE,
                            "the argument block has %zu bytes, but the kernel takes %zu", bytes,
                            device->manifest->kernel.argument_block_bytes);
    take_addresses(device, argument_block);
    if (!start(device, argument_block, bytes, error))
        return false;
    atomic_store(&device->stop, false);
    atomic_store(&device->ended, false);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int problem = pthread_create(&device->thread, NULL, run, device);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    device->has_thread = problem == 0;
    return problem == 0 || monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "cannot start a thread: %s",
                                        strerror(problem));
}

static enum launch_state sim_poll(struct device *device, struct monogen_error *error) {
    if (!atomic_load(&device->ended))
        return LAUNCH_RUNNING;
    join(device);
    if (device->succeeded)
        return LAUNCH_DONE;
    if (error)
        *error = device->error;
    return LAUNCH_FAILED;
}

static struct device_counts sim_count(const struct device *device) { return device->counts; }

const struct backend backend_sim = {
    .name = "sim",
    .kernels_of = "hip",
    .uses_processors = true,
    .probe = probe,
    .open = sim_open,
    .close = sim_close,
    .allocate = sim_allocate,
    .release = sim_release,
    .usage = sim_usage,
    .upload = sim_upload,
    .download = sim_download,
    .zero = sim_zero,
    .launch = sim_launch,
    .poll = sim_poll,
    .count = sim_count,
};
