#include "runtime/simulator/ranges.h"

#include <stdlib.h>
#include <string.h>

enum { BIG_PAGE_BYTES = 2 << 20 };

// How many ranges start at or below `address`.
static size_t ranges_below(const struct ranges *ranges, uint64_t address) {
    size_t low = 0, high = ranges->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (ranges->list[middle].first <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct range *ranges_find(const struct ranges *ranges, uint64_t address) {
    const size_t below = ranges_below(ranges, address);
    if (below == 0 || !range_holds(&ranges->list[below - 1], address, 1))
        return NULL;
    return &ranges->list[below - 1];
}

struct range *ranges_find_physical(const struct ranges *ranges, uint64_t physical) {
    for (size_t i = 0; i < ranges->count; i++)
        if (physical - ranges->list[i].physical < ranges->list[i].bytes)
            return &ranges->list[i];
    return NULL;
}

static void range_close(struct range *range) { free(range->name); }

bool ranges_add(struct ranges *ranges, uint64_t first, uint64_t bytes, const char *name,
                const struct range **overlapped) {
    *overlapped = NULL;
    const size_t at = ranges_below(ranges, first + (bytes - 1));
    if (at > 0 && ranges->list[at - 1].first + (ranges->list[at - 1].bytes - 1) >= first) {
        *overlapped = &ranges->list[at - 1];
        return false;
    }
    if (ranges->count == ranges->capacity) {
        const size_t capacity = ranges->capacity ? 2 * ranges->capacity : 16;
        struct range *list = realloc(ranges->list, capacity * sizeof *list);
        if (!list)
            return false;
        ranges->list = list;
        ranges->capacity = capacity;
    }
    struct range range = {.first = first, .bytes = bytes, .physical = ranges->next_physical};
    range.name = strdup(name);
    if (!range.name)
        return false;
    memmove(&ranges->list[at + 1], &ranges->list[at], (ranges->count - at) * sizeof range);
    ranges->list[at] = range;
    ranges->count++;
    ranges->next_physical += (bytes - 1) / BIG_PAGE_BYTES * BIG_PAGE_BYTES + BIG_PAGE_BYTES;
    return true;
}

void ranges_remove(struct ranges *ranges, uint64_t first) {
    const size_t below = ranges_below(ranges, first);
    if (below == 0 || ranges->list[below - 1].first != first)
        return;
    range_close(&ranges->list[below - 1]);
    memmove(&ranges->list[below - 1], &ranges->list[below],
            (ranges->count - below) * sizeof *ranges->list);
    ranges->count--;
}

void ranges_close(struct ranges *ranges) {
    for (size_t i = 0; i < ranges->count; i++)
        range_close(&ranges->list[i]);
    free(ranges->list);
}
