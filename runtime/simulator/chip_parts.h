// What chip.c, dispatch.c and deadlock.c share: the chip and where its workgroups are.
#ifndef RUNTIME_SIMULATOR_CHIP_PARTS_H
#define RUNTIME_SIMULATOR_CHIP_PARTS_H

#include "runtime/simulator/chip.h"
#include "runtime/simulator/code.h"

struct chip {
    struct chip_shape shape;
    uint32_t *iod_of_xcd; // shape.memory points here
    uint64_t seed, launches;
    struct memory *memory;

    const struct object *object;
    const struct object_kernel *kernel;
    struct code code;
    unsigned char *image; // the object's segments as loaded
    size_t image_bytes;

    struct chip_launch launch;
    unsigned char *arguments;     // the launch's copy
    unsigned char *packet;        // of the dispatch, which some kernels read
    struct workgroup *workgroups; // [workgroup_count], by XCD and CU
    uint32_t workgroup_count;
    uint32_t *first_workgroup;         // [xcds + 1]: of an XCD
    uint32_t (*registers)[WAVE_LANES]; // of all waves
    unsigned char *lds;                // of all workgroups
    uint64_t turns, time_ns;
    uint64_t version; // of memory, when sleeping waves were last woken
    uint32_t quiet_turns;
    uint64_t where; // the waves were in the newest of them
};

// A stream of numbers that a seed begins: splitmix64.
uint64_t chip_random(uint64_t *state);

// dispatch.c: builds workgroups and waves; frees them.
bool dispatch_place(struct chip *chip, struct monogen_error *error);
void dispatch_clear(struct chip *chip);

// deadlock.c: *error says which waves wait for what. Returns false.
bool deadlock_fail(const struct chip *chip, struct monogen_error *error);

#endif
