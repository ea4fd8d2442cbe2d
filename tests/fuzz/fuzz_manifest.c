// Manifests: the bytes are the 7-manifest.json of a kernel folder. One that is accepted keeps the
// promises of manifest.h on which packing of weights relies.
#include "runtime/manifest.h"
#include "tests/fuzz/input.h"

#include <string.h>

static void require_partition(const struct manifest *manifest,
                              const struct manifest_partition *partition) {
    input_require(partition->first_tile[0] == 0, "the first CU starts at tile 0");
    for (uint32_t cu = 0; cu < manifest->target.cus; cu++)
        input_require(partition->first_tile[cu] <= partition->first_tile[cu + 1],
                      "tiles are dealt in ascending order");
}

static void require_stage(const struct manifest *manifest, const struct manifest_stage *stage) {
    const uint64_t packed = stage->tiles * stage->tile_rows;
    input_require(stage->partition->first_tile[manifest->target.cus] == stage->tiles,
                  "all tiles of a stage are dealt");
    input_require(manifest_padded_columns(stage) >= stage->columns, "units cover the columns");
    for (size_t i = 0; i < stage->part_count; i++) {
        const struct manifest_part *part = &stage->parts[i];
        if (part->rows == 0)
            continue;
        const uint64_t last = part->rows - 1;
        input_require(part->first + last * part->stride < packed, "a part lies in its stage");
        input_require(part->tensor_first + last < part->tensor_rows,
                      "a row of a part is a row of its tensor");
    }
}

static void require_promises(const struct manifest *manifest) {
    for (size_t i = 0; i < manifest->partition_count; i++)
        require_partition(manifest, &manifest->partitions[i]);
    for (size_t i = 0; i < manifest->region_count; i++) {
        const struct manifest_region *region = &manifest->regions[i];
        input_require(region->bytes <= manifest->memory.weights_bytes &&
                          region->offset <= manifest->memory.weights_bytes - region->bytes,
                      "a region lies in the weights");
        for (size_t s = 0; s < region->stage_count; s++)
            require_stage(manifest, &region->stages[s]);
    }
    for (size_t i = 0; i < manifest->vector_count; i++) {
        const struct manifest_vector *vector = &manifest->vectors[i];
        const size_t last = vector->first + (vector->elements - 1) * vector->stride;
        input_require(vector->offset % 16 == 0 && vector->offset + (last + 1) * sizeof(float) <=
                                                      manifest->memory.vectors_bytes,
                      "a vector lies in the vectors");
        input_require(vector->tensor_first + vector->elements <= vector->tensor_elements,
                      "an element of a vector is one of its tensor");
    }
    for (uint32_t position = 0; position < manifest->model.context; position += 7) {
        input_require(manifest_kv_row(&manifest->kv, position) <
                          (size_t)manifest->kv.splits * manifest->kv.split_positions,
                      "a position has a row in the KV cache");
        if (position > 10000)
            break;
    }
    for (size_t i = 0; i < manifest->model.eos_count; i++)
        input_require(manifest_is_stop_token(manifest, manifest->model.eos[i]) &&
                          manifest->model.eos[i] < manifest->model.vocab,
                      "a stop token is a token");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena arena = {0};
    struct monogen_error error = {0};
    input_file(&arena, "kernel/" MANIFEST_FILE_NAME, bytes, size);
    struct manifest *manifest =
        manifest_open(arena_format(&arena, "%s/kernel", input_folder()), &error);
    if (manifest)
        require_promises(manifest);
    else
        input_require(error.status != MONOGEN_OK && error.message[0],
                      "a manifest is refused with a reason");
    manifest_close(manifest);
    arena_close(&arena);
    return 0;
}
