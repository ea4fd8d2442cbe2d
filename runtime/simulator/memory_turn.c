// What XCDs write to memory in a turn, and how it gets there when the turn ends.
#include "runtime/simulator/atomic.h"
#include "runtime/simulator/memory_parts.h"
#include "runtime/simulator/placement.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_INDEX_LOG2 = 8 };

// ---- lines of memory ----------------------------------------------------------------------------

static const struct range *find_range(const struct memory *memory, struct memory_xcd *xcd,
                                      uint64_t physical) {
    const struct range *range = xcd->range;
    if (range && physical - range->physical < range->bytes)
        return range;
    return xcd->range = ranges_find_physical(&memory->ranges, physical);
}

// Of a line: where its bytes are on the host, and how many of them are allocated.
static unsigned char *host_line(const struct range *range, uint64_t line, size_t *count) {
    const uint64_t offset = (line << LINE_BYTES_LOG2) - range->physical;
    const uint64_t left = range->bytes - offset;
    *count = left < LINE_BYTES ? (size_t)left : LINE_BYTES;
    return (unsigned char *)(uintptr_t)(range->first + offset);
}

static size_t index_of(const struct memory_xcd *xcd, uint64_t line) {
    const size_t mask = ((size_t)1 << xcd->index_log2) - 1;
    size_t at = (size_t)(random_mix(line)) & mask;
    while (xcd->written_index[at] && xcd->written[xcd->written_index[at] - 1].line != line)
        at = (at + 1) & mask;
    return at;
}

const unsigned char *memory_line(const struct memory *memory, struct memory_xcd *xcd, uint64_t line,
                                 unsigned char *scratch) {
    const struct range *range = find_range(memory, xcd, line << LINE_BYTES_LOG2);
    size_t count;
    const unsigned char *host = host_line(range, line, &count);
    const uint32_t place = xcd->written_count ? xcd->written_index[index_of(xcd, line)] : 0;
    if (count == LINE_BYTES && !place)
        return host;
    memset(scratch, 0, LINE_BYTES);
    memcpy(scratch, host, count);
    if (place)
        copy_masked(scratch, xcd->written[place - 1].bytes, xcd->written[place - 1].mask);
    return scratch;
}

// ---- what is written ----------------------------------------------------------------------------

static bool grow_index(struct memory_xcd *xcd) {
    const uint32_t log2 = xcd->index_log2 ? xcd->index_log2 + 1 : FIRST_INDEX_LOG2;
    uint32_t *index = calloc((size_t)1 << log2, sizeof *index);
    if (!index)
        return false;
    free(xcd->written_index);
    xcd->written_index = index;
    xcd->index_log2 = log2;
    for (size_t i = 0; i < xcd->written_count; i++)
        index[index_of(xcd, xcd->written[i].line)] = (uint32_t)i + 1;
    return true;
}

static struct written_line *written_line(struct memory_xcd *xcd, uint64_t line) {
    if ((xcd->written_count + 1) * 2 > (xcd->index_log2 ? (size_t)1 << xcd->index_log2 : 0) &&
        !grow_index(xcd))
        return NULL;
    const size_t at = index_of(xcd, line);
    if (xcd->written_index[at])
        return &xcd->written[xcd->written_index[at] - 1];
    if (xcd->written_count == xcd->written_capacity) {
        const size_t capacity = xcd->written_capacity ? 2 * xcd->written_capacity : 64;
        struct written_line *grown = realloc(xcd->written, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        xcd->written = grown;
        xcd->written_capacity = capacity;
    }
    struct written_line *added = &xcd->written[xcd->written_count++];
    added->line = line;
    added->mask = 0;
    xcd->written_index[at] = (uint32_t)xcd->written_count;
    return added;
}

void memory_write_line(struct memory *memory, struct memory_xcd *xcd, uint64_t line,
                       const unsigned char *bytes, byte_mask mask) {
    struct written_line *written = written_line(xcd, line);
    if (!written) {
        xcd->is_short = true;
        return;
    }
    copy_masked(written->bytes, bytes, mask);
    written->mask |= mask;
    const uint32_t iod = placement_iod(line << LINE_BYTES_LOG2, memory->shape.iods, memory->seed);
    const uint32_t count = mask_count(mask);
    xcd->counts.written_bytes += count;
    if (memory->iod_of_xcd[xcd - memory->xcds] == iod)
        xcd->counts.local_bytes += count;
    else
        xcd->counts.remote_bytes += count;
}

void memory_clean_slot(struct memory *memory, struct memory_xcd *xcd, int64_t slot) {
    struct cache *l2 = &xcd->l2;
    if (!cache_is_dirty(l2, slot))
        return;
    memory_write_line(memory, xcd, cache_line(l2, slot), cache_bytes(l2, slot), l2->dirty[slot]);
    l2->dirty[slot] = 0;
    cache_set_at(l2, slot)->dirty &= ~cache_way_bit(l2, slot);
}

// ---- the end of a turn --------------------------------------------------------------------------

static void store_lines(const struct memory *memory, struct memory_xcd *xcd) {
    for (size_t i = 0; i < xcd->written_count; i++) {
        const struct written_line *written = &xcd->written[i];
        size_t count;
        unsigned char *host = host_line(find_range(memory, xcd, written->line << LINE_BYTES_LOG2),
                                        written->line, &count);
        copy_masked(host, written->bytes, written->mask & mask_of(0, (uint32_t)count));
    }
    if (xcd->written_count)
        memset(xcd->written_index, 0, sizeof *xcd->written_index << xcd->index_log2);
    xcd->written_count = 0;
}

static void perform(const struct waiting_atomic *atomic) {
    for (uint64_t lanes = atomic->lanes; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        unsigned char *at = (unsigned char *)(uintptr_t)atomic->addresses[lane];
        uint64_t before = 0;
        memcpy(&before, at, atomic->bytes);
        const uint64_t after = atomic_result(atomic->operation, atomic->bytes, before,
                                             atomic->values[lane], atomic->compared[lane]);
        memcpy(at, &after, atomic->bytes);
        if (atomic->before)
            memcpy(atomic->before + (size_t)lane * atomic->bytes, &before, atomic->bytes);
    }
    *atomic->performed = true;
}

static void end_xcd(struct memory *memory, struct memory_xcd *xcd) {
    if (xcd->has_stored || xcd->written_count || xcd->atomic_count)
        memory->version++;
    store_lines(memory, xcd);
    for (size_t i = 0; i < xcd->atomic_count; i++)
        perform(&xcd->atomics[i]);
    xcd->atomic_count = 0;
    xcd->has_stored = false;
}

void memory_end_turn(struct memory *memory) {
    const uint32_t xcds = memory->shape.xcds;
    const uint32_t first = (uint32_t)(random_next(&memory->random) % xcds);
    const bool backwards = random_next(&memory->random) & 1;
    for (uint32_t i = 0; i < xcds; i++)
        end_xcd(memory, &memory->xcds[(first + (backwards ? xcds - i : i)) % xcds]);
}

void memory_end_launch(struct memory *memory) {
    const struct memory_shape *shape = &memory->shape;
    for (uint32_t i = 0; i < shape->xcds; i++)
        memory_write_back(memory, i, CACHE_SC1);
    memory_end_turn(memory);
    for (uint32_t i = 0; i < shape->xcds; i++) {
        struct memory_xcd *xcd = &memory->xcds[i];
        cache_empty(&xcd->l2);
        for (uint32_t cu = 0; cu < shape->cus_per_xcd; cu++) {
            cache_empty(&xcd->l1[cu]);
            cache_empty(&xcd->scalar[cu]);
        }
    }
}
