#include "runtime/safetensors.h"

#include "runtime/file_map.h"
#include "runtime/float_formats.h"
#include "runtime/json_node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER_BYTES ((uint64_t)100 << 20) // the format's own limit
#define MAX_INDEX_BYTES ((size_t)64 << 20)
#define MAX_FILE_BYTES ((size_t)1 << 46)

static const struct {
    const char *tag, *name; // in the file; in messages
    size_t bytes;
} dtypes[TENSOR_DTYPE_COUNT] = {
    [TENSOR_BOOL] = {"BOOL", "bool", 1},
    [TENSOR_U8] = {"U8", "u8", 1},
    [TENSOR_I8] = {"I8", "i8", 1},
    [TENSOR_F8_E4M3] = {"F8_E4M3", "f8_e4m3", 1},
    [TENSOR_F8_E5M2] = {"F8_E5M2", "f8_e5m2", 1},
    [TENSOR_U16] = {"U16", "u16", 2},
    [TENSOR_I16] = {"I16", "i16", 2},
    [TENSOR_F16] = {"F16", "fp16", 2},
    [TENSOR_BF16] = {"BF16", "bf16", 2},
    [TENSOR_U32] = {"U32", "u32", 4},
    [TENSOR_I32] = {"I32", "i32", 4},
    [TENSOR_F32] = {"F32", "fp32", 4},
    [TENSOR_U64] = {"U64", "u64", 8},
    [TENSOR_I64] = {"I64", "i64", 8},
    [TENSOR_F64] = {"F64", "fp64", 8},
};

// One mapped file; its header stays parsed because it owns the names of the tensors.
struct shard {
    char *path;
    struct file_map map;
    struct json_document header;
    struct tensor *tensors; // [count], owned by header
    size_t count;
};

struct safetensors {
    char *path;
    struct shard *shards; // [shard_count]
    size_t shard_count;
    const struct tensor **tensors; // [count], by name
    size_t count;
};

static int compare_names(const void *left, const void *right) {
    const struct tensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static int compare_data(const void *left, const void *right) {
    const struct tensor *a = left, *b = right;
    if (a->data != b->data)
        return a->data < b->data ? -1 : 1;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes; // empty tensors first
}

// Fills *tensor from the header's entry; data [data_bytes] is what follows the header.
static void read_tensor(const struct json_node *node, const unsigned char *data, size_t data_bytes,
                        struct tensor *tensor) {
    const char *tag = json_field_string(node, "dtype");
    struct json_node shape = json_node_field(node, "shape");
    struct json_node offsets = json_node_field(node, "data_offsets");
    tensor->rank = json_node_count(&shape);
    if (json_node_count(&offsets) != 2)
        json_node_fail(&offsets, "must be two numbers");
    if (tensor->rank > TENSOR_MAX_RANK)
        json_node_fail(&shape, "has %zu dimensions, at most %d are allowed", tensor->rank,
                       TENSOR_MAX_RANK);
    if (node->document->failed)
        return;
    int dtype = 0;
    while (dtype < TENSOR_DTYPE_COUNT && strcmp(dtypes[dtype].tag, tag) != 0)
        dtype++;
    if (dtype == TENSOR_DTYPE_COUNT) {
        json_node_fail(node, "dtype \"%s\" is unknown", tag);
        return;
    }
    tensor->dtype = (enum tensor_dtype)dtype;
    tensor->elements = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        struct json_node item = json_node_item(&shape, i);
        tensor->shape[i] = json_node_integer(&item, 0, INT64_MAX);
        if (__builtin_mul_overflow(tensor->elements, tensor->shape[i], &tensor->elements))
            json_node_fail(&shape, "has too many elements");
    }
    struct json_node first = json_node_item(&offsets, 0), last = json_node_item(&offsets, 1);
    size_t begin = json_node_integer(&first, 0, data_bytes);
    size_t end = json_node_integer(&last, begin, data_bytes), needed = 0;
    if (__builtin_mul_overflow(tensor->elements, dtypes[dtype].bytes, &needed) ||
        (!node->document->failed && needed != end - begin))
        json_node_fail(node, "offsets %zu to %zu hold %zu bytes, shape and dtype need %zu", begin,
                       end, end - begin, needed);
    tensor->data = data + begin;
    tensor->bytes = end - begin;
}

// The data of a file's tensors must follow each other without overlap or gap, to the end.
static void check_data(const struct json_node *root, struct shard *shard, const unsigned char *data,
                       const unsigned char *end) {
    if (root->document->failed)
        return;
    if (shard->count)
        qsort(shard->tensors, shard->count, sizeof *shard->tensors, compare_data);
    const unsigned char *expected = data;
    for (size_t i = 0; i < shard->count; i++) {
        const struct tensor *tensor = &shard->tensors[i];
        if (tensor->data != expected)
            json_node_fail(root, "the data of \"%s\" starts at %td, %s at %td", tensor->name,
                           tensor->data - data,
                           tensor->data < expected ? "inside what ends" : "after a gap that starts",
                           expected - data);
        expected = tensor->data + tensor->bytes;
    }
    if (expected != end)
        json_node_fail(root, "%td bytes of data belong to no tensor", end - expected);
}

static bool shard_open(struct shard *shard, const char *folder, const char *name,
                       struct monogen_error *error) {
    shard->path = folder ? file_path(folder, name, error) : strdup(name);
    if (!shard->path)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    if (!file_map_open(&shard->map, shard->path, MAX_FILE_BYTES, error))
        return false;
    uint64_t header_bytes = 0;
    size_t length = shard->map.length;
    for (size_t i = 0; length >= 8 && i < 8; i++)
        header_bytes |= (uint64_t)shard->map.bytes[i] << (8 * i);
    if (length < 8 || header_bytes > length - 8 || header_bytes > MAX_HEADER_BYTES)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: not a safetensors file: %zu bytes, header of %" PRIu64,
                            shard->path, length, header_bytes);
    const unsigned char *header = shard->map.bytes + 8, *data = header + header_bytes;
    if (!json_document_open(&shard->header, shard->path, header, (size_t)header_bytes, error))
        return false;

    struct json_node root = json_document_root(&shard->header);
    size_t entries = json_object_size(root.json);
    shard->tensors = json_document_array(&shard->header, entries, sizeof *shard->tensors);
    const char *key;
    json_t *value;
    json_object_foreach(root.json, key, value) {
        if (!shard->tensors || strcmp(key, "__metadata__") == 0)
            continue;
        struct json_node node = json_node_field(&root, key);
        struct tensor *tensor = &shard->tensors[shard->count++];
        tensor->name = key;
        read_tensor(&node, data, length - 8 - (size_t)header_bytes, tensor);
    }
    check_data(&root, shard, data, shard->map.bytes + length);
    shard->header.error = NULL; // the caller's, which may not outlive this call
    return !shard->header.failed;
}

static bool collect_tensors(struct safetensors *tensors, struct monogen_error *error) {
    size_t count = 0;
    for (size_t i = 0; i < tensors->shard_count; i++)
        count += tensors->shards[i].count;
    tensors->tensors = calloc(count ? count : 1, sizeof *tensors->tensors);
    if (!tensors->tensors)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    for (size_t i = 0; i < tensors->shard_count; i++)
        for (size_t j = 0; j < tensors->shards[i].count; j++)
            tensors->tensors[tensors->count++] = &tensors->shards[i].tensors[j];
    qsort(tensors->tensors, tensors->count, sizeof *tensors->tensors, compare_names);
    for (size_t i = 1; i < tensors->count; i++)
        if (strcmp(tensors->tensors[i - 1]->name, tensors->tensors[i]->name) == 0)
            return monogen_fail(error, MONOGEN_BAD_INPUT, "%s: tensor \"%s\" is in two files",
                                tensors->path, tensors->tensors[i]->name);
    return true;
}

static bool add_shard(struct safetensors *tensors, const char *folder, const char *name,
                      struct monogen_error *error) {
    return shard_open(&tensors->shards[tensors->shard_count++], folder, name, error);
}

static struct safetensors *open_empty(const char *path, size_t shard_capacity,
                                      struct monogen_error *error) {
    struct safetensors *tensors = calloc(1, sizeof *tensors);
    if (tensors) {
        tensors->path = strdup(path);
        tensors->shards = calloc(shard_capacity ? shard_capacity : 1, sizeof *tensors->shards);
    }
    if (!tensors || !tensors->path || !tensors->shards) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        safetensors_close(tensors);
        return NULL;
    }
    return tensors;
}

struct safetensors *safetensors_open(const char *path, struct monogen_error *error) {
    struct safetensors *tensors = open_empty(path, 1, error);
    if (tensors && (!add_shard(tensors, NULL, path, error) || !collect_tensors(tensors, error))) {
        safetensors_close(tensors);
        return NULL;
    }
    return tensors;
}

static int compare_strings(const void *left, const void *right) {
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

// Opens each file that the index names, once, and checks that the tensors are where it says.
static struct safetensors *open_indexed(const char *folder, struct json_document *index,
                                        struct monogen_error *error) {
    struct json_node root = json_document_root(index);
    struct json_node map = json_node_field(&root, "weight_map");
    if (!index->failed && !json_is_object(map.json))
        json_node_fail(&map, "must be an object");
    size_t entries = json_object_size(map.json), count = 0;
    const char **files = json_document_array(index, entries, sizeof *files);
    const char *key;
    json_t *value;
    json_object_foreach(map.json, key, value) {
        const char *file = json_field_string(&map, key);
        if (!file_name_is_plain(file))
            json_node_fail(&map, "\"%s\" is no plain file name", file);
        if (files)
            files[count++] = file;
    }
    if (index->failed)
        return NULL;
    if (count)
        qsort(files, count, sizeof *files, compare_strings);
    struct safetensors *tensors = open_empty(folder, count, error);
    bool opened = tensors != NULL;
    for (size_t i = 0; opened && i < count; i++)
        if (i == 0 || strcmp(files[i - 1], files[i]) != 0)
            opened = add_shard(tensors, folder, files[i], error);
    opened = opened && collect_tensors(tensors, error);
    json_object_foreach(map.json, key, value) {
        if (opened && !safetensors_find(tensors, key)) {
            json_node_fail(&map, "tensor \"%s\" is not in %s", key, json_string_value(value));
            opened = false;
        }
    }
    if (!opened) {
        safetensors_close(tensors);
        return NULL;
    }
    return tensors;
}

struct safetensors *safetensors_open_checkpoint(const char *folder, struct monogen_error *error) {
    char *single = file_path(folder, "model.safetensors", error);
    char *index_path = file_path(folder, "model.safetensors.index.json", error);
    struct safetensors *tensors = NULL;
    struct file_map map = {0};
    struct json_document index = {0};
    if (!single || !index_path)
        goto done;
    if (file_is_there(single) || !file_is_there(index_path)) {
        tensors = safetensors_open(single, error);
        goto done;
    }
    if (file_map_open(&map, index_path, MAX_INDEX_BYTES, error) &&
        json_document_open(&index, index_path, map.bytes, map.length, error))
        tensors = open_indexed(folder, &index, error);
done:
    json_document_close(&index);
    file_map_close(&map);
    free(index_path);
    free(single);
    return tensors;
}

void safetensors_close(struct safetensors *tensors) {
    if (!tensors)
        return;
    for (size_t i = 0; i < tensors->shard_count; i++) {
        json_document_close(&tensors->shards[i].header);
        file_map_close(&tensors->shards[i].map);
        free(tensors->shards[i].path);
    }
    free(tensors->shards);
    free(tensors->tensors);
    free(tensors->path);
    free(tensors);
}

const char *safetensors_path(const struct safetensors *tensors) { return tensors->path; }

size_t safetensors_count(const struct safetensors *tensors) { return tensors->count; }

const struct tensor *safetensors_at(const struct safetensors *tensors, size_t i) {
    return tensors->tensors[i];
}

const struct tensor *safetensors_find(const struct safetensors *tensors, const char *name) {
    struct tensor wanted = {.name = name};
    const struct tensor *key = &wanted;
    const struct tensor **found =
        bsearch(&key, tensors->tensors, tensors->count, sizeof *tensors->tensors, compare_names);
    return found ? *found : NULL;
}

// Edit distance (insert, delete, replace) of two names, long ones cut; row by row.
static size_t name_distance(const char *a, const char *b) {
    enum { LONGEST = 200 };
    size_t rows = strnlen(a, LONGEST), columns = strnlen(b, LONGEST);
    size_t distance[LONGEST + 1];
    for (size_t j = 0; j <= columns; j++)
        distance[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t diagonal = distance[0];
        distance[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = distance[j];
            size_t shifted = (diagonal < distance[j - 1] ? diagonal : distance[j - 1]) + 1;
            distance[j] = replaced < shifted ? replaced : shifted;
        }
    }
    return distance[columns];
}

const struct tensor *safetensors_need(const struct safetensors *tensors, const char *name,
                                      struct monogen_error *error) {
    const struct tensor *found = safetensors_find(tensors, name);
    if (found)
        return found;
    const char *nearest = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < tensors->count; i++) {
        size_t distance = name_distance(name, tensors->tensors[i]->name);
        if (distance < least) {
            least = distance;
            nearest = tensors->tensors[i]->name;
        }
    }
    monogen_fail(error, MONOGEN_BAD_INPUT, "%s: there is no tensor \"%s\"%s%s%s", tensors->path,
                 name, nearest ? "\n  note: the nearest is \"" : "", nearest ? nearest : "",
                 nearest ? "\"" : "");
    return NULL;
}

size_t tensor_dtype_bytes(enum tensor_dtype dtype) { return dtypes[dtype].bytes; }

const char *tensor_dtype_name(enum tensor_dtype dtype) { return dtypes[dtype].name; }

void tensor_describe(const struct tensor *tensor, char *text, size_t bytes) {
    char shape[TENSOR_MAX_RANK * 22 + 1] = "";
    size_t length = 0;
    for (size_t i = 0; i < tensor->rank; i++) {
        int written =
            snprintf(shape + length, sizeof shape - length, "[%" PRIu64 "]", tensor->shape[i]);
        length += written > 0 ? (size_t)written : 0;
    }
    snprintf(text, bytes, "%s %s", shape, tensor_dtype_name(tensor->dtype));
}

bool tensor_read_f32(const struct tensor *tensor, uint64_t first, size_t count, float *values) {
    if (tensor->dtype == TENSOR_F32) {
        memcpy(values, tensor->data + first * sizeof(float), count * sizeof(float));
        return true;
    }
    if (tensor->dtype != TENSOR_BF16 && tensor->dtype != TENSOR_F16)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, tensor->data + (first + i) * sizeof bits, sizeof bits);
        values[i] = tensor->dtype == TENSOR_BF16 ? f32_from_bf16(bits) : f32_from_f16(bits);
    }
    return true;
}
