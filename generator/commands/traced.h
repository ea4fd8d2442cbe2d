// Traced: what --trace does once the kernel has run.
#ifndef GENERATOR_COMMANDS_TRACED_H
#define GENERATOR_COMMANDS_TRACED_H

#include "generator/commands/kernel.h"
#include "generator/trace/trace.h"

struct traced {
    struct trace trace;
    struct trace_path path;
};

// Reads the trace of the newest launch's last position from the device. Requires: the kernel was
// generated with trace=on. False after adding a diagnostic.
bool traced_take(const struct kernel *kernel, struct arena *arena, struct traced *traced,
                 struct diagnostics *diagnostics);

// Writes it for Chrome and Perfetto; the file is whole or as it was.
bool traced_write(const struct traced *traced, const char *file, struct diagnostics *diagnostics);

// Prints the summary.
void traced_print(const struct traced *traced, const char *file, FILE *stream);

#endif
