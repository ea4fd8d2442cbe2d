// A workgroup on its CU: its waves, their LDS and what they wait for together.
#ifndef RUNTIME_SIMULATOR_WORKGROUP_H
#define RUNTIME_SIMULATOR_WORKGROUP_H

#include "runtime/simulator/memory.h"
#include "runtime/simulator/wave.h"

struct chip_shape;

struct workgroup_counts {
    uint64_t instructions[INSTRUCTION_CLASSES]; // of waves
    uint64_t lds_bytes, lds_conflict_cycles;
    uint64_t sleeps; // s_sleep: in emitted kernels a poll that found nothing
    uint64_t barriers;
};

struct workgroup {
    struct memory *memory; // the chip's
    uint32_t xcd, cu;      // cu: within the XCD
    uint32_t index;        // within the grid
    struct wave *waves;    // [wave_count]
    uint32_t wave_count;
    uint32_t at_barrier, ended; // waves
    unsigned char *lds;         // [lds_bytes]
    uint32_t lds_bytes;
    const struct chip_shape *shape;
    uint64_t time_ns; // when the turn began
    struct workgroup_counts counts;
};

#endif
