#include "runtime/simulator/memory.h"

#include "runtime/simulator/memory_parts.h"
#include "runtime/simulator/placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- open, close, ranges ------------------------------------------------------------------------

static bool open_xcd(const struct memory_shape *shape, struct memory_xcd *xcd) {
    xcd->l1 = calloc(shape->cus_per_xcd, sizeof *xcd->l1);
    xcd->scalar = calloc(shape->cus_per_xcd, sizeof *xcd->scalar);
    if (!xcd->l1 || !xcd->scalar || !cache_open(&xcd->l2, shape->l2_bytes, shape->l2_ways, true))
        return false;
    for (uint32_t cu = 0; cu < shape->cus_per_xcd; cu++)
        if (!cache_open(&xcd->l1[cu], shape->l1_bytes, shape->l1_ways, false) ||
            !cache_open(&xcd->scalar[cu], shape->l1_bytes, shape->l1_ways, false))
            return false;
    return true;
}

static void close_xcd(const struct memory_shape *shape, struct memory_xcd *xcd) {
    for (uint32_t cu = 0; cu < shape->cus_per_xcd; cu++) {
        if (xcd->l1)
            cache_close(&xcd->l1[cu]);
        if (xcd->scalar)
            cache_close(&xcd->scalar[cu]);
    }
    cache_close(&xcd->l2);
    free(xcd->l1);
    free(xcd->scalar);
    free(xcd->written);
    free(xcd->written_index);
    free(xcd->atomics);
}

static bool is_power_of_two(uint32_t x) { return x && !(x & (x - 1)); }

static bool check_shape(const struct memory_shape *shape, struct monogen_error *error) {
    const bool l1 = !shape->l1_bytes ||
                    (is_power_of_two(shape->l1_bytes) && is_power_of_two(shape->l1_ways) &&
                     shape->l1_ways <= 64 && shape->l1_bytes >= shape->l1_ways * LINE_BYTES);
    const bool l2 = is_power_of_two(shape->l2_bytes) && is_power_of_two(shape->l2_ways) &&
                    shape->l2_ways <= 64 && shape->l2_bytes >= shape->l2_ways * LINE_BYTES;
    return (l1 && l2 && shape->line_bytes == LINE_BYTES && is_power_of_two(shape->iods) &&
            shape->iods <= 4) ||
           monogen_fail(error, MONOGEN_BAD_INPUT,
                        "caches must have lines of %d bytes, and powers of two of bytes and of at "
                        "most 64 ways, on 1, 2 or 4 IODs",
                        LINE_BYTES);
}

struct memory *memory_open(const struct memory_shape *shape, uint64_t seed,
                           struct monogen_error *error) {
    if (!check_shape(shape, error))
        return NULL;
    struct memory *memory = calloc(1, sizeof *memory);
    const size_t iod_bytes = shape->xcds * sizeof *memory->iod_of_xcd;
    bool opened = memory != NULL;
    if (opened) {
        memory->shape = *shape;
        memory->seed = memory->random = seed;
        memory->iod_of_xcd = malloc(iod_bytes);
        memory->xcds = calloc(shape->xcds, sizeof *memory->xcds);
        opened = memory->iod_of_xcd && memory->xcds;
        for (uint32_t i = 0; opened && i < shape->xcds; i++)
            opened = open_xcd(shape, &memory->xcds[i]);
    }
    if (!opened) {
        memory_close(memory);
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "no memory for the caches of the chip");
        return NULL;
    }
    memcpy(memory->iod_of_xcd, shape->iod_of_xcd, iod_bytes);
    return memory;
}

void memory_close(struct memory *memory) {
    if (!memory)
        return;
    for (uint32_t i = 0; memory->xcds && i < memory->shape.xcds; i++)
        close_xcd(&memory->shape, &memory->xcds[i]);
    ranges_close(&memory->ranges);
    free(memory->xcds);
    free(memory->iod_of_xcd);
    free(memory);
}

// No XCD may remember a range by where it was in the list.
static void forget_ranges(struct memory *memory) {
    for (uint32_t i = 0; i < memory->shape.xcds; i++)
        memory->xcds[i].range = NULL;
}

bool memory_add(struct memory *memory, void *host, size_t bytes, const char *name,
                struct monogen_error *error) {
    const struct range *overlapped = NULL;
    if (bytes == 0)
        return monogen_fail(error, MONOGEN_BAD_USAGE, "%s has no bytes", name);
    forget_ranges(memory);
    if (ranges_add(&memory->ranges, (uintptr_t)host, bytes, name, &overlapped))
        return true;
    if (overlapped)
        return monogen_fail(error, MONOGEN_BAD_USAGE, "%s overlaps %s in memory", name,
                            overlapped->name);
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
}

void memory_remove(struct memory *memory, const void *host) {
    forget_ranges(memory);
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

// ---- addresses ----------------------------------------------------------------------------------

// The physical addresses of the lanes. False where one is not allocated.
static bool find_all(const struct memory *memory, const struct memory_access *access,
                     uint64_t physical[WAVE_LANES], unsigned *bad_lane) {
    const struct range *range = NULL;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        if (!(access->lanes >> lane & 1))
            continue;
        const uint64_t address = access->addresses[lane];
        if (!range || !range_holds(range, address, access->bytes))
            range = ranges_find(&memory->ranges, address);
        if (!range || !range_holds(range, address, access->bytes)) {
            *bad_lane = lane;
            return false;
        }
        physical[lane] = address - range->first + range->physical;
    }
    return true;
}

// Whether all lanes are on and read one run of bytes.
static bool is_one_run(const struct memory_access *access, const uint64_t *physical) {
    uint64_t differences = ~access->lanes;
    for (unsigned lane = 0; lane < WAVE_LANES && !differences; lane++)
        differences |= physical[lane] ^ (physical[0] + (uint64_t)lane * access->bytes);
    return differences == 0;
}

// ---- lines --------------------------------------------------------------------------------------

static void count_filled(const struct memory *memory, struct memory_xcd *xcd, uint64_t line) {
    const uint32_t iod = placement_iod(line << LINE_BYTES_LOG2, memory->shape.iods, memory->seed);
    if (memory->iod_of_xcd[xcd - memory->xcds] == iod)
        xcd->counts.local_bytes += LINE_BYTES;
    else
        xcd->counts.remote_bytes += LINE_BYTES;
}

// A slot of the XCD's L2 for a line that is not there; nothing of it is valid yet.
static int64_t take_slot(struct memory *memory, struct memory_xcd *xcd, uint64_t line) {
    struct cache *l2 = &xcd->l2;
    const int64_t slot = cache_victim(l2, line);
    memory_clean_slot(memory, xcd, slot);
    cache_place(l2, slot, line);
    l2->valid[slot] = 0;
    return slot;
}

// The bytes of a line as the XCD's L2 has them, which may be old.
static const unsigned char *l2_line(struct memory *memory, struct memory_xcd *xcd, uint64_t line,
                                    bool is_streamed) {
    struct cache *l2 = &xcd->l2;
    unsigned char scratch[LINE_BYTES];
    int64_t slot = cache_find(l2, line);
    if (slot != NO_SLOT && l2->valid[slot] == ALL_BYTES) {
        xcd->counts.l2_hits++;
        cache_set_at(l2, slot)->referenced |= cache_way_bit(l2, slot);
        return cache_bytes(l2, slot);
    }
    xcd->counts.l2_misses++;
    count_filled(memory, xcd, line);
    if (slot == NO_SLOT)
        slot = take_slot(memory, xcd, line);
    if (is_streamed)
        cache_set_at(l2, slot)->streamed |= cache_way_bit(l2, slot);
    copy_masked(cache_bytes(l2, slot), memory_line(memory, xcd, line, scratch), ~l2->valid[slot]);
    l2->valid[slot] = ALL_BYTES;
    return cache_bytes(l2, slot);
}

// The bytes of a line in a cache of the CU that is filled from L2.
static const unsigned char *near_line(struct memory *memory, struct memory_xcd *xcd,
                                      struct cache *near, uint64_t line, bool is_streamed) {
    int64_t slot = cache_find(near, line);
    if (slot != NO_SLOT) {
        xcd->counts.l1_hits++;
        cache_set_at(near, slot)->referenced |= cache_way_bit(near, slot);
        return cache_bytes(near, slot);
    }
    xcd->counts.l1_misses++;
    const unsigned char *bytes = l2_line(memory, xcd, line, is_streamed);
    if (is_streamed || !near->sets)
        return bytes;
    slot = cache_victim(near, line);
    cache_place(near, slot, line);
    return memcpy(cache_bytes(near, slot), bytes, LINE_BYTES);
}

// The bytes of a line in memory, with what L2 had not written back; neither cache keeps it.
static const unsigned char *far_line(struct memory *memory, struct memory_xcd *xcd,
                                     struct cache *l1, uint64_t line, unsigned char *scratch) {
    int64_t slot = cache_find(l1, line);
    if (slot != NO_SLOT)
        cache_drop_clean(l1, slot);
    slot = cache_find(&xcd->l2, line);
    if (slot != NO_SLOT) {
        memory_clean_slot(memory, xcd, slot);
        cache_drop_clean(&xcd->l2, slot);
    }
    xcd->counts.passed_lines++;
    return memory_line(memory, xcd, line, scratch);
}

// ---- loads --------------------------------------------------------------------------------------

// What a wave's loads go through, one line after another.
struct reader {
    struct memory *memory;
    struct memory_xcd *xcd;
    struct cache *near;
    bool is_far, is_streamed;
    uint64_t line;
    const unsigned char *bytes; // of `line`; NULL: none yet
    unsigned char scratch[LINE_BYTES];
};

static const unsigned char *read_line(struct reader *reader, uint64_t line) {
    if (!reader->bytes || line != reader->line)
        reader->bytes =
            reader->is_far
                ? far_line(reader->memory, reader->xcd, reader->near, line, reader->scratch)
                : near_line(reader->memory, reader->xcd, reader->near, line, reader->is_streamed);
    reader->line = line;
    return reader->bytes;
}

static void read_bytes(struct reader *reader, uint64_t physical, unsigned char *to, size_t count) {
    while (count > 0) {
        const size_t first = physical % LINE_BYTES;
        const size_t there = LINE_BYTES - first < count ? LINE_BYTES - first : count;
        memcpy(to, read_line(reader, physical >> LINE_BYTES_LOG2) + first, there);
        to += there;
        physical += there;
        count -= there;
    }
}

// Line after line, each once: all lanes that want some of it are served together.
static void read_lanes(struct reader *reader, const struct memory_access *access,
                       const uint64_t *physical, unsigned char *to) {
    const uint32_t bytes = access->bytes;
    for (uint64_t left = access->lanes; left;) {
        const unsigned first = (unsigned)__builtin_ctzll(left);
        const uint64_t line = physical[first] >> LINE_BYTES_LOG2;
        if (physical[first] % LINE_BYTES + bytes > LINE_BYTES) {
            read_bytes(reader, physical[first], to + (size_t)first * bytes, bytes);
            left &= left - 1;
            continue;
        }
        const unsigned char *from = read_line(reader, line);
        for (uint64_t lanes = left; lanes; lanes &= lanes - 1) {
            const unsigned lane = (unsigned)__builtin_ctzll(lanes);
            const uint64_t at = physical[lane] % LINE_BYTES;
            if (physical[lane] >> LINE_BYTES_LOG2 != line || at + bytes > LINE_BYTES)
                continue;
            memcpy(to + (size_t)lane * bytes, from + at, bytes);
            left &= ~((uint64_t)1 << lane);
        }
    }
}

bool memory_load(struct memory *memory, const struct memory_access *access, void *data,
                 unsigned *bad_lane) {
    uint64_t physical[WAVE_LANES];
    if (!find_all(memory, access, physical, bad_lane))
        return false;
    struct memory_xcd *xcd = &memory->xcds[access->xcd];
    struct reader reader = {.memory = memory,
                            .xcd = xcd,
                            .near = &xcd->l1[access->cu],
                            .is_far = access->cache & CACHE_SC1,
                            .is_streamed = access->cache & CACHE_NT};
    unsigned char *to = data;
    if (is_one_run(access, physical)) {
        read_bytes(&reader, physical[0], to, (size_t)WAVE_LANES * access->bytes);
        return true;
    }
    read_lanes(&reader, access, physical, to);
    return true;
}

bool memory_load_scalar(struct memory *memory, uint32_t xcd, uint32_t cu, uint64_t address,
                        uint32_t bytes, void *data) {
    const struct range *range = ranges_find(&memory->ranges, address);
    if (!range || !range_holds(range, address, bytes))
        return false;
    struct reader reader = {
        .memory = memory, .xcd = &memory->xcds[xcd], .near = &memory->xcds[xcd].scalar[cu]};
    read_bytes(&reader, address - range->first + range->physical, data, bytes);
    return true;
}

// ---- stores -------------------------------------------------------------------------------------

// Bytes `first` .. of a line, whose new values are at their place in `bytes`.
static void store_line(struct memory *memory, struct memory_xcd *xcd, struct cache *l1,
                       uint64_t line, const unsigned char *bytes, byte_mask mask, bool through) {
    struct cache *l2 = &xcd->l2;
    int64_t slot = cache_find(l1, line);
    if (slot != NO_SLOT)
        copy_masked(cache_bytes(l1, slot), bytes, mask);
    slot = cache_find(l2, line);
    if (through)
        memory_write_line(memory, xcd, line, bytes, mask);
    if (through && slot == NO_SLOT)
        return;
    if (slot == NO_SLOT)
        slot = take_slot(memory, xcd, line);
    copy_masked(cache_bytes(l2, slot), bytes, mask);
    l2->valid[slot] |= mask;
    if (through)
        l2->dirty[slot] &= ~mask;
    else
        l2->dirty[slot] |= mask;
    struct cache_set *set = cache_set_at(l2, slot);
    if (l2->dirty[slot])
        set->dirty |= cache_way_bit(l2, slot);
    else
        set->dirty &= ~cache_way_bit(l2, slot);
}

bool memory_store(struct memory *memory, const struct memory_access *access, const void *data,
                  unsigned *bad_lane) {
    uint64_t physical[WAVE_LANES];
    if (!find_all(memory, access, physical, bad_lane))
        return false;
    struct memory_xcd *xcd = &memory->xcds[access->xcd];
    struct cache *l1 = &xcd->l1[access->cu];
    const bool through = access->cache & CACHE_SC1;
    const unsigned char *from = data;
    unsigned char bytes[LINE_BYTES];
    byte_mask mask = 0;
    uint64_t line = 0;
    xcd->has_stored = true;
    for (uint64_t lanes = access->lanes; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        uint64_t at = physical[lane];
        for (uint32_t done = 0; done < access->bytes;) {
            const uint32_t first = at % LINE_BYTES, left = access->bytes - done;
            const uint32_t there = LINE_BYTES - first < left ? LINE_BYTES - first : left;
            if (mask && at >> LINE_BYTES_LOG2 != line) {
                store_line(memory, xcd, l1, line, bytes, mask, through);
                mask = 0;
            }
            line = at >> LINE_BYTES_LOG2;
            memcpy(bytes + first, from + (size_t)lane * access->bytes + done, there);
            mask |= mask_of(first, there);
            done += there;
            at += there;
        }
    }
    if (mask)
        store_line(memory, xcd, l1, line, bytes, mask, through);
    return true;
}

// ---- atomics ------------------------------------------------------------------------------------

static struct waiting_atomic *add_atomic(struct memory_xcd *xcd) {
    if (xcd->atomic_count == xcd->atomic_capacity) {
        const size_t capacity = xcd->atomic_capacity ? 2 * xcd->atomic_capacity : 16;
        struct waiting_atomic *grown = realloc(xcd->atomics, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        xcd->atomics = grown;
        xcd->atomic_capacity = capacity;
    }
    return &xcd->atomics[xcd->atomic_count++];
}

bool memory_atomic(struct memory *memory, const struct memory_access *access,
                   enum atomic_operation operation, const void *data, void *before, bool *performed,
                   unsigned *bad_lane) {
    uint64_t physical[WAVE_LANES];
    unsigned char scratch[LINE_BYTES];
    if (!find_all(memory, access, physical, bad_lane))
        return false;
    struct memory_xcd *xcd = &memory->xcds[access->xcd];
    struct waiting_atomic *atomic = add_atomic(xcd);
    if (!atomic) {
        xcd->is_short = true;
        return true;
    }
    *atomic = (struct waiting_atomic){.operation = operation,
                                      .bytes = access->bytes,
                                      .lanes = access->lanes,
                                      .before = before,
                                      .performed = performed};
    const uint32_t operands = operation == ATOMIC_COMPARE_SWAP ? 2 : 1;
    const unsigned char *from = data;
    for (uint64_t lanes = access->lanes; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        const unsigned char *values = from + (size_t)lane * operands * access->bytes;
        atomic->addresses[lane] = access->addresses[lane];
        memcpy(&atomic->values[lane], values, access->bytes);
        if (operands == 2)
            memcpy(&atomic->compared[lane], values + access->bytes, access->bytes);
        far_line(memory, xcd, &xcd->l1[access->cu], physical[lane] >> LINE_BYTES_LOG2, scratch);
        xcd->counts.atomics++;
    }
    return true;
}

// ---- caches -------------------------------------------------------------------------------------

void memory_invalidate_scalar(struct memory *memory, uint32_t xcd, uint32_t cu) {
    cache_empty(&memory->xcds[xcd].scalar[cu]);
}

void memory_invalidate(struct memory *memory, uint32_t xcd, uint32_t cu, uint8_t cache) {
    cache_invalidate_clean(&memory->xcds[xcd].l1[cu]);
    if (cache & CACHE_SC1)
        cache_invalidate_clean(&memory->xcds[xcd].l2);
}

void memory_write_back(struct memory *memory, uint32_t xcd, uint8_t cache) {
    struct memory_xcd *writer = &memory->xcds[xcd];
    struct cache *l2 = &writer->l2;
    if (!(cache & CACHE_SC1))
        return;
    for (uint32_t set = 0; set < 1u << l2->sets_log2; set++)
        for (uint64_t dirty = l2->sets[set].dirty; dirty; dirty &= dirty - 1)
            memory_clean_slot(memory, writer,
                              (int64_t)set << l2->ways_log2 | __builtin_ctzll(dirty));
}

uint64_t memory_version(const struct memory *memory) { return memory->version; }

bool memory_is_short(const struct memory *memory) {
    for (uint32_t i = 0; i < memory->shape.xcds; i++)
        if (memory->xcds[i].is_short)
            return true;
    return false;
}

void memory_count(const struct memory *memory, uint32_t xcd, struct memory_counts *counts) {
    *counts = memory->xcds[xcd].counts;
}
