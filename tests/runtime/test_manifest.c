#include "runtime/kernel_arguments.h"
#include "runtime/manifest.h"
#include "tests/support/kernel_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct manifest *open_good(struct kernel_folder *folder) {
    kernel_folder_write_manifest(folder);
    struct manifest *manifest = manifest_open(folder->path, &folder->error);
    if (!manifest)
        fail_msg("%s", folder->error.message);
    return manifest;
}

static void expect_refused(struct kernel_folder *folder, const char *part) {
    kernel_folder_write_manifest(folder);
    struct manifest *manifest = manifest_open(folder->path, &folder->error);
    if (manifest) {
        manifest_close(manifest);
        fail_msg("accepted, expected \"%s\"", part);
    }
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, part);
}

static void a_manifest_is_read(void **state) {
    struct manifest *m = open_good(*state);
    assert_string_equal(m->generator, "a test");
    assert_string_equal(m->plan, "abc");
    assert_string_equal(m->model.name, "fake");
    assert_int_equal(m->model.vocab, 2048);
    assert_int_equal(m->model.context, 64);
    assert_int_equal(m->model.layers, 1);
    assert_int_equal(m->model.bos_count, 1);
    assert_int_equal(m->model.bos[0], 0);
    assert_true(manifest_is_stop_token(m, 1));
    assert_false(manifest_is_stop_token(m, 0));
    assert_string_equal(m->target.name, "host");
    assert_string_equal(m->target.backend, "host");
    assert_string_equal(m->target.isa, "native");
    assert_int_equal(m->target.cus, 3);
    assert_int_equal(m->target.xcds, 1);
    assert_string_equal(m->kernel.object, "fake_kernel.so");
    assert_string_equal(m->kernel.symbol, "fake_echo");
    assert_int_equal(m->kernel.workgroups, 4);
    assert_int_equal(m->kernel.threads_per_workgroup, 1);
    assert_int_equal(m->kernel.epochs_per_step, 5);
    assert_int_equal(m->memory.weights_bytes, 4416);
    assert_int_equal(m->memory.vectors_bytes, 224);
    assert_int_equal(m->memory.kv_bytes, 256);
    assert_int_equal(m->memory.mailbox_pairs, 32);
    assert_int_equal(m->kv.dtype, WEIGHT_F32);
    assert_int_equal(m->kv.head_dim, 1);
    assert_int_equal(m->kv.row_elements, 1);
    assert_int_equal(m->kv.splits, 1);
    assert_int_equal(m->kv.arrays, 1);
    assert_int_equal(m->rope_count, 2);
    assert_int_equal(m->ropes[0].rows, 64);
    assert_int_equal(m->ropes[0].offset, 0);
    assert_int_equal(m->ropes[0].pair_count, 2);
    assert_true(m->ropes[0].inverse_frequencies[1] == 0.01);
    assert_int_equal(m->ropes[1].rows, 65);
    assert_int_equal(m->ropes[1].offset, 64 * 2 * 8); // behind the first table
    assert_int_equal(m->ropes[1].pair_count, 1);
    assert_true(m->ropes[1].amplitude == 2);
    assert_int_equal(m->weight_dtype, WEIGHT_BF16);
    assert_int_equal(m->region_count, 3);
    const struct manifest_stage *stage = &m->regions[0].stages[1];
    assert_int_equal(m->regions[0].stage_count, 2);
    assert_string_equal(stage->name, "gate_up");
    assert_int_equal(stage->step, 2);
    assert_int_equal(stage->layer, 0);
    assert_int_equal(stage->partition->first_tile[3], 5);
    assert_int_equal(stage->part_count, 2);
    assert_string_equal(stage->parts[1].tensor, "gate_up");
    assert_int_equal(stage->parts[1].tensor_rows, 30);
    assert_int_equal(stage->parts[1].tensor_first, 15);
    assert_int_equal(stage->parts[1].rows, 15);
    assert_int_equal(stage->parts[1].first, 1);
    assert_int_equal(stage->parts[1].stride, 2);
    assert_int_equal(manifest_padded_columns(&m->regions[0].stages[0]), 12);
    assert_int_equal(m->regions[2].layout, REGION_ROWS);
    assert_string_equal(m->regions[2].tensor, "embedding");
    assert_int_equal(m->vectors[1].offset, 48);
    assert_int_equal(m->vectors[1].holds, VECTOR_NORM);
    assert_int_equal(m->vectors[1].stride, 1);
    assert_true(m->vectors[1].add == 1.0);
    assert_int_equal(m->vector_count, 4);
    assert_int_equal(m->vectors[3].holds, VECTOR_BIAS);
    assert_int_equal(m->vectors[3].offset, 96);
    assert_int_equal(m->vectors[3].tensor_elements, 30);
    assert_int_equal(m->vectors[3].tensor_first, 15);
    assert_int_equal(m->vectors[3].elements, 15);
    assert_int_equal(m->vectors[3].first, 1);
    assert_int_equal(m->vectors[3].stride, 2);
    assert_int_equal(m->step_count, 4);
    assert_int_equal(m->steps[0].layer, -1);
    assert_int_equal(m->mailboxes[1].first_pair, 16);
    manifest_close(m);
}

// The block must be what a C compiler makes of the arguments as a struct.
static void arguments_are_laid_out_as_in_c(void **state) {
#define FIELD_4 uint32_t
#define FIELD_8 uint64_t
    struct {
#define KERNEL_ARGUMENT(type, name, bytes) FIELD_##bytes name;
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
    } block;
    struct manifest *m = open_good(*state);
    assert_int_equal(m->kernel.argument_block_bytes, sizeof block);
    uint64_t values[ARGUMENT_COUNT];
    for (unsigned i = 0; i < ARGUMENT_COUNT; i++)
        values[i] = 1000 + i;
    kernel_arguments_write(&m->kernel, values, &block);
#define KERNEL_ARGUMENT(type, name, bytes) assert_int_equal(block.name, 1000 + ARGUMENT_##name);
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
    manifest_close(m);
}

static void arguments_are_aligned_in_their_order(void **state) {
    struct kernel_folder *folder = *state;
    json_t *arguments = kernel_folder_at(folder, "kernel.arguments");
    json_t *last = json_incref(json_array_get(arguments, json_array_size(arguments) - 1));
    json_array_remove(arguments, json_array_size(arguments) - 1);
    json_array_insert_new(arguments, 0, last); // 4 bytes before all those of 8
    struct manifest *m = open_good(folder);
    assert_string_equal(m->kernel.arguments[0].name, "export_logits");
    assert_int_equal(m->kernel.arguments[0].offset, 0);
    assert_int_equal(m->kernel.arguments[1].offset, 8);
    assert_int_equal(m->kernel.argument_block_bytes % 8, 0);
    manifest_close(m);
}

// Calls `edit` for each key of each object, at every depth, in the first element of each array.
// The tree is as before between the calls.
static void for_each_key(struct kernel_folder *folder, json_t *node,
                         void (*edit)(struct kernel_folder *folder, json_t *object,
                                      const char *key)) {
    if (json_is_array(node) && json_array_size(node))
        for_each_key(folder, json_array_get(node, 0), edit);
    if (!json_is_object(node))
        return;
    json_t *keys = json_array();
    const char *key;
    json_t *value;
    json_object_foreach(node, key, value) json_array_append_new(keys, json_string(key));
    for (size_t i = 0; i < json_array_size(keys); i++) {
        key = json_string_value(json_array_get(keys, i));
        for_each_key(folder, json_object_get(node, key), edit);
        value = json_incref(json_object_get(node, key));
        edit(folder, node, key);
        json_object_set_new(node, key, value);
    }
    json_decref(keys);
}

static void expect_missing(struct kernel_folder *folder, json_t *object, const char *key) {
    char expected[96];
    snprintf(expected, sizeof expected, "%s: is missing", key);
    json_object_del(object, key);
    expect_refused(folder, expected);
}

static void every_missing_key_is_named(void **state) {
    struct kernel_folder *folder = *state;
    for_each_key(folder, folder->manifest, expect_missing);
}

static void expect_wrong_type(struct kernel_folder *folder, json_t *object, const char *key) {
    json_object_set_new(object, key, json_true());
    expect_refused(folder, key);
}

static void every_wrong_type_is_named(void **state) {
    struct kernel_folder *folder = *state;
    for_each_key(folder, folder->manifest, expect_wrong_type);
}

static void values_that_break_a_rule_are_refused(void **state) {
    struct kernel_folder *folder = *state;
    static const struct {
        const char *path, *json, *message;
    } cases[] = {
        {"format", "1", "format: this runtime reads format 2"},
        {"format", "3", "format: this runtime reads format 2"},
        {"model.vocab", "0", "model.vocab: is 0, must be 1"},
        {"model.vocab", "-1", "model.vocab: must be an integer"},
        {"model.vocab", "1.5", "model.vocab: must be an integer"},
        {"model.vocab", "4294967296", "model.vocab: is 4294967296"},
        {"model.eos", "[2048]", "model.eos[0]: is 2048"},
        {"model.context", "2147483647", "overflow"},
        {"target.cus", "4097", "target.cus"},
        {"target.cus", "2", "partitions[0].first_tile: must have 3 boundaries"},
        {"target.xcds", "33", "target.xcds"},
        {"kernel.object", "\"../x.so\"", "no plain file name"},
        {"kernel.object", "\"..\"", "no plain file name"},
        {"kernel.object", "\"\"", "no plain file name"},
        {"kernel.workgroups", "2", "kernel.workgroups: is 2, must be 3"},
        {"kernel.threads_per_workgroup", "1025", "kernel.threads_per_workgroup"},
        {"kernel.epochs_per_step", "0", "kernel.epochs_per_step"},
        {"kernel.arguments[0].name", "\"wights\"", "no kernel argument \"wights\""},
        {"kernel.arguments[1].name", "\"weights\"", "\"weights\" is there twice"},
        {"kernel.arguments[0].bytes", "4", "has 4 bytes, this runtime passes 8"},
        {"kernel.arguments[0].bytes", "6", "has 6 bytes, this runtime passes 8"},
        {"memory.weights_bytes", "4415", "1536 bytes at 2880 are outside the 4415 weights_bytes"},
        {"memory.weights_bytes", "9223372036854775807", "memory.weights_bytes"},
        {"memory.weights_bytes", "99999999999999999999", "too big integer"},
        {"memory.vectors_bytes", "214",
         "vectors[3]: element 14 goes to float 53, vectors_bytes hold 53"},
        {"memory.mailbox_pairs", "31", "mailboxes[1].pairs: is 16, must be 0 to 15"},
        {"kv.dtype", "\"q8\"", "dtype \"q8\""},
        {"kv.dtype", "\"fp16\"", "bf16 or fp32"},
        {"kv.row_elements", "0", "kv.row_elements"},
        {"kv.row_elements", "3", "256 bytes are no multiple of 64 rows of 3 fp32"},
        {"kv.head_dim", "2", "kv.head_dim: is 2, must be 1 to 1"},
        {"kv.split_positions", "63", "1 splits of 63 positions do not hold a context of 64"},
        {"kv.splits", "0", "kv.splits: is 0, must be 1 to 64"},
        {"memory.vectors_bytes", "70368744177664", "memory.vectors_bytes: is 70368744177664"},
        {"ropes[1].rows", "63", "ropes[1].rows: is 63, must be 64"},
        {"ropes[0].amplitude", "\"1\"", "ropes[0].amplitude: must be a finite number"},
        {"ropes[1].inverse_frequencies", "[]", "ropes[1]: a table of 65 rows of 0 pairs is empty"},
        {"partitions[0].first_tile", "[1, 2, 3, 4]", "first_tile[0]: is 1, must be 0 to 0"},
        {"partitions[0].first_tile", "[0, 3, 2, 4]", "first_tile[2]: is 2, must be 3"},
        {"partitions[0].first_tile", "[0, 1, 2, 3]", "has 4 tiles, its partition \"even\" 3"},
        {"weights.dtype", "\"q4\"", "dtype \"q4\""},
        {"weights.dtype", "\"f32\"", "dtype \"f32\" is none of bf16, fp16 and fp32"},
        {"weights.dtype", "\"fp32\"", "\"layers\" has 1344 bytes, its layout needs 2688"},
        {"weights.unit_order", "\"columns\"", "neither \"rows\" nor \"fragments\""},
        {"weights.unit_order", "\"fragments\"", "units of 4 x 4 are no fragments of 16 rows"},
        {"weights.regions[0].layout", "\"columns\"", "layout \"columns\""},
        {"weights.regions[0].bytes", "1345", "has 1345 bytes, its layout needs 1344"},
        {"weights.regions[1].offset", "1328", "ends at 1344, in element 1, which starts at 1328"},
        {"weights.regions[1].offset", "1345", "no multiple of 16"},
        {"weights.regions[1].offset", "70368744177664", "outside the 4416 weights_bytes"},
        {"weights.regions[2].rows", "65", "its layout needs 1560"},
        {"weights.regions[0].stages[0].partition", "\"odd\"", "no partition \"odd\""},
        {"weights.regions[0].stages[0].tiles", "16777217", "stages[0].tiles: is 16777217"},
        {"weights.regions[0].stages[0].tile_rows", "4097", "stages[0].tile_rows: is 4097"},
        {"weights.regions[0].stages[0].tile_rows", "0", "stages[0].tile_rows: is 0"},
        {"weights.regions[0].stages[0].unit_columns", "0", "unit_columns: is 0"},
        {"weights.regions[0].stages[0].columns", "268435457", "columns: is 268435457"},
        {"weights.regions[0].stages[0].parts[0].tensor_rows", "7",
         "parts[0]: rows 0 to 7 of a tensor of 7 rows"},
        {"weights.regions[0].stages[0].parts[0].tensor_rows", "0", "tensor_rows: is 0"},
        {"weights.regions[0].stages[1].parts[1].tensor_first", "16",
         "parts[1]: rows 16 to 30 of a tensor of 30 rows"},
        {"weights.regions[0].stages[1].parts[1].tensor_first", "-1",
         "tensor_first: must be an integer"},
        {"weights.regions[0].stages[0].parts[1].first", "7", "packed row 7 is filled twice"},
        {"weights.regions[0].stages[0].parts[2].first", "15", "leave the 16 packed rows"},
        {"weights.regions[0].stages[0].parts[2].first", "16", "leave the 16 packed rows"},
        {"weights.regions[0].stages[0].parts[2].stride", "4", "leave the 16 packed rows"},
        {"weights.regions[0].stages[0].parts[2].stride", "16777216", "leave the 16 packed rows"},
        {"weights.regions[0].stages[0].parts[2].tensor_rows", "4294967296", "tensor_rows: is 4294"},
        {"vectors[1].offset", "32", "vectors[1]: float 8 of the vectors is filled twice"},
        {"vectors[3].first", "0", "vectors[3]: float 24 of the vectors is filled twice"},
        {"vectors[2].stride", "1", "vectors[3]: float 25 of the vectors is filled twice"},
        {"vectors[3].stride", "0", "vectors[3].stride: is 0"},
        {"vectors[3].tensor_first", "16", "elements 16 to 30 of a tensor of 30"},
        {"vectors[0].tensor_elements", "9", "elements 0 to 9 of a tensor of 9"},
        {"vectors[0].holds", "\"scale\"", "holds \"scale\", neither \"norm\" nor \"bias\""},
        {"vectors[1].offset", "50", "no multiple of 16"},
        {"vectors[0].elements", "0", "vectors[0].elements"},
        {"trace", "{\"logs\": 1, \"records\": 5}", "\"trace\" is missing"},
        {"trace", "{\"logs\": 0, \"records\": 5}", "trace.logs: is 0, must be 1 to 2"},
        {"trace", "{\"logs\": 2, \"records\": 65537}", "trace.records: is 65537"},
        {"trace", "{\"logs\": 2}", "trace.records: is missing"},
        {"kernel.arguments[0].name", "\"trace\"", "no kernel argument \"trace\""},
        {"steps[0].layer", "-2", "steps[0].layer: must be an integer of -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *good = json_deep_copy(folder->manifest);
        kernel_folder_set(folder, cases[i].path, cases[i].json[0] == '9' ? "0" : cases[i].json);
        if (cases[i].json[0] == '9') { // beyond what a tree can hold: edited as text
            char *text = json_dumps(folder->manifest, 0);
            char *edited = NULL;
            const char *key = strrchr(cases[i].path, '.') + 1;
            char *at = strstr(text, key) + strlen(key) + 3;
            assert_true(
                asprintf(&edited, "%.*s%s%s", (int)(at - text), text, cases[i].json, at + 1) > 0);
            kernel_folder_write(folder, MANIFEST_FILE_NAME, edited, strlen(edited));
            assert_null(manifest_open(folder->path, &folder->error));
            kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, cases[i].message);
            free(edited);
            free(text);
        } else {
            expect_refused(folder, cases[i].message);
        }
        json_decref(folder->manifest);
        folder->manifest = good;
    }
}

// Every packed row is looked at: a short file must not ask for hours of that.
static void too_many_rows_are_refused(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set(folder, "partitions[0].first_tile", "[0, 4096, 4096, 4096]");
    json_t *stage = kernel_folder_at(folder, "weights.regions[0].stages[0]");
    json_object_set_new(stage, "tiles", json_integer(4096));
    json_object_set_new(stage, "tile_rows", json_integer(4096));
    json_object_set_new(stage, "parts", json_array());
    json_t *stages = json_array();
    for (int i = 0; i < 17; i++)
        json_array_append(stages, stage);
    json_object_set_new(kernel_folder_at(folder, "weights.regions[0]"), "stages", stages);
    expect_refused(folder, "stages[16]: the stages up to this one have 285212672 rows, too many");
}

static void a_model_without_rotary_embedding_is_read(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set(folder, "ropes", "[]");
    struct manifest *m = open_good(folder);
    assert_int_equal(m->rope_count, 0);
    manifest_close(m);
}

static void a_trace_is_read(void **state) {
    struct kernel_folder *folder = *state;
    struct manifest *m = open_good(folder);
    assert_int_equal(manifest_trace_records(m), 0);
    manifest_close(m);
    kernel_folder_set(folder, "trace", "{\"logs\": 2, \"records\": 100}");
    json_array_append_new(kernel_folder_at(folder, "kernel.arguments"),
                          json_pack("{s:s,s:i}", "name", "trace", "bytes", 8));
    m = open_good(folder);
    assert_int_equal(manifest_trace_records(m), 3 * 2 * 100);
    manifest_close(m);
}

static void unknown_keys_are_ignored(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set(folder, "kernel.registers", "112");
    manifest_close(open_good(folder));
}

static void files_that_are_no_manifest_are_refused(void **state) {
    struct kernel_folder *folder = *state;
    assert_null(manifest_open(folder->path, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "No such file");
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "7-manifest.json:1:"},
        {"[]", "must be an object"},
        {"{", "7-manifest.json:1:"},
        {"{\"format\": 2, \"format\": 2}", "duplicate object key"},
        {"{\"plan\": \"a\\u0000b\"}", "NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kernel_folder_write(folder, MANIFEST_FILE_NAME, cases[i].text, strlen(cases[i].text));
        assert_null(manifest_open(folder->path, &folder->error));
        kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, cases[i].message);
    }
    char nested[20001];
    memset(nested, '[', sizeof nested - 1);
    nested[sizeof nested - 1] = '\0';
    kernel_folder_write(folder, MANIFEST_FILE_NAME, nested, strlen(nested));
    assert_null(manifest_open(folder->path, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "maximum parsing depth");
}

static void a_pipe_or_a_folder_is_no_manifest(void **state) {
    struct kernel_folder *folder = *state;
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder->path, MANIFEST_FILE_NAME);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(manifest_open(folder->path, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "not a regular file");
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_null(manifest_open(folder->path, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "not a regular file");
}

static void no_truncation_is_accepted(void **state) {
    struct kernel_folder *folder = *state;
    char *text = json_dumps(folder->manifest, JSON_COMPACT);
    for (size_t length = 0; length < strlen(text); length += 7) {
        kernel_folder_write(folder, MANIFEST_FILE_NAME, text, length);
        assert_null(manifest_open(folder->path, &folder->error));
    }
    free(text);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, kernel_folder_open, kernel_folder_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_manifest_is_read),
        TEST(arguments_are_laid_out_as_in_c),
        TEST(arguments_are_aligned_in_their_order),
        TEST(every_missing_key_is_named),
        TEST(every_wrong_type_is_named),
        TEST(values_that_break_a_rule_are_refused),
        TEST(too_many_rows_are_refused),
        TEST(a_model_without_rotary_embedding_is_read),
        TEST(unknown_keys_are_ignored),
        TEST(a_trace_is_read),
        TEST(files_that_are_no_manifest_are_refused),
        TEST(a_pipe_or_a_folder_is_no_manifest),
        TEST(no_truncation_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
