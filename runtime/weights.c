#include "runtime/weights.h"

#include "runtime/parallel.h"
#include "runtime/random_weights.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGING_BYTES ((size_t)4 << 20) // of a thread, if a tile is not larger

// Where the rows of one tensor come from.
struct row_source {
    const unsigned char *data; // [rows][columns]; NULL: random
    uint64_t key;              // of random weights
};

// What all threads share. Job j packs what CU j % cus owns of region j / cus.
struct packing {
    const struct manifest *manifest;
    const struct backend *backend;
    struct device *device;
    const struct device_memory *weights;
    struct row_source *sources; // one a part or rows region, in the manifest's order
    size_t *first_source;       // [region_count] of each region
    size_t staging_bytes, scratch_bytes;
    uint64_t most_tile_rows;

    pthread_mutex_t lock; // of everything below, and of upload
    uint64_t next_job;
    bool failed;
    struct monogen_error *error;
};

// Where one thread packs to: the weights themselves, or a staging buffer before them.
struct packer {
    struct packing *packing;
    unsigned char *in_place; // the weights, or NULL
    unsigned char *staging;
    size_t staged;              // bytes in staging, which belong at offset - staged
    size_t offset;              // of the next byte in the weights
    const unsigned char **rows; // [most_tile_rows] of the tile being packed
    unsigned char *scratch;     // [tile_rows][columns] of random weights
};

// Requires: matrices of the checkpoint are in the dtype that the kernel reads.
static enum tensor_dtype stored_dtype(enum weight_dtype dtype) {
    return dtype == WEIGHT_BF16 ? TENSOR_BF16 : dtype == WEIGHT_F16 ? TENSOR_F16 : TENSOR_F32;
}

static bool resolve(const struct manifest *manifest, const struct weight_source *from,
                    const char *name, uint64_t rows, uint64_t columns, struct row_source *source,
                    struct monogen_error *error) {
    *source = (struct row_source){0};
    if (!from->checkpoint) {
        source->key = random_weights_key(from->random_seed, name);
        return true;
    }
    const struct tensor *tensor = safetensors_need(from->checkpoint, name, error);
    if (!tensor)
        return false;
    if (tensor->dtype != stored_dtype(manifest->weight_dtype) || tensor->rank != 2 ||
        tensor->shape[0] != rows || tensor->shape[1] != columns) {
        char found[256];
        tensor_describe(tensor, found, sizeof found);
        const bool other_dtype = tensor->dtype != stored_dtype(manifest->weight_dtype);
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: tensor \"%s\" is %s, the kernel needs [%" PRIu64 "][%" PRIu64
                            "] %s%s%s",
                            safetensors_path(from->checkpoint), name, found, rows, columns,
                            weight_dtype_name(manifest->weight_dtype),
                            other_dtype ? "; generate it with dtype=" : "",
                            other_dtype ? tensor_dtype_name(tensor->dtype) : "");
    }
    source->data = tensor->data;
    return true;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t tile_bytes(const struct manifest *manifest, const struct manifest_stage *stage) {
    return stage->tile_rows * manifest_padded_columns(stage) *
           weight_dtype_bytes(manifest->weight_dtype);
}

static bool resolve_region(struct packing *packing, const struct weight_source *from,
                           const struct manifest_region *region, size_t *source,
                           struct monogen_error *error) {
    const struct manifest *manifest = packing->manifest;
    size_t element_bytes = weight_dtype_bytes(manifest->weight_dtype);
    if (region->layout == REGION_ROWS) {
        packing->staging_bytes = larger(packing->staging_bytes, region->columns * element_bytes);
        return resolve(manifest, from, region->tensor, region->rows, region->columns,
                       &packing->sources[(*source)++], error);
    }
    for (size_t s = 0; s < region->stage_count; s++) {
        const struct manifest_stage *stage = &region->stages[s];
        packing->staging_bytes = larger(packing->staging_bytes, tile_bytes(manifest, stage));
        packing->most_tile_rows = larger(packing->most_tile_rows, stage->tile_rows);
        if (!from->checkpoint)
            packing->scratch_bytes =
                larger(packing->scratch_bytes, stage->tile_rows * stage->columns * element_bytes);
        for (size_t p = 0; p < stage->part_count; p++)
            if (!resolve(manifest, from, stage->parts[p].tensor, stage->parts[p].tensor_rows,
                         stage->columns, &packing->sources[(*source)++], error))
                return false;
    }
    return true;
}

// Finds the tensors of all regions, and how much memory a thread needs.
static bool resolve_regions(struct packing *packing, const struct weight_source *from,
                            struct monogen_error *error) {
    const struct manifest *manifest = packing->manifest;
    size_t count = 0;
    for (size_t r = 0; r < manifest->region_count; r++) {
        count += manifest->regions[r].layout == REGION_ROWS;
        for (size_t s = 0; s < manifest->regions[r].stage_count; s++)
            count += manifest->regions[r].stages[s].part_count;
    }
    packing->sources = calloc(count + 1, sizeof *packing->sources);
    packing->first_source = calloc(manifest->region_count + 1, sizeof *packing->first_source);
    if (!packing->sources || !packing->first_source)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    packing->staging_bytes = STAGING_BYTES;
    packing->most_tile_rows = 1;
    size_t source = 0;
    for (size_t r = 0; r < manifest->region_count; r++) {
        packing->first_source[r] = source;
        if (!resolve_region(packing, from, &manifest->regions[r], &source, error))
            return false;
    }
    return true;
}

// Ends the packing with an error, unless another thread did.
static void fail_packing(struct packing *packing, const char *message) {
    pthread_mutex_lock(&packing->lock);
    if (!packing->failed)
        monogen_fail(packing->error, MONOGEN_NO_ENVIRONMENT, "%s", message);
    packing->failed = true;
    pthread_mutex_unlock(&packing->lock);
}

static void flush_staging(struct packer *packer) {
    struct packing *packing = packer->packing;
    if (packer->staged == 0)
        return;
    pthread_mutex_lock(&packing->lock);
    if (!packing->failed)
        packing->failed = !packing->backend->upload(
            packing->device, packing->weights, packer->offset - packer->staged, packer->staging,
            packer->staged, packing->error);
    pthread_mutex_unlock(&packing->lock);
    packer->staged = 0;
}

// Room for the next `bytes` of the weights. Requires: bytes <= staging_bytes.
static unsigned char *packer_room(struct packer *packer, size_t bytes) {
    unsigned char *room = NULL;
    if (packer->in_place) {
        room = packer->in_place + packer->offset;
    } else {
        if (packer->staged + bytes > packer->packing->staging_bytes)
            flush_staging(packer);
        room = packer->staging + packer->staged;
        packer->staged += bytes;
    }
    packer->offset += bytes;
    return room;
}

// The packed row's elements: in the checkpoint, or generated into scratch; NULL where no part
// fills the row. sources: of the stage's parts.
static const unsigned char *packed_row(const struct manifest_stage *stage,
                                       const struct row_source *sources, enum weight_dtype dtype,
                                       uint64_t row, unsigned char *scratch) {
    for (size_t p = 0; p < stage->part_count; p++) {
        const struct manifest_part *part = &stage->parts[p];
        if (row < part->first || (row - part->first) % part->stride)
            continue;
        uint64_t j = (row - part->first) / part->stride;
        if (j >= part->rows)
            continue;
        uint64_t first = (part->tensor_first + j) * stage->columns;
        if (sources[p].data)
            return sources[p].data + first * weight_dtype_bytes(dtype);
        random_weights_fill(sources[p].key, stage->columns, dtype, first, stage->columns, scratch);
        return scratch;
    }
    return NULL;
}

// Row `row` of a tile, `filled` of its unit's elements from `from` on, into the unit in fragments.
// A fragment is a run of 32 columns of 16 rows; where a tile has fewer rows, the others are the
// rows of further parts of the columns. Two instructions take it: lane l holds columns l % 4 * 8 ..
// + 7 of rows l / 4 and l / 4 + 8, four columns of either for the first and four for the second,
// the rows' pairs of elements in turn.
static void pack_fragments(const struct manifest_stage *stage, uint64_t row,
                           const unsigned char *from, uint64_t filled, uint16_t *unit) {
    enum { LANES = 32, LANE_ELEMENTS = 8, STEP_COLUMNS = 4 };
    const uint64_t parts = MANIFEST_FRAGMENT_ROWS / stage->tile_rows;
    const uint64_t part_columns = stage->unit_columns / parts;
    for (uint64_t column = 0; column < filled; column += 2) {
        const uint64_t fragment_row = row + column / part_columns * stage->tile_rows;
        const uint64_t in_part = column % part_columns;
        const uint64_t step =
            in_part / MANIFEST_FRAGMENT_COLUMNS * 2 + in_part % LANE_ELEMENTS / STEP_COLUMNS;
        const uint64_t lane =
            fragment_row % 8 * 4 + in_part % MANIFEST_FRAGMENT_COLUMNS / LANE_ELEMENTS;
        const uint64_t word = in_part % STEP_COLUMNS / 2 * 2 + fragment_row / 8;
        uint16_t *to = unit + (step * LANES + lane) * LANE_ELEMENTS + word * 2;
        memcpy(to, from + column * sizeof *to, (filled - column < 2 ? 1 : 2) * sizeof *to);
    }
}

static void pack_tile_in_fragments(struct packer *packer, const struct manifest_stage *stage,
                                   unsigned char *to) {
    const uint64_t unit_elements = stage->tile_rows * stage->unit_columns;
    memset(to, 0, tile_bytes(packer->packing->manifest, stage));
    uint16_t *unit = (uint16_t *)(void *)to;
    for (uint64_t begin = 0; begin < stage->columns; begin += stage->unit_columns) {
        const uint64_t left = stage->columns - begin;
        const uint64_t filled = left < stage->unit_columns ? left : stage->unit_columns;
        for (uint64_t r = 0; r < stage->tile_rows; r++)
            if (packer->rows[r])
                pack_fragments(stage, r, packer->rows[r] + begin * sizeof *unit, filled, unit);
        unit += unit_elements;
    }
}

// One tile: unit by unit, the tile's rows of each unit together.
static void pack_tile(struct packer *packer, const struct manifest_stage *stage,
                      const struct row_source *sources, uint64_t tile) {
    const struct manifest *manifest = packer->packing->manifest;
    size_t element_bytes = weight_dtype_bytes(manifest->weight_dtype);
    size_t row_bytes = stage->columns * element_bytes;
    size_t unit_bytes = stage->unit_columns * element_bytes;
    unsigned char *to = packer_room(packer, tile_bytes(manifest, stage));
    for (uint64_t r = 0; r < stage->tile_rows; r++)
        packer->rows[r] =
            packed_row(stage, sources, manifest->weight_dtype, tile * stage->tile_rows + r,
                       packer->scratch ? packer->scratch + r * row_bytes : NULL);
    if (manifest->unit_order == UNIT_FRAGMENTS) {
        pack_tile_in_fragments(packer, stage, to);
        return;
    }
    for (size_t begin = 0; begin < row_bytes; begin += unit_bytes) {
        size_t filled = row_bytes - begin < unit_bytes ? row_bytes - begin : unit_bytes;
        for (uint64_t r = 0; r < stage->tile_rows; r++) {
            if (packer->rows[r])
                memcpy(to, packer->rows[r] + begin, filled);
            else
                memset(to, 0, filled);
            memset(to + filled, 0, unit_bytes - filled);
            to += unit_bytes;
        }
    }
}

static void pack_tiles_of_cu(struct packer *packer, const struct manifest_region *region,
                             const struct row_source *sources, uint32_t cu) {
    const struct manifest *manifest = packer->packing->manifest;
    packer->offset = region->offset;
    for (size_t s = 0; s < region->stage_count; s++) // what the CUs before this one own
        packer->offset +=
            region->stages[s].partition->first_tile[cu] * tile_bytes(manifest, &region->stages[s]);
    for (size_t s = 0; s < region->stage_count; s++) {
        const struct manifest_stage *stage = &region->stages[s];
        const uint64_t *first_tile = stage->partition->first_tile;
        for (uint64_t tile = first_tile[cu]; tile < first_tile[cu + 1]; tile++)
            pack_tile(packer, stage, sources, tile);
        sources += stage->part_count;
    }
    flush_staging(packer);
}

// Rows have no owner: each CU's job copies an even share.
static void pack_rows_of_cu(struct packer *packer, const struct manifest_region *region,
                            const struct row_source *source, uint32_t cu) {
    const struct manifest *manifest = packer->packing->manifest;
    enum weight_dtype dtype = manifest->weight_dtype;
    size_t row_bytes = region->columns * weight_dtype_bytes(dtype);
    uint64_t row = region->rows * cu / manifest->target.cus;
    uint64_t end = region->rows * (cu + 1ULL) / manifest->target.cus;
    packer->offset = region->offset + row * row_bytes;
    for (; row < end; row++) {
        unsigned char *to = packer_room(packer, row_bytes);
        uint64_t first = row * region->columns;
        if (source->data)
            memcpy(to, source->data + row * row_bytes, row_bytes);
        else
            random_weights_fill(source->key, region->columns, dtype, first, region->columns, to);
    }
    flush_staging(packer);
}

static bool take_job(struct packing *packing, uint64_t *job) {
    uint64_t jobs = (uint64_t)packing->manifest->region_count * packing->manifest->target.cus;
    pthread_mutex_lock(&packing->lock);
    bool taken = !packing->failed && packing->next_job < jobs;
    if (taken)
        *job = packing->next_job++;
    pthread_mutex_unlock(&packing->lock);
    return taken;
}

// What each thread does until no job is left.
static void pack_jobs(void *context) {
    struct packing *packing = context;
    const struct manifest *manifest = packing->manifest;
    struct packer packer = {.packing = packing, .in_place = packing->weights->host};
    packer.rows = calloc(packing->most_tile_rows, sizeof *packer.rows);
    packer.staging = packer.in_place ? NULL : malloc(packing->staging_bytes);
    packer.scratch = packing->scratch_bytes ? malloc(packing->scratch_bytes) : NULL;
    if (!packer.rows || (!packer.in_place && !packer.staging) ||
        (packing->scratch_bytes && !packer.scratch))
        fail_packing(packing, "out of memory");
    uint64_t job;
    while (take_job(packing, &job)) {
        uint32_t cu = (uint32_t)(job % manifest->target.cus);
        size_t r = (size_t)(job / manifest->target.cus);
        const struct manifest_region *region = &manifest->regions[r];
        const struct row_source *sources = &packing->sources[packing->first_source[r]];
        if (region->layout == REGION_ROWS)
            pack_rows_of_cu(&packer, region, sources, cu);
        else
            pack_tiles_of_cu(&packer, region, sources, cu);
    }
    free(packer.scratch);
    free(packer.staging);
    free(packer.rows);
}

// to: the floats from the vector's offset on.
static bool load_vector(const struct manifest_vector *vector, const struct weight_source *source,
                        float *to, struct monogen_error *error) {
    if (!source->checkpoint) { // a norm that only norms, a bias that adds nothing
        for (size_t j = 0; j < vector->elements; j++)
            to[vector->first + j * vector->stride] = vector->holds == VECTOR_NORM;
        return true;
    }
    const struct tensor *tensor = safetensors_need(source->checkpoint, vector->tensor, error);
    if (!tensor)
        return false;
    float *values = malloc(vector->elements * sizeof *values);
    if (!values)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    if (tensor->rank != 1 || tensor->elements != vector->tensor_elements ||
        !tensor_read_f32(tensor, vector->tensor_first, vector->elements, values)) {
        char found[256];
        tensor_describe(tensor, found, sizeof found);
        free(values);
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: tensor \"%s\" is %s, the kernel needs [%zu] of bf16, fp16 or fp32",
                            safetensors_path(source->checkpoint), vector->tensor, found,
                            vector->tensor_elements);
    }
    for (size_t j = 0; j < vector->elements; j++)
        to[vector->first + j * vector->stride] = (float)(values[j] + vector->add);
    free(values);
    return true;
}

static bool load_vectors(const struct manifest *manifest, const struct weight_source *source,
                         const struct backend *backend, struct device *device,
                         const struct device_memory *memory, struct monogen_error *error) {
    size_t bytes = manifest->memory.vectors_bytes;
    if (bytes == 0)
        return true;
    unsigned char *staging = calloc(1, bytes);
    if (!staging)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    bool loaded = true;
    for (size_t i = 0; loaded && i < manifest->vector_count; i++)
        loaded = load_vector(&manifest->vectors[i], source,
                             (float *)(void *)(staging + manifest->vectors[i].offset), error);
    loaded = loaded && backend->upload(device, memory, 0, staging, bytes, error);
    free(staging);
    return loaded;
}

bool weights_load(const struct manifest *manifest, const struct weight_source *source,
                  const struct backend *backend, struct device *device,
                  const struct device_memory *weights, const struct device_memory *vectors,
                  struct monogen_error *error) {
    struct packing packing = {.manifest = manifest,
                              .backend = backend,
                              .device = device,
                              .weights = weights,
                              .error = error,
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    bool resolved = resolve_regions(&packing, source, error);
    if (resolved)
        parallel_run(pack_jobs, &packing);
    free(packing.first_source);
    free(packing.sources);
    pthread_mutex_destroy(&packing.lock);
    return resolved && !packing.failed &&
           load_vectors(manifest, source, backend, device, vectors, error);
}
