#include "runtime/simulator/cache.h"

#include <stdlib.h>

static size_t slots_of(const struct cache *cache) {
    return (size_t)1 << (cache->sets_log2 + cache->ways_log2);
}

static uint32_t log2_of(uint32_t power) { return (uint32_t)__builtin_ctz(power); }

bool cache_open(struct cache *cache, uint32_t bytes, uint32_t ways, bool has_dirty) {
    *cache = (struct cache){0};
    if (bytes == 0)
        return true;
    cache->ways_log2 = log2_of(ways);
    cache->sets_log2 = log2_of(bytes / LINE_BYTES / ways);
    const size_t slots = slots_of(cache), sets = (size_t)1 << cache->sets_log2;
    cache->sets = calloc(sets, sizeof *cache->sets);
    cache->tags = calloc(slots, sizeof *cache->tags);
    cache->partials = calloc(sets, partials_of(cache));
    cache->bytes = calloc(slots, LINE_BYTES);
    if (has_dirty) {
        cache->valid = calloc(slots, sizeof *cache->valid);
        cache->dirty = calloc(slots, sizeof *cache->dirty);
    }
    return cache->sets && cache->tags && cache->partials && cache->bytes &&
           (!has_dirty || (cache->valid && cache->dirty));
}

void cache_close(struct cache *cache) {
    free(cache->sets);
    free(cache->tags);
    free(cache->partials);
    free(cache->valid);
    free(cache->dirty);
    free(cache->bytes);
}

void cache_invalidate_clean(struct cache *cache) { cache->epoch++; }

void cache_drop_clean(struct cache *cache, int64_t slot) {
    struct cache_set *set = cache_set_at(cache, slot);
    if (cache_is_dirty(cache, slot))
        cache->valid[slot] = cache->dirty[slot];
    else
        set->present &= ~cache_way_bit(cache, slot);
}

void cache_renew(struct cache *cache, uint32_t set) {
    struct cache_set *ways = &cache->sets[set];
    ways->present &= ways->dirty;
    ways->epoch = cache->epoch;
    for (uint64_t dirty = ways->present; dirty; dirty &= dirty - 1) {
        const int64_t slot = (int64_t)set << cache->ways_log2 | __builtin_ctzll(dirty);
        cache->valid[slot] = cache->dirty[slot];
    }
}

void cache_empty(struct cache *cache) {
    if (!cache->sets)
        return;
    for (size_t set = 0; set < (size_t)1 << cache->sets_log2; set++)
        cache->sets[set].present = cache->sets[set].dirty = 0;
}

// The first of the ways from `hand` on, around the end.
static uint32_t next_way(uint64_t ways, uint32_t hand) {
    const uint64_t behind = ways >> hand << hand;
    return (uint32_t)__builtin_ctzll(behind ? behind : ways);
}

int64_t cache_victim(struct cache *cache, uint64_t line) {
    const uint32_t index = cache_set_of(cache, line);
    struct cache_set *set = &cache->sets[index];
    if (set->epoch != cache->epoch)
        cache_renew(cache, index);
    const uint32_t count = 1u << cache->ways_log2;
    const uint64_t all = count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
    uint64_t candidates = all & ~set->present;
    if (!candidates)
        candidates = set->streamed;
    if (!candidates)
        candidates = all & ~set->referenced;
    if (!candidates) {
        set->referenced = 0;
        candidates = all;
    }
    const uint32_t way = next_way(candidates, set->hand);
    set->hand = (way + 1) & (count - 1);
    return (int64_t)index << cache->ways_log2 | way;
}

void cache_place(struct cache *cache, int64_t slot, uint64_t line) {
    struct cache_set *set = cache_set_at(cache, slot);
    const uint64_t bit = cache_way_bit(cache, slot);
    const size_t index = (size_t)(slot >> cache->ways_log2);
    cache->tags[slot] = (uint32_t)(line >> cache->sets_log2);
    cache->partials[index * partials_of(cache) + (size_t)(slot & ((1 << cache->ways_log2) - 1))] =
        (unsigned char)cache->tags[slot];
    set->present |= bit;
    set->dirty &= ~bit;
    set->referenced &= ~bit;
    set->streamed &= ~bit;
    if (cache->valid) {
        cache->valid[slot] = ALL_BYTES;
        cache->dirty[slot] = 0;
    }
}

uint64_t cache_line(const struct cache *cache, int64_t slot) {
    const uint64_t tag = cache->tags[slot], set = (uint64_t)slot >> cache->ways_log2;
    const uint64_t low = (set ^ tag) & ((1u << cache->sets_log2) - 1);
    return tag << cache->sets_log2 | low;
}

static uint32_t first_bit(byte_mask mask) {
    const uint64_t low = (uint64_t)mask;
    return (uint32_t)(low ? __builtin_ctzll(low) : 64 + __builtin_ctzll((uint64_t)(mask >> 64)));
}

void copy_masked(unsigned char *to, const unsigned char *from, byte_mask mask) {
    if (mask == ALL_BYTES) {
        memcpy(to, from, LINE_BYTES);
        return;
    }
    while (mask) {
        const uint32_t first = first_bit(mask);
        const byte_mask rest = ~(mask >> first);
        const uint32_t count = first_bit(rest);
        memcpy(to + first, from + first, count);
        mask &= ~mask_of(first, count);
    }
}

uint32_t mask_count(byte_mask mask) {
    return (uint32_t)(__builtin_popcountll((uint64_t)mask) +
                      __builtin_popcountll((uint64_t)(mask >> 64)));
}
