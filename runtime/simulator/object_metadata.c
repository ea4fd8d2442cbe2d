// The metadata of a code object: MessagePack in a note (LLVM AMDGPUUsage, "Code Object V3
// Metadata" and what V4 and V5 add).
#include "runtime/simulator/message_pack.h"
#include "runtime/simulator/object_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KERNELS_MOST = 4096, ARGUMENTS_MOST = 1024 };

static const char target_start[] = "amdgcn-amd-amdhsa--";

struct text {
    const char *at;
    size_t length;
};

static bool is(struct text text, const char *word) {
    return strlen(word) == text.length && memcmp(text.at, word, text.length) == 0;
}

// The next pair's key; the cursor then stands at its value.
static bool take_key(struct message_pack *pack, struct text *key) {
    return message_pack_text(pack, &key->at, &key->length);
}

static bool take_text(struct message_pack *pack, char *to, size_t bytes) {
    const char *text;
    size_t length;
    if (!message_pack_text(pack, &text, &length) || length >= bytes || memchr(text, 0, length))
        return false;
    memcpy(to, text, length);
    to[length] = '\0';
    return true;
}

static bool take_u32(struct message_pack *pack, uint32_t *to) {
    uint64_t value;
    if (!message_pack_integer(pack, &value) || value > UINT32_MAX)
        return false;
    *to = (uint32_t)value;
    return true;
}

static bool read_argument(struct message_pack *pack, struct object_argument *argument) {
    uint32_t pairs, offset = 0, bytes = 0;
    if (!message_pack_map(pack, &pairs))
        return false;
    for (uint32_t i = 0; i < pairs; i++) {
        struct text key;
        if (!take_key(pack, &key) ||
            !(is(key, ".name")         ? take_text(pack, argument->name, sizeof argument->name)
              : is(key, ".value_kind") ? take_text(pack, argument->kind, sizeof argument->kind)
              : is(key, ".offset")     ? take_u32(pack, &offset)
              : is(key, ".size")       ? take_u32(pack, &bytes)
                                       : message_pack_skip(pack)))
            return false;
    }
    argument->offset = offset;
    argument->bytes = bytes;
    return argument->kind[0] != '\0';
}

static bool read_arguments(struct message_pack *pack, struct object_kernel *kernel) {
    uint32_t count;
    if (kernel->arguments || !message_pack_array(pack, &count) || count > ARGUMENTS_MOST)
        return false;
    kernel->arguments = calloc((size_t)count + 1, sizeof *kernel->arguments);
    kernel->argument_count = kernel->arguments ? count : 0;
    for (uint32_t i = 0; i < count; i++)
        if (!kernel->arguments || !read_argument(pack, &kernel->arguments[i]))
            return false;
    return true;
}

static bool read_kernel(struct message_pack *pack, struct object_kernel *kernel) {
    uint32_t pairs;
    if (!message_pack_map(pack, &pairs))
        return false;
    for (uint32_t i = 0; i < pairs; i++) {
        struct text key;
        if (!take_key(pack, &key) ||
            !(is(key, ".name")   ? take_text(pack, kernel->name, sizeof kernel->name)
              : is(key, ".args") ? read_arguments(pack, kernel)
              : is(key, ".max_flat_workgroup_size") ? take_u32(pack, &kernel->threads_max)
                                                    : message_pack_skip(pack)))
            return false;
    }
    return kernel->name[0] != '\0';
}

static bool read_kernels(struct message_pack *pack, struct object *object) {
    uint32_t count;
    if (object->kernels || !message_pack_array(pack, &count) || count > KERNELS_MOST)
        return false;
    object->kernels = calloc((size_t)count + 1, sizeof *object->kernels);
    object->kernel_count = object->kernels ? count : 0;
    for (uint32_t i = 0; i < count; i++)
        if (!object->kernels || !read_kernel(pack, &object->kernels[i]))
            return false;
    return true;
}

// "amdgcn-amd-amdhsa--gfx942:sramecc+:xnack-": features follow the ISA.
static bool check_target(const char *target, const char *isa, const struct object_source *source) {
    const size_t start = sizeof target_start - 1;
    const bool known = strncmp(target, target_start, start) == 0;
    const char *its = known ? target + start : target;
    const size_t length = strcspn(its, ":");
    return (known && strlen(isa) == length && memcmp(its, isa, length) == 0) ||
           object_fail(source, "this code object is for %.*s, not for %s", (int)length,
                       its[0] ? its : "a target without a name", isa);
}

// ---- hidden arguments ---------------------------------------------------------------------------

// "hidden_block_count_x" and so on: the number that the last letter names of three.
static bool is_hidden(const char *kind, const char *start, const uint32_t of[3], uint64_t *value) {
    const size_t length = strlen(start);
    if (strncmp(kind, start, length) != 0 || kind[length] < 'x' || kind[length] > 'z' ||
        kind[length + 1] != '\0')
        return false;
    *value = of[kind[length] - 'x'];
    return true;
}

void object_fill_hidden_arguments(const struct object_kernel *kernel, const uint32_t grid[3],
                                  const uint32_t block[3], unsigned char *arguments) {
    for (size_t i = 0; i < kernel->argument_count; i++) {
        const struct object_argument *argument = &kernel->arguments[i];
        uint64_t value = 0;
        if (strncmp(argument->kind, "hidden_", 7) != 0)
            continue;
        if (!is_hidden(argument->kind, "hidden_block_count_", grid, &value) &&
            !is_hidden(argument->kind, "hidden_group_size_", block, &value) &&
            strcmp(argument->kind, "hidden_grid_dims") == 0)
            value = grid[2] * block[2] > 1 ? 3 : grid[1] * block[1] > 1 ? 2 : 1;
        memset(arguments + argument->offset, 0, argument->bytes);
        memcpy(arguments + argument->offset, &value,
               argument->bytes < sizeof value ? argument->bytes : sizeof value);
    }
}

// ---- all of it ----------------------------------------------------------------------------------

bool object_read_metadata(struct object *object, const unsigned char *metadata, size_t bytes,
                          const char *isa, const struct object_source *source) {
    struct message_pack pack = {metadata, metadata + bytes};
    char target[128] = "";
    uint32_t pairs;
    bool good = message_pack_map(&pack, &pairs);
    for (uint32_t i = 0; good && i < pairs; i++) {
        struct text key;
        good = take_key(&pack, &key) &&
               (is(key, "amdhsa.target")    ? take_text(&pack, target, sizeof target)
                : is(key, "amdhsa.kernels") ? read_kernels(&pack, object)
                                            : message_pack_skip(&pack));
    }
    if (!good)
        return object_fail(source, "its metadata is cut off or not as AMD's tools write it");
    return check_target(target, isa, source);
}
