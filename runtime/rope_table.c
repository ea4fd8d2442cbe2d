#include "runtime/rope_table.h"

#include <math.h>
#include <stdlib.h>

#define STAGING_BYTES ((size_t)4 << 20)

static size_t row_bytes_of(const struct manifest_rope *rope) {
    return rope->pair_count * 2 * sizeof(float);
}

size_t rope_tables_bytes(const struct manifest *manifest) {
    size_t bytes = 0;
    for (size_t i = 0; i < manifest->rope_count; i++)
        bytes += manifest->ropes[i].rows * row_bytes_of(&manifest->ropes[i]);
    return bytes;
}

void rope_table_fill(const struct manifest_rope *rope, uint32_t first, uint32_t count,
                     float *table) {
    for (uint32_t row = 0; row < count; row++) {
        float position = (float)(first + row);
        for (size_t pair = 0; pair < rope->pair_count; pair++) {
            float angle = position * (float)rope->inverse_frequencies[pair];
            *table++ = (float)(cos((double)angle) * rope->amplitude);
            *table++ = (float)(sin((double)angle) * rope->amplitude);
        }
    }
}

static bool load(const struct manifest_rope *rope, const struct backend *backend,
                 struct device *device, const struct device_memory *memory,
                 struct monogen_error *error) {
    size_t row_bytes = row_bytes_of(rope);
    size_t rows_at_once = STAGING_BYTES / row_bytes ? STAGING_BYTES / row_bytes : 1;
    if (rows_at_once > rope->rows)
        rows_at_once = rope->rows;
    float *staging = malloc(rows_at_once * row_bytes);
    if (!staging)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    bool loaded = true;
    for (uint32_t row = 0; loaded && row < rope->rows; row += (uint32_t)rows_at_once) {
        uint32_t count = rope->rows - row;
        if (count > rows_at_once)
            count = (uint32_t)rows_at_once;
        rope_table_fill(rope, row, count, staging);
        loaded = backend->upload(device, memory, rope->offset + row * row_bytes, staging,
                                 count * row_bytes, error);
    }
    free(staging);
    return loaded;
}

bool rope_tables_load(const struct manifest *manifest, const struct backend *backend,
                      struct device *device, const struct device_memory *memory,
                      struct monogen_error *error) {
    for (size_t i = 0; i < manifest->rope_count; i++)
        if (!load(&manifest->ropes[i], backend, device, memory, error))
            return false;
    return true;
}
