// A set-associative cache of lines. Of an L2's line some bytes may be missing, and some be newer
// than memory's.
#ifndef RUNTIME_SIMULATOR_CACHE_H
#define RUNTIME_SIMULATOR_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LINE_BYTES_LOG2 = 7, LINE_BYTES = 1 << LINE_BYTES_LOG2 };

typedef unsigned __int128 byte_mask; // bit i: byte i of a line
#define ALL_BYTES (~(byte_mask)0)

// Ways of a set, a bit each.
struct cache_set {
    uint64_t present, dirty;
    uint64_t referenced, streamed; // used again since it was filled; filled by an access with nt
    uint32_t epoch;                // the cache's when these were last right
    uint32_t hand;                 // where the search for a victim goes on
};

// A slot is a set and a way in one number: set << ways_log2 | way.
struct cache {
    uint32_t sets_log2, ways_log2;
    uint32_t epoch;          // grows when clean bytes are invalidated
    struct cache_set *sets;  // NULL: no such cache
    uint32_t *tags;          // [slots]
    unsigned char *partials; // [sets][partials_of(cache)]: low bytes of tags, compared 8 at a time
    byte_mask *valid;        // [slots]: which bytes of a line are there; NULL: always all
    byte_mask *dirty;        // [slots]: those that memory does not have; NULL: never any
    unsigned char *bytes;    // [slots][LINE_BYTES]
};

enum { NO_SLOT = -1 };

// bytes 0: no cache. Requires powers of two, 64 ways at most. `has_dirty`: it keeps what is
// written.
bool cache_open(struct cache *cache, uint32_t bytes, uint32_t ways, bool has_dirty);
void cache_close(struct cache *cache);

// Drops clean bytes: all at once, or those of one line. cache_empty drops dirty ones too.
void cache_invalidate_clean(struct cache *cache);
void cache_drop_clean(struct cache *cache, int64_t slot);
void cache_empty(struct cache *cache);

// Brings a set up to the cache's epoch.
void cache_renew(struct cache *cache, uint32_t set);

// A slot of the line's set for it to be placed in; what is there may be dirty and goes.
int64_t cache_victim(struct cache *cache, uint64_t line);
// Afterwards the line is present, clean and all valid.
void cache_place(struct cache *cache, int64_t slot, uint64_t line);
uint64_t cache_line(const struct cache *cache, int64_t slot);

static inline uint32_t cache_set_of(const struct cache *cache, uint64_t line) {
    return (uint32_t)(line ^ line >> cache->sets_log2) & ((1u << cache->sets_log2) - 1);
}
static inline struct cache_set *cache_set_at(const struct cache *cache, int64_t slot) {
    return &cache->sets[slot >> cache->ways_log2];
}
static inline uint64_t cache_way_bit(const struct cache *cache, int64_t slot) {
    return UINT64_C(1) << (slot & ((1 << cache->ways_log2) - 1));
}
static inline bool cache_is_dirty(const struct cache *cache, int64_t slot) {
    return cache_set_at(cache, slot)->dirty & cache_way_bit(cache, slot);
}
static inline unsigned char *cache_bytes(const struct cache *cache, int64_t slot) {
    return cache->bytes + slot * LINE_BYTES;
}
static inline uint32_t partials_of(const struct cache *cache) {
    return ((1u << cache->ways_log2) + 7) & ~7u;
}

// NO_SLOT where the line is not there.
static inline int64_t cache_find(struct cache *cache, uint64_t line) {
    if (!cache->sets)
        return NO_SLOT;
    const uint32_t set = cache_set_of(cache, line);
    const struct cache_set *ways = &cache->sets[set];
    if (ways->epoch != cache->epoch)
        cache_renew(cache, set);
    if (!ways->present)
        return NO_SLOT;
    const uint32_t tag = (uint32_t)(line >> cache->sets_log2);
    const uint64_t ones = 0x0101010101010101u, wanted = ones * (tag & 0xFF);
    const uint32_t count = partials_of(cache);
    for (uint32_t first = 0; first < count; first += 8) {
        uint64_t word;
        memcpy(&word, cache->partials + (size_t)set * count + first, sizeof word);
        word ^= wanted;
        for (uint64_t zero = (word - ones) & ~word & ones << 7; zero; zero &= zero - 1) {
            const uint32_t way = first + (uint32_t)__builtin_ctzll(zero) / 8;
            const int64_t slot = (int64_t)set << cache->ways_log2 | way;
            if (ways->present >> way & 1 && cache->tags[slot] == tag)
                return slot;
        }
    }
    return NO_SLOT;
}

static inline byte_mask mask_of(uint32_t first, uint32_t count) {
    return (count == LINE_BYTES ? ALL_BYTES : ((byte_mask)1 << count) - 1) << first;
}

// Copies the bytes of a line that are in the mask.
void copy_masked(unsigned char *to, const unsigned char *from, byte_mask mask);
uint32_t mask_count(byte_mask mask);

#endif
