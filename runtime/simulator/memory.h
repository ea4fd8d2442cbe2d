// Memory as the CUs of a chip see it: vector L1s of CUs, L2s of XCDs, and the memory behind them.
// Addresses are those of the host: what a kernel gets is a pointer into allocated memory.
//
// Time goes in turns. In a turn each XCD runs by itself, on any thread: it sees its own L2 and
// memory as it was when the turn began, and what it writes through waits in its log. Between turns
// memory_end_turn(), called by one thread, performs what the XCDs have logged, atomics too, in an
// order that the seed chooses. So a run depends on its seed alone, not on threads.
#ifndef RUNTIME_SIMULATOR_MEMORY_H
#define RUNTIME_SIMULATOR_MEMORY_H

#include "runtime/error.h"
#include "runtime/simulator/instruction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory;

// From the target; 0 bytes: no such cache.
struct memory_shape {
    uint32_t xcds, cus_per_xcd, iods;
    const uint32_t *iod_of_xcd; // [xcds]
    uint32_t l1_bytes, l1_ways, l2_bytes, l2_ways, line_bytes;
};

struct memory_counts {
    uint64_t l1_hits, l1_misses, l2_hits, l2_misses; // lines
    uint64_t passed_lines;              // that loads of agent or system scope read past both caches
    uint64_t local_bytes, remote_bytes; // between an L2 and memory, by IOD; passed lines apart
    uint64_t written_bytes, atomics;
};

struct memory *memory_open(const struct memory_shape *shape, uint64_t seed,
                           struct monogen_error *error);
void memory_close(struct memory *memory);

// Allocated ranges: an access outside of all of them fails. `name` is copied.
bool memory_add(struct memory *memory, void *host, size_t bytes, const char *name,
                struct monogen_error *error);
void memory_remove(struct memory *memory, const void *host);
// Which range an address is in: fills text [bytes] with "mailboxes + 0x130", or says that it is in
// none. Returns whether it is in one.
bool memory_name(const struct memory *memory, uint64_t address, char *text, size_t bytes);

// An access of a wave on CU `cu` of `xcd`. Lanes whose bit in `lanes` is clear take no part.
struct memory_access {
    uint32_t xcd, cu;
    uint64_t lanes;
    const uint64_t *addresses; // [WAVE_LANES]
    uint32_t bytes;            // of a lane: 1, 2, 4, 8, 12 or 16
    uint8_t cache;             // CACHE_* bits
};

// data: [WAVE_LANES][bytes]. False where a lane's address is not allocated: *bad_lane is the first.
bool memory_load(struct memory *memory, const struct memory_access *access, void *data,
                 unsigned *bad_lane);
bool memory_store(struct memory *memory, const struct memory_access *access, const void *data,
                  unsigned *bad_lane);

// What an atomic does to a word of memory, of access->bytes (4 or 8).
enum atomic_operation {
    ATOMIC_ADD,
    ATOMIC_SUB,
    ATOMIC_SWAP,
    ATOMIC_COMPARE_SWAP,
    ATOMIC_AND,
    ATOMIC_OR,
    ATOMIC_XOR,
    ATOMIC_SIGNED_MIN,
    ATOMIC_SIGNED_MAX,
    ATOMIC_UNSIGNED_MIN,
    ATOMIC_UNSIGNED_MAX,
    ATOMIC_INCREMENT,
    ATOMIC_DECREMENT,
    ATOMIC_ADD_F32,
    ATOMIC_ADD_F64
};
// An atomic of agent scope or wider happens at the end of the turn. data: [WAVE_LANES][bytes], of
// ATOMIC_COMPARE_SWAP [WAVE_LANES][2][bytes]: the new value, then the one that is compared. What
// was there before goes to `before` ([WAVE_LANES][bytes], may be NULL; alive until *performed is
// set).
bool memory_atomic(struct memory *memory, const struct memory_access *access,
                   enum atomic_operation operation, const void *data, void *before, bool *performed,
                   unsigned *bad_lane);

// Scalar loads: [bytes] of 4 to 64, through a cache that is never coherent within a launch.
bool memory_load_scalar(struct memory *memory, uint32_t xcd, uint32_t cu, uint64_t address,
                        uint32_t bytes, void *data);
void memory_invalidate_scalar(struct memory *memory, uint32_t xcd, uint32_t cu);

// buffer_inv and buffer_wbl2 with their CACHE_SC* bits.
void memory_invalidate(struct memory *memory, uint32_t xcd, uint32_t cu, uint8_t cache);
void memory_write_back(struct memory *memory, uint32_t xcd, uint8_t cache);

// A number that grows with each write that any CU or the host can see: a wave that polled may sleep
// while it stays the same.
uint64_t memory_version(const struct memory *memory);

// Whether the host had no memory for what an XCD wrote, which is lost then.
bool memory_is_short(const struct memory *memory);

// Ends a turn: performs what the XCDs have logged. No XCD is running.
void memory_end_turn(struct memory *memory);
// Ends a launch: everything is written back, and all caches are empty.
void memory_end_launch(struct memory *memory);
void memory_count(const struct memory *memory, uint32_t xcd, struct memory_counts *counts);

#endif
