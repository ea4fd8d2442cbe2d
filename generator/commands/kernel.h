// Kernel: what run and verify start from: a kernel generated for a device, cached as a folder, and
// opened with its weights.
#ifndef GENERATOR_COMMANDS_KERNEL_H
#define GENERATOR_COMMANDS_KERNEL_H

#include "generator/commands/command_line.h"
#include "generator/pipeline/pipeline.h"
#include "runtime/backend/backend.h"
#include "runtime/monogen.h"

struct kernel {
    struct generation generation;
    struct monogen *model;
};

// What a kernel is made for: the backend that runs it, the name of a target, and how large the
// device is (0: nothing bounds it).
struct kernel_place {
    const char *device, *target;
    struct device_size size;
};

// The place that --device names; "auto": a GPU that can be used and that a target is for, else the
// host. Of several targets for a device it is the one with the most memory that is there. False
// after adding a diagnostic; nothing has been compiled then. Names live in `arena`.
bool kernel_place(const struct installation *installation, const char *wanted, struct arena *arena,
                  struct kernel_place *place, struct diagnostics *diagnostics);

// Generates what the cache lacks for --device, and opens it. `weights`: a checkpoint folder, NULL:
// random. False after adding a diagnostic, and after a signal. The caller closes *kernel either
// way.
bool kernel_open(const struct command_line *line, const struct installation *installation,
                 const char *weights, struct kernel *kernel, struct diagnostics *diagnostics);
void kernel_unload(struct kernel *kernel); // closes the model: the device is free
void kernel_close(struct kernel *kernel);  // {0} is fine

#endif
