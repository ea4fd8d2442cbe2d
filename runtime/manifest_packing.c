#include "runtime/manifest_packing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PACKED_ROWS ((uint64_t)1 << 24) // of one stage
#define MAX_ALL_ROWS ((uint64_t)1 << 28)    // of all stages: each row is looked at
#define MAX_TILE_ROWS 4096                  // rows that a CU multiplies together

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

enum weight_dtype manifest_read_dtype(const struct json_node *node) {
    const char *name = json_field_string(node, "dtype");
    enum weight_dtype dtype = WEIGHT_BF16;
    while (dtype < WEIGHT_F32 && strcmp(name, weight_dtype_name(dtype)) != 0)
        dtype++;
    if (strcmp(name, weight_dtype_name(dtype)) != 0)
        json_node_fail(node, "dtype \"%s\" is none of bf16, fp16 and fp32", name);
    return dtype;
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

// Fragments are whole where a tile's rows divide those of an instruction, and a unit's columns fill
// the instruction's rows with whole runs of columns.
static void check_fragments(const struct json_node *node, const struct manifest_stage *stage) {
    const uint64_t rows = MANIFEST_FRAGMENT_ROWS, run = MANIFEST_FRAGMENT_COLUMNS;
    if (rows % stage->tile_rows || stage->unit_columns % (run * (rows / stage->tile_rows)))
        json_node_fail(node,
                       "units of %" PRIu64 " x %" PRIu64 " are no fragments of %" PRIu64
                       " rows and a multiple of %" PRIu64 " columns",
                       stage->tile_rows, stage->unit_columns, rows, run);
}

// `all_rows`: the packed rows of all stages so far.
static void read_stage(const struct json_node *node, const struct manifest *manifest,
                       struct manifest_stage *stage, uint64_t *all_rows) {
    stage->step = (int)json_field_signed(node, "step", 0, INT32_MAX);
    stage->name = json_field_string(node, "name");
    stage->layer = (int)json_field_signed(node, "layer", -1, INT32_MAX);
    stage->tiles = json_field_integer(node, "tiles", 1, MAX_PACKED_ROWS);
    stage->tile_rows = json_field_integer(node, "tile_rows", 1, MAX_TILE_ROWS);
    stage->columns = json_field_integer(node, "columns", 1, MANIFEST_MAX_COLUMNS);
    stage->unit_columns = json_field_integer(node, "unit_columns", 1, MANIFEST_MAX_COLUMNS);
    stage->partition = read_partition_name(node, manifest);
    if (node->document->failed)
        return;
    if (manifest->unit_order == UNIT_FRAGMENTS)
        check_fragments(node, stage);
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
    return !__builtin_add_overflow(*total, bytes, total) && *total <= MANIFEST_MAX_MEMORY_BYTES;
}

static void read_region(const struct json_node *node, const struct manifest *manifest,
                        struct manifest_region *region, uint64_t *all_rows) {
    size_t needed = 0, element_bytes = weight_dtype_bytes(manifest->weight_dtype);
    region->name = json_field_string(node, "name");
    region->offset = json_field_integer(node, "offset", 0, MANIFEST_MAX_MEMORY_BYTES);
    region->bytes = json_field_integer(node, "bytes", 1, MANIFEST_MAX_MEMORY_BYTES);
    const char *layout = json_field_string(node, "layout");
    if (node->document->failed)
        return;
    if (strcmp(layout, "rows") == 0) {
        region->layout = REGION_ROWS;
        region->tensor = json_field_string(node, "tensor");
        region->rows = json_field_integer(node, "rows", 1, MAX_PACKED_ROWS);
        region->columns = json_field_integer(node, "columns", 1, MANIFEST_MAX_COLUMNS);
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

static enum unit_order read_unit_order(const struct json_node *weights, enum weight_dtype dtype) {
    const char *name = json_field_string(weights, "unit_order");
    if (strcmp(name, "rows") == 0)
        return UNIT_ROWS;
    if (strcmp(name, "fragments") != 0)
        json_node_fail(weights, "unit_order \"%s\" is neither \"rows\" nor \"fragments\"", name);
    else if (weight_dtype_bytes(dtype) != 2)
        json_node_fail(weights, "unit_order \"fragments\" is for bf16 and fp16, not for %s",
                       weight_dtype_name(dtype));
    return UNIT_FRAGMENTS;
}

static void read_weights(const struct json_node *root, struct manifest *manifest) {
    struct json_node node = json_node_field(root, "weights");
    manifest->weight_dtype = manifest_read_dtype(&node);
    manifest->unit_order = read_unit_order(&node, manifest->weight_dtype);

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
    vector->tensor_elements = json_field_integer(node, "tensor_elements", 1, MANIFEST_MAX_COLUMNS);
    vector->tensor_first = json_field_integer(node, "tensor_first", 0, MANIFEST_MAX_COLUMNS);
    vector->offset = json_field_integer(node, "offset", 0, MANIFEST_MAX_MEMORY_BYTES);
    vector->elements = json_field_integer(node, "elements", 1, MANIFEST_MAX_COLUMNS);
    vector->first = json_field_integer(node, "first", 0, MANIFEST_MAX_COLUMNS);
    vector->stride = json_field_integer(node, "stride", 1, MANIFEST_MAX_COLUMNS);
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

void manifest_read_packing(const struct json_node *root, struct manifest *manifest) {
    read_partitions(root, manifest);
    read_weights(root, manifest);
    read_vectors(root, manifest);
}
