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

// Generates what the cache lacks for --device, and opens it. `weights`: a checkpoint folder, NULL:
// random. False after adding a diagnostic, and after a signal. The caller closes *kernel either
// way.
bool kernel_open(const struct command_line *line, const struct installation *installation,
                 const char *weights, struct kernel *kernel, struct diagnostics *diagnostics);
void kernel_close(struct kernel *kernel); // {0} is fine

#endif
