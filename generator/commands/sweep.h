// Sweep: how fast the device of an open kernel reads memory, in each way that it can: what a kernel
// that streams its weights is compared with.
#ifndef GENERATOR_COMMANDS_SWEEP_H
#define GENERATOR_COMMANDS_SWEEP_H

#include "generator/commands/kernel.h"
#include "generator/commands/sweep_device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SWEEP_MOST_WAYS = SWEEP_DEVICE_WAYS };

struct sweep {
    int way_count; // 0: the device has no sweep
    struct sweep_way {
        const char *name; // "plain loads"
        unsigned workgroups;
    } ways[SWEEP_MOST_WAYS];
    size_t bytes;                // of the memory that is read
    bool reads_weights;          // that memory is the kernel's weights, else one of the sweep's own
    struct monogen *model;       // its weights are read, where the backend has a sweep itself
    struct sweep_device *device; // else; NULL: no sweep
};

// Makes what the device needs, compiled through the folder that `cache` (--cache) means. The kernel
// stays open longer than the sweep. False after adding a diagnostic; the caller closes *sweep
// either way.
bool sweep_open(const struct kernel *kernel, const struct installation *installation,
                const char *cache, struct sweep *sweep, struct diagnostics *diagnostics);
void sweep_close(struct sweep *sweep); // {0} is fine; what it says of itself stays

struct sweep_speed {
    double gbps; // by the clock
    double
        processor_gbps; // by the time of this process's threads; 0 on a GPU, where it means nothing
};

// Sweeps once. False after adding a diagnostic, and after a signal.
bool sweep_run(struct sweep *sweep, int way, struct sweep_speed *speed,
               struct diagnostics *diagnostics);

#endif
