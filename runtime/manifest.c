// Reads 7-manifest.json as hostile input: docs/manifest.md gives the rules that are checked here.
#include "runtime/manifest.h"

#include "runtime/file_map.h"
#include "runtime/json_node.h"
#include "runtime/kernel_arguments.h"
#include "runtime/kernel_trace.h"
#include "runtime/manifest_packing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_MAX_FILE_BYTES ((size_t)64 << 20)
#define MAX_VECTOR_BYTES ((uint64_t)1 << 28)  // each of their floats is marked
#define MAX_LAUNCH_EPOCHS ((uint64_t)1 << 31) // so that one launch never meets an epoch twice

struct manifest_file {
    struct manifest manifest; // first: manifest_close gets its address
    struct json_document document;
};

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

static void read_chip(const struct json_node *target, struct manifest_chip *chip) {
    struct json_node node = json_node_optional(target, "chip");
    if (!node.json)
        return;
    struct json_node array = json_node_field(&node, "iod_of_xcd");
    const size_t xcds = json_node_count(&array);
    uint32_t *iods = json_document_array(array.document, xcds, sizeof *iods);
    if (!iods || xcds == 0 || xcds > MANIFEST_MAX_XCDS) {
        json_node_fail(&node, "iod_of_xcd has %zu XCDs, must have 1 to %d", xcds,
                       MANIFEST_MAX_XCDS);
        return;
    }
    for (size_t i = 0; i < xcds; i++) {
        struct json_node item = json_node_item(&array, i);
        iods[i] = (uint32_t)json_node_integer(&item, 0, MANIFEST_MAX_XCDS - 1);
    }
    const struct {
        const char *name;
        uint32_t *value;
        uint64_t least, most;
    } numbers[] = {{"cus_per_xcd", &chip->cus_per_xcd, 1, MANIFEST_MAX_CUS},
                   {"simds_per_cu", &chip->simds_per_cu, 1, 64},
                   {"waves_per_simd", &chip->waves_per_simd, 1, 128},
                   {"registers_per_lane", &chip->registers_per_lane, 1, 65536},
                   {"register_granule", &chip->register_granule, 1, 1024},
                   {"lds_bytes", &chip->lds_bytes, 1, 1 << 26},
                   {"cache_line_bytes", &chip->cache_line_bytes, 16, 4096},
                   {"l1_bytes", &chip->l1_bytes, 1, 1 << 26},
                   {"l1_ways", &chip->l1_ways, 1, 4096},
                   {"l2_bytes", &chip->l2_bytes, 1, 1 << 30},
                   {"l2_ways", &chip->l2_ways, 1, 4096},
                   {"clock_mhz", &chip->clock_mhz, 1, 100000},
                   {"realtime_mhz", &chip->realtime_mhz, 1, 100000},
                   {"handoff_ns", &chip->handoff_ns, 1, 1000000000}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i].value =
            (uint32_t)json_field_integer(&node, numbers[i].name, numbers[i].least, numbers[i].most);
    chip->iod_of_xcd = iods;
    chip->xcds = (uint32_t)xcds;
}

static void read_target(const struct json_node *root, struct manifest_target *target) {
    struct json_node node = json_node_field(root, "target");
    target->name = json_field_string(&node, "name");
    target->backend = json_field_string(&node, "backend");
    target->isa = json_field_string(&node, "isa");
    target->cus = (uint32_t)json_field_integer(&node, "cus", 1, MANIFEST_MAX_CUS);
    target->xcds = (uint32_t)json_field_integer(&node, "xcds", 1, MANIFEST_MAX_XCDS);
    read_chip(&node, &target->chip);
}

// A kernel that does not trace has none.
static void read_trace(const struct json_node *root, struct manifest_trace *trace) {
    struct json_node node = json_node_optional(root, "trace");
    if (!node.json)
        return;
    trace->logs = (uint32_t)json_field_integer(&node, "logs", 1, 2);
    trace->records = (uint32_t)json_field_integer(&node, "records", 1, KERNEL_TRACE_MOST_RECORDS);
}

// Lays the arguments out in order, each at its natural alignment.
static void read_arguments(const struct json_node *kernel_node, bool traces,
                           struct manifest_kernel *kernel) {
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
        if (argument == ARGUMENT_COUNT || (argument == ARGUMENT_trace && !traces))
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
    seen[ARGUMENT_trace] |= !traces;
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
    if (json_node_optional(&node, "listing").json) {
        kernel->listing = json_field_string(&node, "listing");
        if (!file_name_is_plain(kernel->listing))
            json_node_fail(&node, "listing \"%s\" is no plain file name", kernel->listing);
    }
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
    read_arguments(&node, manifest->trace.records > 0, kernel);
}

static void read_memory(const struct json_node *root, struct manifest_memory *memory) {
    struct json_node node = json_node_field(root, "memory");
    memory->weights_bytes =
        json_field_integer(&node, "weights_bytes", 0, MANIFEST_MAX_MEMORY_BYTES);
    memory->vectors_bytes = json_field_integer(&node, "vectors_bytes", 0, MAX_VECTOR_BYTES);
    memory->kv_bytes = json_field_integer(&node, "kv_bytes", 0, MANIFEST_MAX_MEMORY_BYTES);
    memory->mailbox_pairs = json_field_integer(&node, "mailbox_pairs", 0, UINT32_MAX);
}

static void read_kv(const struct json_node *root, struct manifest *manifest) {
    enum { MAX_SPLITS = 64 };
    struct manifest_kv *kv = &manifest->kv;
    struct json_node node = json_node_field(root, "kv");
    kv->dtype = manifest_read_dtype(&node);
    if (kv->dtype == WEIGHT_F16)
        json_node_fail(&node, "a KV cache is bf16 or fp32, not fp16");
    kv->row_elements = (uint32_t)json_field_integer(&node, "row_elements", 1, MANIFEST_MAX_COLUMNS);
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
        pairs > MANIFEST_MAX_MEMORY_BYTES / 8 || *end > MANIFEST_MAX_MEMORY_BYTES - pairs * 8)
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
    read_trace(&root, &manifest->trace);
    read_kernel(&root, manifest);
    read_memory(&root, &manifest->memory);
    read_kv(&root, manifest);
    read_ropes(&root, manifest);
    manifest_read_packing(&root, manifest);
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

size_t manifest_trace_records(const struct manifest *manifest) {
    return (size_t)manifest->target.cus * manifest->trace.logs * manifest->trace.records;
}
