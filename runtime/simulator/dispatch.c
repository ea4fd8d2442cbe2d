// Places workgroups on CUs and sets up what their registers hold when they begin.
#include "runtime/simulator/arrivals.h"
#include "runtime/simulator/chip_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LDS_GRANULE_BYTES = 512 }; // of an allocation ("AMD Instinct MI300" instruction set)
enum { PACKET_BYTES = 64 };       // hsa_kernel_dispatch_packet_t
enum { PAGE_BYTES = 4096 };       // what registers and LDS of all workgroups are aligned to

// What a workgroup takes of a CU, and how many fit one.
struct footprint {
    uint32_t waves, registers, lds_bytes, workgroups_per_cu;
};

static uint32_t round_up(uint32_t value, uint32_t granule) {
    return (value + granule - 1) / granule * granule;
}

static uint32_t product(const uint32_t size[3]) { return size[0] * size[1] * size[2]; }

static bool measure(const struct chip *chip, struct footprint *print, struct monogen_error *error) {
    const struct chip_shape *shape = &chip->shape;
    const struct object_kernel *kernel = chip->kernel;
    const uint32_t threads = product(chip->launch.block);
    print->waves = round_up(threads, WAVE_LANES) / WAVE_LANES;
    print->registers = round_up(kernel->vector_registers, shape->register_granule);
    print->lds_bytes = round_up(kernel->lds_bytes, LDS_GRANULE_BYTES);
    if (print->registers == 0)
        print->registers = shape->register_granule;
    const uint32_t by_registers = shape->registers_per_lane / print->registers;
    const uint32_t waves_per_simd =
        by_registers < shape->waves_per_simd ? by_registers : shape->waves_per_simd;
    const uint32_t by_waves = waves_per_simd * shape->simds_per_cu / print->waves;
    const uint32_t by_lds = print->lds_bytes ? shape->lds_bytes / print->lds_bytes : by_waves;
    print->workgroups_per_cu = by_waves < by_lds ? by_waves : by_lds;
    if (print->workgroups_per_cu)
        return true;
    return monogen_fail(error, MONOGEN_BAD_INPUT,
                        "a workgroup of %s does not fit a CU: %" PRIu32 " waves of %" PRIu32
                        " registers a lane and %" PRIu32 " bytes of LDS, where a CU has %" PRIu32
                        " waves of that size and %" PRIu32 " bytes",
                        kernel->name, print->waves, print->registers, print->lds_bytes,
                        waves_per_simd * shape->simds_per_cu, shape->lds_bytes);
}

static bool check_residency(const struct chip *chip, const struct footprint *print,
                            struct monogen_error *error) {
    const struct memory_shape *shape = &chip->shape.memory;
    const uint64_t cus = (uint64_t)shape->xcds * shape->cus_per_xcd;
    const uint64_t resident = cus * print->workgroups_per_cu;
    const uint64_t wanted =
        (uint64_t)chip->launch.grid[0] * chip->launch.grid[1] * chip->launch.grid[2];
    if (wanted <= resident)
        return true;
    return monogen_fail(error, MONOGEN_BAD_INPUT,
                        "%" PRIu64 " workgroups of %s are not resident at once: %" PRIu64
                        " CUs hold %" PRIu32 " each\n  note: only kernels whose workgroups are all "
                        "resident are executed; a smaller grid fits",
                        wanted, chip->kernel->name, cus, print->workgroups_per_cu);
}

static bool check_modelled(const struct object_kernel *kernel, struct monogen_error *error) {
    const char *what =
        kernel->scratch_bytes                        ? "uses scratch memory"
        : kernel->private_segment_buffer             ? "wants a private segment buffer"
        : kernel->queue_pointer                      ? "wants the pointer to its queue"
        : kernel->flat_scratch_init                  ? "wants flat scratch set up"
        : !kernel->keeps_denormals_f32               ? "flushes denormal numbers of f32"
        : !kernel->keeps_denormals_f16_f64           ? "flushes denormal numbers of f16 and f64"
        : kernel->round_f32 || kernel->round_f16_f64 ? "does not round to nearest even"
                                                     : NULL;
    return !what ||
           monogen_fail(error, MONOGEN_BAD_INPUT,
                        "kernel %s %s, which the simulator does not model", kernel->name, what);
}

// ---- registers at the start ---------------------------------------------------------------------

static unsigned set_address(struct wave *wave, unsigned at, const void *address) {
    wave_set_scalar_64(wave, at, (uint64_t)(uintptr_t)address);
    return at + 2;
}

// AMDGPUUsage, "Initial kernel execution state": the enabled ones in this order.
static void set_scalars(const struct chip *chip, struct wave *wave, const uint32_t identity[3]) {
    const struct object_kernel *kernel = chip->kernel;
    unsigned at = 0;
    if (kernel->dispatch_pointer)
        at = set_address(wave, at, chip->packet);
    if (kernel->argument_block_pointer)
        at = set_address(wave, at, chip->arguments);
    if (kernel->dispatch_identity)
        at = set_address(wave, at, (const void *)(uintptr_t)chip->launches);
    if (kernel->private_segment_size)
        wave->scalars[at++] = 0;
    for (uint32_t i = 0; i < kernel->preloaded_argument_words; i++)
        memcpy(&wave->scalars[at++],
               chip->arguments + 4 * (size_t)(kernel->preloaded_argument_offset_words + i), 4);
    at = kernel->user_scalars > at ? kernel->user_scalars : at;
    if (kernel->workgroup_x)
        wave->scalars[at++] = identity[0];
    if (kernel->workgroup_y)
        wave->scalars[at++] = identity[1];
    if (kernel->workgroup_z)
        wave->scalars[at++] = identity[2];
    if (kernel->workgroup_info)
        wave->scalars[at++] = 0;
}

// v0 holds x, y and z of the thread, ten bits each.
static uint64_t set_threads(const struct chip *chip, struct wave *wave) {
    const uint32_t *block = chip->launch.block;
    const uint32_t threads = product(block);
    uint64_t lanes = 0;
    for (uint32_t lane = 0; lane < WAVE_LANES; lane++) {
        const uint32_t thread = wave->index * WAVE_LANES + lane;
        if (thread >= threads)
            break;
        lanes |= (uint64_t)1 << lane;
        wave->vectors[0][lane] = thread % block[0] | thread / block[0] % block[1] << 10 |
                                 thread / block[0] / block[1] << 20;
    }
    return lanes;
}

static bool set_up_wave(struct chip *chip, struct workgroup *workgroup, uint32_t index,
                        const uint32_t identity[3], uint64_t *random) {
    struct wave *wave = &workgroup->waves[index];
    const struct object_kernel *kernel = chip->kernel;
    wave->code = &chip->code;
    wave->code_base = (uint64_t)(uintptr_t)chip->image;
    wave->workgroup = workgroup;
    wave->index = index;
    wave->xcd = workgroup->xcd;
    wave->next = (uint32_t)code_find(&chip->code, kernel->entry);
    wave->arrivals = arrivals_open();
    if (!wave->arrivals)
        return false;
    // What nobody sets is not zero on a GPU either.
    for (unsigned i = 0; i < SCALAR_REGISTERS; i++)
        wave->scalars[i] = (uint32_t)chip_random(random);
    for (uint32_t i = 0; i < wave->vector_count; i++)
        for (unsigned lane = 0; lane < WAVE_LANES; lane += 2) {
            const uint64_t bits = chip_random(random);
            memcpy(&wave->vectors[i][lane], &bits, sizeof bits);
        }
    set_scalars(chip, wave, identity);
    wave_set_scalar_64(wave, SCALAR_EXEC, set_threads(chip, wave));
    return true;
}

// ---- placement ----------------------------------------------------------------------------------

// XCDs take workgroups in turn, beginning with one that the seed chooses; within an XCD CUs do.
static void choose_cus(struct chip *chip, uint64_t *random) {
    const struct memory_shape *shape = &chip->shape.memory;
    const uint32_t rotation = (uint32_t)(chip_random(random) % shape->xcds);
    const uint32_t cu_rotation = (uint32_t)(chip_random(random) % shape->cus_per_xcd);
    uint32_t placed = 0;
    for (uint32_t xcd = 0; xcd < shape->xcds; xcd++) {
        chip->first_workgroup[xcd] = placed;
        const uint32_t turn = (xcd + shape->xcds - rotation) % shape->xcds;
        for (uint32_t index = turn, i = 0; index < chip->workgroup_count; index += shape->xcds, i++)
            chip->workgroups[placed++] = (struct workgroup){
                .memory = chip->memory,
                .xcd = xcd,
                .cu = (i + cu_rotation) % shape->cus_per_xcd,
                .index = index,
                .shape = &chip->shape,
            };
    }
    chip->first_workgroup[shape->xcds] = placed;
}

static void fill_packet(struct chip *chip) {
    const struct chip_launch *launch = &chip->launch;
    for (int i = 0; i < 3; i++) {
        const uint16_t block = (uint16_t)launch->block[i];
        const uint32_t grid = launch->grid[i] * launch->block[i];
        memcpy(chip->packet + 4 + 2 * i, &block, sizeof block);
        memcpy(chip->packet + 12 + 4 * i, &grid, sizeof grid);
    }
    const uint64_t arguments = (uint64_t)(uintptr_t)chip->arguments;
    memcpy(chip->packet + 28, &chip->kernel->lds_bytes, sizeof chip->kernel->lds_bytes);
    memcpy(chip->packet + 40, &arguments, sizeof arguments);
}

static bool allocate(struct chip *chip, const struct footprint *print,
                     struct monogen_error *error) {
    const size_t workgroups = chip->workgroup_count, waves = workgroups * print->waves;
    const size_t register_bytes = waves * print->registers * sizeof *chip->registers;
    const size_t lds_bytes = workgroups * print->lds_bytes;
    chip->workgroups = calloc(workgroups, sizeof *chip->workgroups);
    chip->first_workgroup =
        calloc((size_t)chip->shape.memory.xcds + 1, sizeof *chip->first_workgroup);
    chip->registers =
        aligned_alloc(PAGE_BYTES, (register_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
    chip->lds = malloc(lds_bytes ? lds_bytes : 1);
    chip->arguments = calloc(1, chip->launch.argument_bytes + PACKET_BYTES);
    chip->packet = calloc(1, PACKET_BYTES);
    return (chip->workgroups && chip->first_workgroup && chip->registers && chip->lds &&
            chip->arguments && chip->packet) ||
           monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "no memory for the registers of %zu waves",
                        waves);
}

static bool fill_workgroup(struct chip *chip, const struct footprint *print, uint32_t place,
                           uint64_t *random) {
    struct workgroup *workgroup = &chip->workgroups[place];
    const uint32_t *grid = chip->launch.grid;
    const uint32_t identity[3] = {workgroup->index % grid[0], workgroup->index / grid[0] % grid[1],
                                  workgroup->index / grid[0] / grid[1]};
    workgroup->wave_count = print->waves;
    workgroup->waves = calloc(print->waves, sizeof *workgroup->waves);
    if (!workgroup->waves)
        return false;
    workgroup->lds_bytes = print->lds_bytes;
    workgroup->lds = chip->lds + (size_t)place * print->lds_bytes;
    for (uint32_t i = 0; i < print->lds_bytes; i += 8) {
        const uint64_t bits = chip_random(random);
        memcpy(workgroup->lds + i, &bits, sizeof bits);
    }
    for (uint32_t i = 0; i < print->waves; i++) {
        struct wave *wave = &workgroup->waves[i];
        wave->vectors = chip->registers + ((size_t)place * print->waves + i) * print->registers;
        wave->vector_count = print->registers;
        if (!set_up_wave(chip, workgroup, i, identity, random))
            return false;
    }
    return true;
}

bool dispatch_place(struct chip *chip, struct monogen_error *error) {
    struct footprint print;
    const uint32_t threads = product(chip->launch.block);
    if (threads == 0 || product(chip->launch.grid) == 0 ||
        (chip->kernel->threads_max && threads > chip->kernel->threads_max))
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "kernel %s takes 1 to %" PRIu32 " threads a workgroup, not %" PRIu32,
                            chip->kernel->name, chip->kernel->threads_max, threads);
    if (chip->launch.argument_bytes < chip->kernel->argument_block_bytes)
        return monogen_fail(
            error, MONOGEN_BAD_INPUT, "kernel %s takes %" PRIu32 " bytes of arguments, not %zu",
            chip->kernel->name, chip->kernel->argument_block_bytes, chip->launch.argument_bytes);
    if (!check_modelled(chip->kernel, error) || !measure(chip, &print, error) ||
        !check_residency(chip, &print, error))
        return false;
    chip->workgroup_count = product(chip->launch.grid);
    if (!allocate(chip, &print, error))
        return false;
    memcpy(chip->arguments, chip->launch.arguments, chip->launch.argument_bytes);
    fill_packet(chip);
    uint64_t random = chip->seed * 2 + 1 + (chip->launches << 32);
    choose_cus(chip, &random);
    for (uint32_t i = 0; i < chip->workgroup_count; i++)
        if (!fill_workgroup(chip, &print, i, &random))
            return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    return memory_add(chip->memory, chip->arguments, chip->launch.argument_bytes + PACKET_BYTES,
                      "the arguments", error) &&
           memory_add(chip->memory, chip->packet, PACKET_BYTES, "the dispatch packet", error);
}

void dispatch_clear(struct chip *chip) {
    if (chip->arguments)
        memory_remove(chip->memory, chip->arguments);
    if (chip->packet)
        memory_remove(chip->memory, chip->packet);
    for (uint32_t i = 0; chip->workgroups && i < chip->workgroup_count; i++) {
        struct workgroup *workgroup = &chip->workgroups[i];
        for (uint32_t j = 0; workgroup->waves && j < workgroup->wave_count; j++)
            arrivals_close(workgroup->waves[j].arrivals);
        free(workgroup->waves);
    }
    free(chip->workgroups);
    free(chip->first_workgroup);
    free(chip->registers);
    free(chip->lds);
    free(chip->arguments);
    free(chip->packet);
    chip->workgroups = NULL;
    chip->first_workgroup = NULL;
    chip->registers = NULL;
    chip->lds = chip->arguments = chip->packet = NULL;
    chip->workgroup_count = 0;
}
