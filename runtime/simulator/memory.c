#include "runtime/simulator/memory.h"

#include "runtime/simulator/atomic.h"
#include "runtime/simulator/ranges.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Coherent for now: every access goes to memory at once.
struct memory {
    struct ranges ranges;
    pthread_mutex_t lock;
    uint64_t version;
    uint32_t xcds;
    struct memory_counts *counts; // [xcds]
};

struct memory *memory_open(const struct memory_shape *shape, uint64_t seed,
                           struct monogen_error *error) {
    (void)seed;
    struct memory *memory = calloc(1, sizeof *memory);
    struct memory_counts *counts = calloc(shape->xcds, sizeof *counts);
    if (!memory || !counts) {
        free(memory);
        free(counts);
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&memory->lock, NULL);
    memory->xcds = shape->xcds;
    memory->counts = counts;
    return memory;
}

void memory_close(struct memory *memory) {
    if (!memory)
        return;
    ranges_close(&memory->ranges);
    pthread_mutex_destroy(&memory->lock);
    free(memory->counts);
    free(memory);
}

bool memory_add(struct memory *memory, void *host, size_t bytes, const char *name,
                struct monogen_error *error) {
    const struct range *overlapped = NULL;
    if (bytes == 0)
        return monogen_fail(error, MONOGEN_BAD_USAGE, "%s has no bytes", name);
    if (ranges_add(&memory->ranges, (uintptr_t)host, bytes, name, &overlapped))
        return true;
    if (overlapped)
        return monogen_fail(error, MONOGEN_BAD_USAGE, "%s overlaps %s in memory", name,
                            overlapped->name);
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
}

void memory_remove(struct memory *memory, const void *host) {
    ranges_remove(&memory->ranges, (uintptr_t)host);
}

bool memory_name(const struct memory *memory, uint64_t address, char *text, size_t bytes) {
    const struct range *range = ranges_find(&memory->ranges, address);
    if (!range) {
        snprintf(text, bytes, "0x%llx, which is not allocated", (unsigned long long)address);
        return false;
    }
    snprintf(text, bytes, "%s + 0x%llx", range->name, (unsigned long long)(address - range->first));
    return true;
}

static bool find_all(const struct memory *memory, const struct memory_access *access,
                     unsigned *bad_lane) {
    const struct range *range = NULL;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        if (!(access->lanes >> lane & 1))
            continue;
        if (!range || !range_holds(range, access->addresses[lane], access->bytes))
            range = ranges_find(&memory->ranges, access->addresses[lane]);
        if (!range || !range_holds(range, access->addresses[lane], access->bytes)) {
            *bad_lane = lane;
            return false;
        }
    }
    return true;
}

static void *host_pointer(uint64_t address) { return (void *)(uintptr_t)address; }

bool memory_load(struct memory *memory, const struct memory_access *access, void *data,
                 unsigned *bad_lane) {
    if (!find_all(memory, access, bad_lane))
        return false;
    unsigned char *to = data;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        if (access->lanes >> lane & 1)
            memcpy(to + (size_t)lane * access->bytes, host_pointer(access->addresses[lane]),
                   access->bytes);
    return true;
}

bool memory_store(struct memory *memory, const struct memory_access *access, const void *data,
                  unsigned *bad_lane) {
    if (!find_all(memory, access, bad_lane))
        return false;
    const unsigned char *from = data;
    pthread_mutex_lock(&memory->lock);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        if (access->lanes >> lane & 1)
            memcpy(host_pointer(access->addresses[lane]), from + (size_t)lane * access->bytes,
                   access->bytes);
    memory->version++;
    pthread_mutex_unlock(&memory->lock);
    return true;
}

bool memory_atomic(struct memory *memory, const struct memory_access *access,
                   enum atomic_operation operation, const void *data, void *before, bool *performed,
                   unsigned *bad_lane) {
    if (!find_all(memory, access, bad_lane))
        return false;
    const uint32_t bytes = access->bytes;
    const uint32_t operands = operation == ATOMIC_COMPARE_SWAP ? 2 : 1;
    pthread_mutex_lock(&memory->lock);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        if (!(access->lanes >> lane & 1))
            continue;
        uint64_t values[2] = {0, 0}, old = 0;
        for (uint32_t i = 0; i < operands; i++)
            memcpy(&values[i], (const unsigned char *)data + ((size_t)lane * operands + i) * bytes,
                   bytes);
        memcpy(&old, host_pointer(access->addresses[lane]), bytes);
        const uint64_t result = atomic_result(operation, bytes, old, values[0], values[1]);
        memcpy(host_pointer(access->addresses[lane]), &result, bytes);
        if (before)
            memcpy((unsigned char *)before + (size_t)lane * bytes, &old, bytes);
        memory->counts[access->xcd].atomics++;
    }
    memory->version++;
    if (performed)
        *performed = true;
    pthread_mutex_unlock(&memory->lock);
    return true;
}

bool memory_load_scalar(struct memory *memory, uint32_t xcd, uint32_t cu, uint64_t address,
                        uint32_t bytes, void *data) {
    (void)xcd, (void)cu;
    const struct range *range = ranges_find(&memory->ranges, address);
    if (!range || !range_holds(range, address, bytes))
        return false;
    memcpy(data, host_pointer(address), bytes);
    return true;
}

void memory_invalidate_scalar(struct memory *memory, uint32_t xcd, uint32_t cu) {
    (void)memory, (void)xcd, (void)cu;
}

void memory_invalidate(struct memory *memory, uint32_t xcd, uint32_t cu, uint8_t cache) {
    (void)memory, (void)xcd, (void)cu, (void)cache;
}

void memory_write_back(struct memory *memory, uint32_t xcd, uint8_t cache) {
    (void)memory, (void)xcd, (void)cache;
}

uint64_t memory_version(const struct memory *memory) { return memory->version; }

void memory_end_turn(struct memory *memory) { (void)memory; }

void memory_end_launch(struct memory *memory) { (void)memory; }

void memory_count(const struct memory *memory, uint32_t xcd, struct memory_counts *counts) {
    *counts = memory->counts[xcd];
}
