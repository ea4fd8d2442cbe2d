// What memory.c and memory_turn.c share.
//
// How the memory model of gfx942 (LLVM AMDGPUUsage, "Memory Model gfx942") is executed here:
// * L1 of a CU, L2 of an XCD and memory are places of their own. A line that is in a cache stays
//   there, old or not, until its room is wanted, it is invalidated, or the launch ends.
// * A load of wave or workgroup scope (sc0 or nothing) finds what L1 has, then L2, then memory, and
//   leaves lines in both. One of agent or system scope (sc1) passes both by: it drops the line from
//   L1, writes its dirty bytes from L2 back, and reads memory.
// * A store goes to L1 where the line is there, and to L2. Without sc1 it stays there, dirty, where
//   no other XCD sees it; with sc1 it is written through.
// * Atomics happen in memory. buffer_inv sc1 drops clean lines of the CU's L1 and the XCD's L2,
//   buffer_wbl2 sc1 writes all dirty lines of the L2 back. The end of a launch does both.
// * The scalar cache of a CU is filled from L2, and coherent with nothing until s_dcache_inv.
// What an XCD writes to memory waits until the turn ends (memory.h); it sees it at once.
#ifndef RUNTIME_SIMULATOR_MEMORY_PARTS_H
#define RUNTIME_SIMULATOR_MEMORY_PARTS_H

#include "runtime/simulator/cache.h"
#include "runtime/simulator/memory.h"
#include "runtime/simulator/ranges.h"

// A line that an XCD has written to memory in this turn.
struct written_line {
    uint64_t line;
    byte_mask mask;
    unsigned char bytes[LINE_BYTES];
};

struct waiting_atomic {
    enum atomic_operation operation;
    uint32_t bytes;
    uint64_t lanes;
    uint64_t addresses[WAVE_LANES];
    uint64_t values[WAVE_LANES], compared[WAVE_LANES];
    unsigned char *before; // [WAVE_LANES][bytes], or NULL
    bool *performed;
};

struct memory_xcd {
    struct cache l2;
    struct cache *l1, *scalar;    // [cus_per_xcd]
    struct written_line *written; // [written_capacity]
    size_t written_count, written_capacity;
    uint32_t *written_index; // [1 << index_log2]: place in `written` + 1, by line; 0: none
    uint32_t index_log2;
    struct waiting_atomic *atomics; // [atomic_capacity]
    size_t atomic_count, atomic_capacity;
    bool has_stored;           // in this turn, to L2 or beyond
    bool is_short;             // of memory: what it wrote is lost, and the run fails
    const struct range *range; // the newest
    struct memory_counts counts;
};

struct memory {
    struct ranges ranges;
    struct memory_shape shape;
    uint32_t *iod_of_xcd;
    uint64_t seed, random;
    uint64_t version;
    struct memory_xcd *xcds; // [shape.xcds]
};

// The bytes of a line as the XCD sees memory: valid until its next call. `scratch`: [LINE_BYTES].
const unsigned char *memory_line(const struct memory *memory, struct memory_xcd *xcd, uint64_t line,
                                 unsigned char *scratch);
// Notes that the XCD writes the masked bytes of a line to memory.
void memory_write_line(struct memory *memory, struct memory_xcd *xcd, uint64_t line,
                       const unsigned char *bytes, byte_mask mask);
// Writes the dirty bytes of a slot of the XCD's L2 back.
void memory_clean_slot(struct memory *memory, struct memory_xcd *xcd, int64_t slot);

#endif
