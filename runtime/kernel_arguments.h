// The arguments of kernel_arguments.def as C: their numbers, and how they are laid into the
// argument block that a manifest describes.
#ifndef RUNTIME_KERNEL_ARGUMENTS_H
#define RUNTIME_KERNEL_ARGUMENTS_H

#include "runtime/manifest.h"

#include <stddef.h>
#include <stdint.h>

enum kernel_argument {
#define KERNEL_ARGUMENT(type, name, bytes) ARGUMENT_##name,
#define KERNEL_TRACE_ARGUMENT(type, name, bytes) ARGUMENT_##name,
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
    ARGUMENT_COUNT
};

// The argument of that name, or ARGUMENT_COUNT.
enum kernel_argument kernel_argument_by_name(const char *name);
const char *kernel_argument_name(enum kernel_argument argument);
size_t kernel_argument_bytes(enum kernel_argument argument);

// Writes values [ARGUMENT_COUNT] into block [kernel->argument_block_bytes], gaps zeroed.
// Requires: a value of a 4-byte argument is below 2^32.
void kernel_arguments_write(const struct manifest_kernel *kernel,
                            const uint64_t values[ARGUMENT_COUNT], void *block);

#endif
