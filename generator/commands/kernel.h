// Kernel: what run and verify start from: a kernel generated for a device, cached as a folder, and
// opened with its weights.
#ifndef GENERATOR_COMMANDS_KERNEL_H
#define GENERATOR_COMMANDS_KERNEL_H

#include "generator/commands/command_line.h"
#include "generator/pipeline/pipeline.h"
#include "runtime/monogen.h"

struct kernel {
    struct generation generation;
    struct monogen *model;
};

// Generates what the cache lacks and opens it. `weights`: a checkpoint folder, NULL: random. False
// after adding a diagnostic, and after a signal. The caller closes *kernel either way.
bool kernel_open(const struct command_line *line, const struct installation *installation,
                 const char *weights, struct kernel *kernel, struct diagnostics *diagnostics);
void kernel_close(struct kernel *kernel); // {0} is fine

// The backend that --device names; "auto": hip where a GPU is usable, else host. NULL after adding
// a diagnostic where it cannot be used here.
const char *kernel_device(const char *wanted, struct diagnostics *diagnostics);

// The first target, by name, whose kernels run on that backend. NULL after adding a diagnostic.
const char *kernel_target(const struct installation *installation, const char *device,
                          struct arena *arena, struct diagnostics *diagnostics);

#endif
