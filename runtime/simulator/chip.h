// A chip of many CUs that runs one kernel at a time: places its workgroups, all of them at once,
// and executes their waves in turns.
//
// In a turn every wave that can executes a bounded number of instructions; XCDs do so side by side,
// on as many threads as there are processors. What they do to memory beyond their own L2 happens
// between turns (memory.h). The order of waves, the numbering of XCDs and what registers and LDS
// hold at first follow from a seed; so does everything else.
#ifndef RUNTIME_SIMULATOR_CHIP_H
#define RUNTIME_SIMULATOR_CHIP_H

#include "runtime/error.h"
#include "runtime/simulator/memory.h"
#include "runtime/simulator/object.h"
#include "runtime/simulator/workgroup.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chip;

// From the target.
struct chip_shape {
    struct memory_shape memory; // also how many XCDs and CUs there are
    uint32_t simds_per_cu, waves_per_simd;
    uint32_t registers_per_lane, register_granule; // of a SIMD, for all its waves
    uint32_t lds_bytes;                            // of a CU
    uint32_t turn_ns;                 // what a turn takes: about a hand-off from XCD to XCD
    uint32_t clock_mhz, realtime_mhz; // what s_memtime and s_memrealtime tick with
};

// NULL after filling *error.
struct chip *chip_open(const struct chip_shape *shape, uint64_t seed, struct monogen_error *error);
void chip_close(struct chip *chip);
struct memory *chip_memory(struct chip *chip);

// Loads the kernel `name` of an object, whose disassembly is `listing` ([bytes]; `listing_name`:
// what errors call it). The object stays the caller's and must outlive the chip. False after
// filling *error.
bool chip_load(struct chip *chip, const struct object *object, const char *name,
               const char *listing_name, const char *listing, size_t bytes,
               struct monogen_error *error);

struct chip_launch {
    uint32_t grid[3];      // workgroups
    uint32_t block[3];     // threads of one
    const void *arguments; // [argument_bytes], copied; the hidden ones included
    size_t argument_bytes;
    // What is at an address, in the words of whoever launches: fills text [bytes]. Returns false
    // where it does not know; then it is the name of the allocation. NULL: never known.
    bool (*name)(void *context, uint64_t address, char *text, size_t bytes);
    void *context;
};

// Places the workgroups and sets their registers up. False after filling *error: a workgroup does
// not fit a CU, or all of them do not fit the chip at once, or the kernel wants what is not
// modelled.
bool chip_start(struct chip *chip, const struct chip_launch *launch, struct monogen_error *error);

// Runs what was started to its end, or until *stop is set (NULL: nobody stops it). False after
// filling *error: an instruction failed, the waves wait for each other forever, or it was stopped.
bool chip_run(struct chip *chip, const atomic_bool *stop, struct monogen_error *error);

struct chip_counts {
    struct workgroup_counts workgroups; // summed
    struct memory_counts memory;
    uint64_t turns;
};
// Of the newest launch.
void chip_count(const struct chip *chip, struct chip_counts *counts);

#endif
