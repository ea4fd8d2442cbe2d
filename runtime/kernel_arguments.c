#include "runtime/kernel_arguments.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} arguments[ARGUMENT_COUNT] = {
#define KERNEL_ARGUMENT(type, argument, size) {#argument, size},
#define KERNEL_TRACE_ARGUMENT(type, argument, size) {#argument, size},
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
};

enum kernel_argument kernel_argument_by_name(const char *name) {
    for (int i = 0; i < ARGUMENT_COUNT; i++)
        if (strcmp(arguments[i].name, name) == 0)
            return (enum kernel_argument)i;
    return ARGUMENT_COUNT;
}

const char *kernel_argument_name(enum kernel_argument argument) { return arguments[argument].name; }

size_t kernel_argument_bytes(enum kernel_argument argument) { return arguments[argument].bytes; }

void kernel_arguments_write(const struct manifest_kernel *kernel,
                            const uint64_t values[ARGUMENT_COUNT], void *block) {
    memset(block, 0, kernel->argument_block_bytes);
    for (size_t i = 0; i < kernel->argument_count; i++) {
        const struct manifest_argument *argument = &kernel->arguments[i];
        unsigned char *to = (unsigned char *)block + argument->offset;
        uint64_t value = values[kernel_argument_by_name(argument->name)];
        uint32_t narrow = (uint32_t)value;
        if (argument->bytes == sizeof narrow)
            memcpy(to, &narrow, sizeof narrow);
        else
            memcpy(to, &value, sizeof value);
    }
}
