// Allocated ranges of memory, and where they lie on the chip. Every range gets physical addresses
// of its own, contiguous from a 2 MiB boundary: caches and placement know these alone, so that what
// a run does is independent of where the host's allocator put a buffer.
#ifndef RUNTIME_SIMULATOR_RANGES_H
#define RUNTIME_SIMULATOR_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t first, bytes; // host addresses first .. first + bytes - 1
    uint64_t physical;     // of `first`
    char *name;
};

struct ranges {
    struct range *list; // [count], by host address
    size_t count, capacity;
    uint64_t next_physical;
};

// False where they overlap with one that is there (*overlapped is it) or memory is short
// (*overlapped is NULL).
bool ranges_add(struct ranges *ranges, uint64_t first, uint64_t bytes, const char *name,
                const struct range **overlapped);
void ranges_remove(struct ranges *ranges, uint64_t first);
void ranges_close(struct ranges *ranges);

static inline bool range_holds(const struct range *range, uint64_t address, uint64_t bytes) {
    const uint64_t offset = address - range->first;
    return offset < range->bytes && bytes <= range->bytes - offset;
}

// The range that an address is in, or NULL.
struct range *ranges_find(const struct ranges *ranges, uint64_t address);
// The same for a physical address that is in one.
struct range *ranges_find_physical(const struct ranges *ranges, uint64_t physical);

#endif
