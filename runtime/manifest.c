// Reads 7-manifest.json as hostile input: docs/manifest.md gives the rules that are checked here.
#include "runtime/manifest.h"

#include "runtime/file_map.h"
#include "runtime/json_node.h"
#include "runtime/kernel_arguments.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_MAX_FILE_BYTES ((size_t)64 << 20)
#define MAX_MEMORY_BYTES ((uint64_t)1 << 46)  // 64 TiB: more than any device has
#define MAX_VECTOR_BYTES ((uint64_t)1 << 28)  // each of their floats is marked
#define MAX_PACKED_ROWS ((uint64_t)1 << 24)   // of one stage
#define MAX_ALL_ROWS ((uint64_t)1 << 28)      // of all stages: each row is looked at
#define MAX_COLUMNS ((uint64_t)1 << 28)       // of one tensor
#define MAX_TILE_ROWS 4096                    // rows that a CU multiplies together
#define MAX_LAUNCH_EPOCHS ((uint64_t)1 << 31) // so that one launch never meets an epoch twice

struct manifest_file {
    struct manifest manifest; // first: manifest_close gets its address
    struct json_document document;
};

// An extent of a memory, for the check that none overlap.
struct extent {
    size_t offset, bytes, index;
};

static int compare_extents(const void *left, const void *right) {
    const struct extent *a = left, *b = right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

// The extents ([count]; reordered) must lie within `memory_bytes` and be disjoint.
static void check_extents(const struct json_node *array, struct extent *extents, size_t count,
                          size_t memory_bytes, const char *memory_name) {
    if (array->document->failed || !extents)
        return;
    qsort(extents, count, sizeof *extents, compare_extents);
    for (size_t i = 0; i < count; i++) {
        size_t end;
        struct json_node item = json_node_item(array, extents[i].index);
        if (__builtin_add_overflow(extents[i].offset, extents[i].bytes, &end) || end > memory_bytes)
            json_node_fail(&item, "%zu bytes at %zu are outside the %zu %s", extents[i].bytes,
                           extents[i].offset, memory_bytes, memory_name);
        else if (i + 1 < count && end > extents[i + 1].offset)
            json_node_fail(&item, "ends at %zu, in element %zu, which starts at %zu", end,
                           extents[i + 1].index, extents[i + 1].offset);
    }
}

static const uint32_t *read_token_ids(const struct json_node *object, const char *name,
                                      uint32_t vocab, size_t *count) {
    struct json_node array = json_node_field(object, name);
    *count = json_node_count(&array);
    uint32_t *ids = json_document_array(array.document, *count, sizeof *ids);
    for (size_t i = 0; ids && i < *count; i++) {
        struct json_node item = json_node_item(&array, i);
        ids[i] = (uint32_t)json_node_integer(&item, 0, vocab - 1);
    }
    return ids;
}

static void read_model(const struct json_node *root, struct manifest_model *model) {
    struct json_node node = json_node_field(root, "model");
    model->name = json_field_string(&node, "name");
    model->vocab = (uint32_t)json_field_integer(&node, "vocab", 1, INT32_MAX);
    model->context = (uint32_t)json_field_integer(&node, "context", 1, INT32_MAX);
    model->layers = (uint32_t)json_field_integer(&node, "layers", 0, INT32_MAX);
    model->bos = read_token_ids(&node, "bos", model->vocab, &model->bos_count);
    model->eos = read_token_ids(&node, "eos", model->vocab, &model->eos_count);
}

static void read_target(const struct json_node *root, struct manifest_target *target) {
    struct json_node node = json_node_field(root, "target");
    target->name = json_field_string(&node, "name");
    target->backend = json_field_string(&node, "backend");
    target->isa = json_field_string(&node, "isa");
    target->cus = (uint32_t)json_field_integer(&node, "cus", 1, MANIFEST_MAX_CUS);
    target->xcds = (uint32_t)json_field_integer(&node, "xcds", 1, MANIFEST_MAX_XCDS);
}

// Lays the arguments out in order, each at its natural alignment.
static void read_arguments(const struct json_node *kernel_node, struct manifest_kernel *kernel) {
    struct json_node array = json_node_field(kernel_node, "arguments");
    size_t count = json_node_count(&array), offset = 0;
    struct manifest_argument *arguments =
        json_document_array(array.document, count, sizeof *arguments);
    bool seen[ARGUMENT_COUNT] = {false};
    for (size_t i = 0; arguments && i < count; i++) {
        struct json_node item = json_node_item(&array, i);
        const char *name = json_field_string(&item, "name");
        size_t bytes = json_field_integer(&item, "bytes", 4, 8);
        if (array.document->failed)
            return;
        enum kernel_argument argument = kernel_argument_by_name(name);
        if (argument == ARGUMENT_COUNT)
            json_node_fail(&item, "this runtime knows no kernel argument \"%s\"", name);
        else if (seen[argument])
            json_node_fail(&item, "\"%s\" is there twice", name);
        else if (bytes != kernel_argument_bytes(argument))
            json_node_fail(&item, "\"%s\" has %zu bytes, this runtime passes %zu", name, bytes,
                           kernel_argument_bytes(argument));
        if (array.document->failed)
            return;
        seen[argument] = true;
        offset = (offset + bytes - 1) / bytes * bytes;
        arguments[i] = (struct manifest_argument){.name = name, .bytes = bytes, .offset = offset};
        offset += bytes;
    }
    for (int i = 0; i < ARGUMENT_COUNT; i++)
        if (!seen[i])
            json_node_fail(&array, "\"%s\" is missing",
                           kernel_argument_name((enum kernel_argument)i));
    kernel->arguments = arguments;
    kernel->argument_count = count;
    kernel->argument_block_bytes = (offset + 7) / 8 * 8;
}

static void read_kernel(const struct json_node *root, struct manifest *manifest) {
    struct manifest_kernel *kernel = &manifest->kernel;
    struct json_node node = json_node_field(root, "kernel");
    kernel->object = json_field_string(&node, "object");
    if (!file_name_is_plain(kernel->object))
        json_node_fail(&node, "object \"%s\" is no plain file name", kernel->object);
    kernel->symbol = json_field_string(&node, "symbol");
    kernel->workgroups =
        (uint32_t)json_field_integer(&node, "workgroups", manifest->target.cus, MANIFEST_MAX_CUS);
    kernel->threads_per_workgroup =
        (uint32_t)json_field_integer(&node, "threads_per_workgroup", 1, 1024);
    kernel->lds_bytes = json_field_integer(&node, "lds_bytes", 0, UINT32_MAX);
    kernel->epochs_per_step = (uint32_t)json_field_integer(&node, "epochs_per_step", 1, INT32_MAX);
    if ((uint64_t)kernel->epochs_per_step * (manifest->model.context + 2ULL) > MAX_LAUNCH_EPOCHS)
        json_node_fail(&node, "%" PRIu32 " epochs a step and a context of %" PRIu32 " overflow",
                       kernel->epochs_per_step, manifest->model.context);
    read_arguments(&node, kernel);
}

static void read_memory(const struct json_node *root, struct manifest_memory *memory) {
    struct json_node node = json_node_field(root, "memory");
    memory->weights_bytes = json_field_integer(&node, "weights_bytes", 0, MAX_MEMORY_BYTES);
    memory->vectors_bytes = json_field_integer(&node, "vectors_bytes", 0, MAX_VECTOR_BYTES);
    memory->kv_bytes = json_field_integer(&node, "kv_bytes", 0, MAX_MEMORY_BYTES);
    memory->mailbox_pairs = json_field_integer(&node, "mailbox_pairs", 0, UINT32_MAX);
}

static enum weight_dtype read_dtype(const struct json_node *node) {
    const char *name = json_field_string(node, "dtype");
    enum weight_dtype dtype = WEIGHT_BF16;
    while (dtype < WEIGHT_F32 && strcmp(name, weight_dtype_name(dtype)) != 0)
        dtype++;
    if (strcmp(name, weight_dtype_name(dtype)) != 0)
        json_node_fail(node, "dtype \"%s\" is none of bf16, fp16 and fp32", name);
    return dtype;
}

static void read_kv(const struct json_node *root, struct manifest *manifest) {
    enum { MAX_SPLITS = 64 };
    struct manifest_kv *kv = &manifest->kv;
    struct json_node node = json_node_field(root, "kv");
    kv->dtype = read_dtype(&node);
    if (kv->dtype == WEIGHT_F16)
        json_node_fail(&node, "a KV cache is bf16 or fp32, not fp16");
    kv->row_elements = (uint32_t)json_field_integer(&node, "row_elements", 1, MAX_COLUMNS);
    kv->head_dim = (uint32_t)json_field_integer(&node, "head_dim", 1, kv->row_elements);
    kv->splits = (uint32_t)json_field_integer(&node, "splits", 1, MAX_SPLITS);
    kv->block = (uint32_t)json_field_integer(&node, "block", 1, INT32_MAX);
    kv->split_positions = (uint32_t)json_field_integer(&node, "split_positions", 1, INT32_MAX);
    if (node.document->failed)
        return;
    const size_t rows = (size_t)kv->splits * kv->split_positions;
    // With several splits each holds whole blocks.
    if (rows < manifest->model.context || (kv->splits > 1 && kv->split_positions % kv->block))
        json_node_fail(&node,
                       "%" PRIu32 " splits of %" PRIu32 " positions do not hold a context of "
                       "%" PRIu32,
                       kv->splits, kv->split_positions, manifest->model.context);
    // Below 2^6 * 2^31 positions * 2^28 elements: the product may be too large.
    size_t array_bytes;
    if (__builtin_mul_overflow(rows, (size_t)kv->row_elements * weight_dtype_bytes(kv->dtype),
                               &array_bytes)) {
        json_node_fail(&node, "the KV cache is too large");
        return;
    }
    kv->arrays = manifest->memory.kv_bytes / array_bytes;
    if (manifest->memory.kv_bytes % array_bytes)
        json_node_fail(&node, "%zu bytes are no multiple of %zu rows of %" PRIu32 " %s",
                       manifest->memory.kv_bytes, rows, kv->row_elements,
                       weight_dtype_name(kv->dtype));
}

// A table of the size that fits behind the tables before it, *end bytes of them.
static void read_rope(const struct json_node *node, uint32_t context, struct manifest_rope *rope,
                      size_t *end) {
    struct json_node frequencies = json_node_field(node, "inverse_frequencies");
    rope->pair_count = json_node_count(&frequencies);
    rope->rows = (uint32_t)json_field_integer(node, "rows", context, INT32_MAX);
    rope->amplitude = json_field_number(node, "amplitude");
    double *values = json_document_array(node->document, rope->pair_count, sizeof *values);
    for (size_t i = 0; values && i < rope->pair_count; i++) {
        struct json_node item = json_node_item(&frequencies, i);
        values[i] = json_node_number(&item);
    }
    rope->inverse_frequencies = values;
    rope->offset = *end;
    uint64_t pairs;
    if (rope->pair_count == 0 ||
        __builtin_mul_overflow((uint64_t)rope->rows, rope->pair_count, &pairs) ||
        pairs > MAX_MEMORY_BYTES / 8 || *end > MAX_MEMORY_BYTES - pairs * 8)
        json_node_fail(node, "a table of %" PRIu32 " rows of %zu pairs is %s", rope->rows,
                       rope->pair_count, rope->pair_count ? "too large" : "empty");
    else
        *end += pairs * 8;
}

static void read_ropes(const struct json_node *root, struct manifest *manifest) {
    struct json_node array = json_node_field(root, "ropes");
    size_t count = json_node_count(&array), end = 0;
    struct manifest_rope *ropes = json_document_array(root->document, count, sizeof *ropes);
    for (size_t i = 0; ropes && i < count; i++) {
        struct json_node item = json_node_item(&array, i);
        read_rope(&item, manifest->model.context, &ropes[i], &end);
    }
    manifest->ropes = ropes;
    manifest->rope_count = count;
}

static void read_partitions(const struct json_node *root, struct manifest *manifest) {
    struct json_node array = json_node_field(root, "partitions");
    size_t count = json_node_count(&array), boundaries = (size_t)manifest->target.cus + 1;
    struct manifest_partition *partitions =
        json_document_array(array.document, count, sizeof *partitions);
    for (size_t i = 0; partitions && i < count; i++) {
        struct json_node item = json_node_item(&array, i);
        struct json_node tiles = json_node_field(&item, "first_tile");
        partitions[i].name = json_field_string(&item, "name");
        if (json_node_count(&tiles) != boundaries)
            json_node_fail(&tiles, "must have %zu boundaries, one more than CUs", boundaries);
        uint64_t *first_tile = json_document_array(array.document, boundaries, sizeof *first_tile);
        for (size_t cu = 0; first_tile && cu < boundaries; cu++) {
            struct json_node tile = json_node_item(&tiles, cu);
            first_tile[cu] =
                json_node_integer(&tile, cu ? first_tile[cu - 1] : 0, cu ? MAX_PACKED_ROWS : 0);
        }
        partitions[i].first_tile = first_tile;
    }
    manifest->partitions = partitions;
    manifest->partition_count = count;
}

static const struct manifest_partition *read_partition_name(const struct json_node *stage,
                                                            const struct manifest *manifest) {
    const char *name = json_field_string(stage, "partition");
    if (stage->document->failed)
        return NULL;
    for (size_t i = 0; i < manifest->partition_count; i++)
        if (strcmp(manifest->partitions[i].name, name) == 0)
            return &manifest->partitions[i];
    json_node_fail(stage, "there is no partition \"%s\"", name);
    return NULL;
}

// Marks the packed rows that the part fills; each may be filled once.
static void claim_rows(const struct json_node *node, const struct manifest_part *part,
                       unsigned char *claimed, uint64_t packed_rows) {
    if (part->rows > packed_rows || part->first >= packed_rows ||
        (part->rows > 1 && part->stride > (packed_rows - 1 - part->first) / (part->rows - 1))) {
        json_node_fail(node,
                       "%" PRIu64 " rows from %" PRIu64 " by %" PRIu64 " leave the %" PRIu64
                       " packed rows",
                       part->rows, part->first, part->stride, packed_rows);
        return;
    }
    for (uint64_t j = 0; j < part->rows; j++) {
        uint64_t row = part->first + j * part->stride;
        unsigned char bit = (unsigned char)(1U << (row % 8));
        if (claimed[row / 8] & bit) {
            json_node_fail(node, "packed row %" PRIu64 " is filled twice", row);
            return;
        }
        claimed[row / 8] |= bit;
    }
}

static void read_parts(const struct json_node *stage_node, struct manifest_stage *stage) {
    struct json_document *document = stage_node->document;
    struct json_node array = json_node_field(stage_node, "parts");
    uint64_t packed_rows = stage->tiles * stage->tile_rows;
    stage->part_count = json_node_count(&array);
    struct manifest_part *parts = json_document_array(document, stage->part_count, sizeof *parts);
    if (document->failed)
        return;
    unsigned char *claimed = calloc(1, packed_rows / 8 + 1);
    if (!claimed) {
        json_node_fail(&array, "out of memory");
        return;
    }
    for (size_t i = 0; parts && i < stage->part_count; i++) {
        struct json_node item = json_node_item(&array, i);
        parts[i].tensor = json_field_string(&item, "tensor");
        parts[i].rows = json_field_integer(&item, "rows", 1, MAX_PACKED_ROWS);
        parts[i].first = json_field_integer(&item, "first", 0, MAX_PACKED_ROWS);
        parts[i].stride = json_field_integer(&item, "stride", 1, MAX_PACKED_ROWS);
        parts[i].tensor_rows = json_field_integer(&item, "tensor_rows", 1, MAX_PACKED_ROWS);
        parts[i].tensor_first = json_field_integer(&item, "tensor_first", 0, MAX_PACKED_ROWS);
        if (parts[i].tensor_first + parts[i].rows > parts[i].tensor_rows)
            json_node_fail(&item, "rows %" PRIu64 " to %" PRIu64 " of a tensor of %" PRIu64 " rows",
                           parts[i].tensor_first, parts[i].tensor_first + parts[i].rows - 1,
                           parts[i].tensor_rows);
        if (!document->failed)
            claim_rows(&item, &parts[i], claimed, packed_rows);
    }
    free(claimed);
    stage->parts = parts;
}

// `all_rows`: the packed rows of all stages so far.
static void read_stage(const struct json_node *node, const struct manifest *manifest,
                       struct manifest_stage *stage, uint64_t *all_rows) {
    stage->step = (int)json_field_signed(node, "step", 0, INT32_MAX);
    stage->name = json_field_string(node, "name");
    stage->layer = (int)json_field_signed(node, "layer", -1, INT32_MAX);
    stage->tiles = json_field_integer(node, "tiles", 1, MAX_PACKED_ROWS);
    stage->tile_rows = json_field_integer(node, "tile_rows", 1, MAX_TILE_ROWS);
    stage->columns = json_field_integer(node, "columns", 1, MAX_COLUMNS);
    stage->unit_columns = json_field_integer(node, "unit_columns", 1, MAX_COLUMNS);
    stage->partition = read_partition_name(node, manifest);
    if (node->document->failed)
        return;
    uint64_t owned = stage->partition->first_tile[manifest->target.cus];
    *all_rows += stage->tiles * stage->tile_rows;
    if (stage->tiles * stage->tile_rows > MAX_PACKED_ROWS)
        json_node_fail(node, "%" PRIu64 " tiles of %" PRIu64 " rows are too many rows",
                       stage->tiles, stage->tile_rows);
    else if (*all_rows > MAX_ALL_ROWS)
        json_node_fail(node, "the stages up to this one have %" PRIu64 " rows, too many",
                       *all_rows);
    else if (owned != stage->tiles)
        json_node_fail(node, "has %" PRIu64 " tiles, its partition \"%s\" %" PRIu64, stage->tiles,
                       stage->partition->name, owned);
    if (!node->document->failed)
        read_parts(node, stage);
}

// Adds the bytes of a packed stage; false on overflow. With the limits above one stage stays below
// 2^24 rows * 2^29 columns * 4 bytes.
static bool add_stage_bytes(const struct manifest_stage *stage, size_t element_bytes,
                            size_t *total) {
    size_t bytes = stage->tiles * stage->tile_rows * manifest_padded_columns(stage) * element_bytes;
    return !__builtin_add_overflow(*total, bytes, total) && *total <= MAX_MEMORY_BYTES;
}

static void read_region(const struct json_node *node, const struct manifest *manifest,
                        struct manifest_region *region, uint64_t *all_rows) {
    size_t needed = 0, element_bytes = weight_dtype_bytes(manifest->weight_dtype);
    region->name = json_field_string(node, "name");
    region->offset = json_field_integer(node, "offset", 0, MAX_MEMORY_BYTES);
    region->bytes = json_field_integer(node, "bytes", 1, MAX_MEMORY_BYTES);
    const char *layout = json_field_string(node, "layout");
    if (node->document->failed)
        return;
    if (strcmp(layout, "rows") == 0) {
        region->layout = REGION_ROWS;
        region->tensor = json_field_string(node, "tensor");
        region->rows = json_field_integer(node, "rows", 1, MAX_PACKED_ROWS);
        region->columns = json_field_integer(node, "columns", 1, MAX_COLUMNS);
        needed = region->rows * region->columns * element_bytes;
    } else if (strcmp(layout, "tiles") == 0) {
        region->layout = REGION_TILES;
        struct json_node array = json_node_field(node, "stages");
        region->stage_count = json_node_count(&array);
        struct manifest_stage *stages =
            json_document_array(node->document, region->stage_count, sizeof *stages);
        for (size_t i = 0; stages && i < region->stage_count; i++) {
            struct json_node item = json_node_item(&array, i);
            read_stage(&item, manifest, &stages[i], all_rows);
            if (!node->document->failed && !add_stage_bytes(&stages[i], element_bytes, &needed))
                json_node_fail(&item, "its region is too large");
        }
        region->stages = stages;
    } else {
        json_node_fail(node, "layout \"%s\" is neither \"tiles\" nor \"rows\"", layout);
    }
    if (region->offset % 16)
        json_node_fail(node, "offset %zu is no multiple of 16", region->offset);
    if (needed != region->bytes)
        json_node_fail(node, "\"%s\" has %zu bytes, its layout needs %zu", region->name,
                       region->bytes, needed);
}

static void read_weights(const struct json_node *root, struct manifest *manifest) {
    struct json_node node = json_node_field(root, "weights");
    manifest->weight_dtype = read_dtype(&node);

    struct json_node array = json_node_field(&node, "regions");
    size_t count = json_node_count(&array);
    struct manifest_region *regions = json_document_array(root->document, count, sizeof *regions);
    struct extent *extents = json_document_array(root->document, count, sizeof *extents);
    uint64_t all_rows = 0;
    for (size_t i = 0; extents && i < count; i++) {
        struct json_node item = json_node_item(&array, i);
        read_region(&item, manifest, &regions[i], &all_rows);
        extents[i] = (struct extent){regions[i].offset, regions[i].bytes, i};
    }
    check_extents(&array, extents, count, manifest->memory.weights_bytes, "weights_bytes");
    manifest->regions = regions;
    manifest->region_count = count;
}

static void read_vector(const struct json_node *node, struct manifest_vector *vector) {
    vector->tensor = json_field_string(node, "tensor");
    const char *holds = json_field_string(node, "holds");
    vector->holds = strcmp(holds, "bias") == 0 ? VECTOR_BIAS : VECTOR_NORM;
    if (strcmp(holds, "norm") != 0 && strcmp(holds, "bias") != 0)
        json_node_fail(node, "holds \"%s\", neither \"norm\" nor \"bias\"", holds);
    vector->tensor_elements = json_field_integer(node, "tensor_elements", 1, MAX_COLUMNS);
    vector->tensor_first = json_field_integer(node, "tensor_first", 0, MAX_COLUMNS);
    vector->offset = json_field_integer(node, "offset", 0, MAX_MEMORY_BYTES);
    vector->elements = json_field_integer(node, "elements", 1, MAX_COLUMNS);
    vector->first = json_field_integer(node, "first", 0, MAX_COLUMNS);
    vector->stride = json_field_integer(node, "stride", 1, MAX_COLUMNS);
    vector->add = json_field_number(node, "add");
    if (vector->offset % 16)
        json_node_fail(node, "offset %zu is no multiple of 16", vector->offset);
    if (vector->tensor_first + vector->elements > vector->tensor_elements)
        json_node_fail(node, "elements %zu to %zu of a tensor of %zu", vector->tensor_first,
                       vector->tensor_first + vector->elements - 1, vector->tensor_elements);
}

// Marks the floats that the vector fills; each may be filled once.
static void claim_floats(const struct json_node *node, const struct manifest_vector *vector,
                         unsigned char *claimed, size_t floats) {
    for (size_t j = 0; j < vector->elements; j++) {
        size_t at = vector->offset / sizeof(float) + vector->first + j * vector->stride;
        if (at >= floats) {
            json_node_fail(node, "element %zu goes to float %zu, vectors_bytes hold %zu", j, at,
                           floats);
            return;
        }
        if (claimed[at]++) {
            json_node_fail(node, "float %zu of the vectors is filled twice", at);
            return;
        }
    }
}

static void read_vectors(const struct json_node *root, struct manifest *manifest) {
    struct json_node array = json_node_field(root, "vectors");
    size_t count = json_node_count(&array);
    size_t floats = manifest->memory.vectors_bytes / sizeof(float);
    struct manifest_vector *vectors = json_document_array(root->document, count, sizeof *vectors);
    unsigned char *claimed = calloc(1, floats + 1);
    if (!claimed)
        json_node_fail(&array, "out of memory");
    for (size_t i = 0; claimed && vectors && i < count && !root->document->failed; i++) {
        struct json_node item = json_node_item(&array, i);
        read_vector(&item, &vectors[i]);
        if (!root->document->failed)
            claim_floats(&item, &vectors[i], claimed, floats);
    }
    free(claimed);
    manifest->vectors = vectors;
    manifest->vector_count = count;
}

static void read_names(const struct json_node *root, struct manifest *manifest) {
    struct json_node array = json_node_field(root, "steps");
    size_t count = json_node_count(&array);
    struct manifest_step *steps = json_document_array(root->document, count, sizeof *steps);
    for (size_t i = 0; steps && i < count; i++) {
        struct json_node item = json_node_item(&array, i);
        steps[i].step = (int)json_field_signed(&item, "step", 0, INT32_MAX);
        steps[i].name = json_field_string(&item, "name");
        steps[i].layer = (int)json_field_signed(&item, "layer", -1, INT32_MAX);
    }
    manifest->steps = steps;
    manifest->step_count = count;

    array = json_node_field(root, "mailboxes");
    count = json_node_count(&array);
    struct manifest_mailbox *mailboxes =
        json_document_array(root->document, count, sizeof *mailboxes);
    size_t pairs = manifest->memory.mailbox_pairs;
    for (size_t i = 0; mailboxes && i < count; i++) {
        struct json_node item = json_node_item(&array, i);
        mailboxes[i].name = json_field_string(&item, "name");
        mailboxes[i].first_pair = json_field_integer(&item, "first_pair", 0, pairs);
        mailboxes[i].pairs = json_field_integer(&item, "pairs", 0, pairs - mailboxes[i].first_pair);
    }
    manifest->mailboxes = mailboxes;
    manifest->mailbox_count = count;
}

static void read_manifest(struct manifest_file *file) {
    struct manifest *manifest = &file->manifest;
    struct json_node root = json_document_root(&file->document);
    struct json_node format = json_node_field(&root, "format");
    if (json_node_integer(&format, 0, INT32_MAX) != MANIFEST_FORMAT)
        json_node_fail(&format, "this runtime reads format %d: generate the kernel again",
                       MANIFEST_FORMAT);
    manifest->generator = json_field_string(&root, "generator");
    manifest->plan = json_field_string(&root, "plan");
    read_model(&root, &manifest->model);
    read_target(&root, &manifest->target);
    read_kernel(&root, manifest);
    read_memory(&root, &manifest->memory);
    read_kv(&root, manifest);
    read_ropes(&root, manifest);
    read_partitions(&root, manifest);
    read_weights(&root, manifest);
    read_vectors(&root, manifest);
    read_names(&root, manifest);
}

struct manifest *manifest_open(const char *kernel_folder, struct monogen_error *error) {
    char *path = file_path(kernel_folder, MANIFEST_FILE_NAME, error);
    if (!path)
        return NULL;
    struct file_map map = {0};
    struct manifest_file *file = NULL;
    if (!file_map_open(&map, path, MANIFEST_MAX_FILE_BYTES, error))
        goto done;
    file = calloc(1, sizeof *file);
    if (!file) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        goto done;
    }
    if (json_document_open(&file->document, path, map.bytes, map.length, error))
        read_manifest(file);
    if (file->document.failed) {
        manifest_close(&file->manifest);
        file = NULL;
    } else {
        file->document.error = NULL; // the caller's, which may not outlive this call
    }
done:
    file_map_close(&map);
    free(path);
    return file ? &file->manifest : NULL;
}

void manifest_close(struct manifest *manifest) {
    if (!manifest)
        return;
    struct manifest_file *file = (struct manifest_file *)manifest;
    json_document_close(&file->document);
    free(file);
}

size_t weight_dtype_bytes(enum weight_dtype dtype) { return dtype == WEIGHT_F32 ? 4 : 2; }

const char *weight_dtype_name(enum weight_dtype dtype) {
    static const char *const names[] = {
        [WEIGHT_BF16] = "bf16", [WEIGHT_F16] = "fp16", [WEIGHT_F32] = "fp32"};
    return names[dtype];
}

size_t manifest_kv_row(const struct manifest_kv *kv, uint32_t position) {
    if (kv->splits == 1)
        return position;
    const uint32_t block = position / kv->block, split = block % kv->splits;
    return (size_t)split * kv->split_positions + (size_t)(block / kv->splits) * kv->block +
           position % kv->block;
}

bool manifest_is_stop_token(const struct manifest *manifest, uint32_t token) {
    for (size_t i = 0; i < manifest->model.eos_count; i++)
        if (manifest->model.eos[i] == token)
            return true;
    return false;
}

uint64_t manifest_padded_columns(const struct manifest_stage *stage) {
    return (stage->columns + stage->unit_columns - 1) / stage->unit_columns * stage->unit_columns;
}
