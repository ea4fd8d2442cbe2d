#include "tests/support/loaded_weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WEIGHTS_ADDRESS = 1, VECTORS_ADDRESS = 2 }; // on the device

struct device {
    const struct loaded_weights *memory;
    bool full; // uploads fail
};

static bool upload(struct device *device, const struct device_memory *to, size_t offset,
                   const void *from, size_t bytes, struct monogen_error *error) {
    if (device->full)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "the device is full");
    assert_true(offset <= to->bytes && bytes <= to->bytes - offset);
    unsigned char *memory = to->device_address == WEIGHTS_ADDRESS
                                ? device->memory->weights
                                : (unsigned char *)device->memory->vectors;
    memcpy(memory + offset, from, bytes);
    return true;
}

static const struct backend memory_backend = {.name = "memory", .upload = upload};

bool loaded_weights_open(const struct kernel_folder *folder, const struct weight_source *source,
                         enum load_path path, struct loaded_weights *loaded,
                         struct monogen_error *error) {
    kernel_folder_write_manifest(folder);
    struct manifest *manifest = manifest_open(folder->path, error);
    if (!manifest)
        fail_msg("%s", error->message);
    const size_t bytes = manifest->memory.weights_bytes;
    const size_t vector_bytes = manifest->memory.vectors_bytes;
    loaded->weights = calloc(1, bytes + 1);
    loaded->vectors = calloc(1, vector_bytes + 1);
    assert_non_null(loaded->weights);
    assert_non_null(loaded->vectors);
    struct device device = {.memory = loaded, .full = path == LOAD_REFUSED};
    const struct device_memory weights = {.device_address = WEIGHTS_ADDRESS,
                                          .bytes = bytes,
                                          .host = path == LOAD_IN_PLACE ? loaded->weights : NULL};
    const struct device_memory vectors = {.device_address = VECTORS_ADDRESS, .bytes = vector_bytes};
    const bool done =
        weights_load(manifest, source, &memory_backend, &device, &weights, &vectors, error);
    manifest_close(manifest);
    if (!done)
        loaded_weights_close(loaded);
    return done;
}

void loaded_weights_close(struct loaded_weights *loaded) {
    free(loaded->weights);
    free(loaded->vectors);
    *loaded = (struct loaded_weights){0};
}
