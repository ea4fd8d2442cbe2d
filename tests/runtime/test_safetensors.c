#include "runtime/safetensors.h"
#include "tests/support/kernel_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint16_t halves[6] = {0x3f80, 0xc000, 0x0000, 0x7f80, 0x0001, 0x8000};
static const int32_t ids[3] = {5, -1, 1 << 30};

static const struct tensor_to_write good[] = {
    {"w", "BF16", "[2,3]", halves, sizeof halves},
    {"ids", "I32", "[3]", ids, sizeof ids},
    {"nothing", "F32", "[0,7]", "", 0},
    {"scalar", "F16", "[]", halves, 2},
};

static char *in_folder(const struct kernel_folder *folder, const char *name) {
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    return path;
}

static struct safetensors *open_good(struct kernel_folder *folder, const char *name) {
    struct safetensors *tensors = safetensors_open(in_folder(folder, name), &folder->error);
    if (!tensors)
        fail_msg("%s", folder->error.message);
    return tensors;
}

static void a_file_is_read(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_write_tensors(folder, "a", good, 4);
    struct safetensors *tensors = open_good(folder, "a");
    assert_int_equal(safetensors_count(tensors), 4);
    static const char *const sorted[] = {"ids", "nothing", "scalar", "w"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(safetensors_at(tensors, i)->name, sorted[i]);
    const struct tensor *w = safetensors_find(tensors, "w");
    assert_non_null(w);
    assert_int_equal(w->dtype, TENSOR_BF16);
    assert_int_equal(w->rank, 2);
    assert_int_equal(w->shape[0], 2);
    assert_int_equal(w->shape[1], 3);
    assert_int_equal(w->elements, 6);
    assert_int_equal(w->bytes, sizeof halves);
    assert_memory_equal(w->data, halves, sizeof halves);
    char text[64];
    tensor_describe(w, text, sizeof text);
    assert_string_equal(text, "[2][3] bf16");
    float values[2];
    assert_true(tensor_read_f32(w, 0, 2, values));
    assert_true(values[0] == 1.0F && values[1] == -2.0F);
    const struct tensor *stored_ids = safetensors_find(tensors, "ids");
    assert_false(tensor_read_f32(stored_ids, 0, 1, values));
    assert_memory_equal(stored_ids->data, ids, sizeof ids);
    assert_int_equal(safetensors_find(tensors, "nothing")->elements, 0);
    assert_int_equal(safetensors_find(tensors, "scalar")->elements, 1);
    assert_null(safetensors_find(tensors, "x"));
    safetensors_close(tensors);
}

static void a_missing_tensor_names_the_nearest(void **state) {
    struct kernel_folder *folder = *state;
    const struct tensor_to_write named[] = {
        {"model.layers.0.mlp.up_proj.weight", "U8", "[1]", "a", 1},
        {"model.layers.0.mlp.gate_proj.weight", "U8", "[1]", "a", 1},
        {"model.norm.weight", "U8", "[1]", "a", 1},
    };
    kernel_folder_write_tensors(folder, "a", named, 3);
    struct safetensors *tensors = open_good(folder, "a");
    assert_null(safetensors_need(tensors, "model.layers.0.mlp.gate.weight", &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT,
                               "there is no tensor \"model.layers.0.mlp.gate.weight\"\n"
                               "  note: the nearest is \"model.layers.0.mlp.gate_proj.weight\"");
    assert_non_null(safetensors_need(tensors, "model.norm.weight", &folder->error));
    safetensors_close(tensors);
}

// Writes a file of this header and `data_bytes` zero bytes and expects it to be refused.
static void expect_refused(struct kernel_folder *folder, const char *header, size_t data_bytes,
                           const char *message) {
    uint64_t header_bytes = strlen(header);
    unsigned char file[4096] = {0};
    memcpy(file, &header_bytes, 8);
    memcpy(file + 8, header, header_bytes);
    kernel_folder_write(folder, "bad", file, 8 + header_bytes + data_bytes);
    struct safetensors *tensors = safetensors_open(in_folder(folder, "bad"), &folder->error);
    if (tensors) {
        safetensors_close(tensors);
        fail_msg("accepted: %s", header);
    }
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, message);
}

#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(first, second)                                                                         \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" first "},"                          \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" second "}}"

static void hostile_headers_are_refused(void **state) {
    struct kernel_folder *folder = *state;
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *message;
    } cases[] = {
        {"", 0, "bad:1:"},
        {"[]", 0, "must be an object"},
        {"{\"a\":1}", 0, "must be an object"},
        {"{\"a\":{}}", 0, "is missing"},
        {ENTRY("\"F12\"", "[1]", "[0,4]"), 4, "dtype \"F12\" is unknown"},
        {ENTRY("7", "[1]", "[0,4]"), 4, "a.dtype: must be a string"},
        {ENTRY("\"F32\"", "[1]", "[0,8]"), 8, "need 4"},
        {ENTRY("\"F32\"", "[2]", "[0,4]"), 4, "need 8"},
        {ENTRY("\"F32\"", "[1]", "[0,4]"), 3, "a.data_offsets[1]: is 4, must be 0 to 3"},
        {ENTRY("\"F32\"", "[1]", "[4,0]"), 8, "a.data_offsets[1]: is 0, must be 4 to 8"},
        {ENTRY("\"F32\"", "[1]", "[-4,0]"), 8, "must be an integer"},
        {ENTRY("\"F32\"", "[1]", "[0,4,8]"), 8, "must be two numbers"},
        {ENTRY("\"F32\"", "[1]", "4"), 8, "must be an array"},
        {ENTRY("\"F32\"", "1", "[0,4]"), 4, "a.shape: must be an array"},
        {ENTRY("\"F32\"", "[-1]", "[0,4]"), 4, "must be an integer"},
        {ENTRY("\"F32\"", "[1.0]", "[0,4]"), 4, "must be an integer"},
        {ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "has 9 dimensions"},
        {ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "too many elements"},
        {ENTRY("\"F32\"", "[4611686018427387904]", "[0,0]"), 0, "hold 0 bytes"},
        {ENTRY("\"F32\"", "[1]", "[0,4]"), 5, "1 bytes of data belong to no tensor"},
        {ENTRY("\"F32\"", "[1]", "[4,8]"), 8, "starts at 4, after a gap that starts at 0"},
        {TWO("[0,2]", "[1,3]"), 3, "starts at 1, inside what ends at 2"},
        {TWO("[0,2]", "[0,2]"), 2, "starts at 0, inside what ends at 2"},
        {"{\"a\":1,\"a\":2}", 0, "duplicate object key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(folder, cases[i].header, cases[i].data_bytes, cases[i].message);
}

static void header_lengths_are_checked(void **state) {
    struct kernel_folder *folder = *state;
    static const uint64_t lengths[] = {3, 1000, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned char file[10] = {0};
        memcpy(file, &lengths[i], 8);
        file[8] = '{';
        file[9] = '}';
        kernel_folder_write(folder, "bad", file, sizeof file);
        assert_null(safetensors_open(in_folder(folder, "bad"), &folder->error));
        kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "not a safetensors file");
    }
    kernel_folder_write(folder, "bad", "", 0);
    assert_null(safetensors_open(in_folder(folder, "bad"), &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "not a safetensors file");
    assert_null(safetensors_open(in_folder(folder, "absent"), &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "No such file");
}

// Every truncation is refused; every single-byte change is refused or gives tensors within the
// file.
static void damaged_files_never_reach_outside(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_write_tensors(folder, "a", good, 4);
    unsigned char file[1024];
    FILE *stream = fopen(in_folder(folder, "a"), "rb");
    assert_non_null(stream);
    size_t bytes = fread(file, 1, sizeof file, stream);
    fclose(stream);
    for (size_t length = 0; length < bytes; length++) {
        kernel_folder_write(folder, "bad", file, length);
        if (safetensors_open(in_folder(folder, "bad"), &folder->error))
            fail_msg("accepted %zu of %zu bytes", length, bytes);
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned char before = file[i];
        static const unsigned char changes[] = {'0', '9', '"', '}', 0xff};
        for (size_t c = 0; c < sizeof changes; c++) {
            file[i] = changes[c];
            kernel_folder_write(folder, "bad", file, bytes);
            struct safetensors *tensors =
                safetensors_open(in_folder(folder, "bad"), &folder->error);
            unsigned sum = 0;
            for (size_t t = 0; tensors && t < safetensors_count(tensors); t++)
                for (size_t b = 0; b < safetensors_at(tensors, t)->bytes; b++)
                    sum += safetensors_at(tensors, t)->data[b];
            assert_true(sum <= 255 * bytes);
            safetensors_close(tensors);
        }
        file[i] = before;
    }
}

static void write_index(struct kernel_folder *folder, const char *map) {
    char text[512];
    snprintf(text, sizeof text, "{\"metadata\":{},\"weight_map\":%s}", map);
    kernel_folder_write(folder, "model.safetensors.index.json", text, strlen(text));
}

static void a_sharded_checkpoint_is_read(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_write_tensors(folder, "one", good, 2);
    kernel_folder_write_tensors(folder, "two", good + 2, 2);
    write_index(folder, "{\"w\":\"one\",\"scalar\":\"two\",\"ids\":\"one\",\"nothing\":\"two\"}");
    struct safetensors *tensors = safetensors_open_checkpoint(folder->path, &folder->error);
    if (!tensors)
        fail_msg("%s", folder->error.message);
    assert_int_equal(safetensors_count(tensors), 4);
    assert_memory_equal(safetensors_find(tensors, "ids")->data, ids, sizeof ids);
    safetensors_close(tensors);
}

static void bad_indexes_are_refused(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_write_tensors(folder, "one", good, 2);
    kernel_folder_write_tensors(folder, "again", good, 1);
    static const struct {
        const char *map, *message;
    } cases[] = {
        {"{\"w\":\"one\",\"x\":\"one\"}", "tensor \"x\" is not in one"},
        {"{\"w\":\"one\",\"ids\":\"again\"}", "tensor \"w\" is in two files"},
        {"{\"w\":\"three\"}", "three: No such file"},
        {"{\"w\":\"../one\"}", "\"../one\" is no plain file name"},
        {"{\"w\":7}", "weight_map.w: must be a string"},
        {"[]", "weight_map: must be an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_index(folder, cases[i].map);
        assert_null(safetensors_open_checkpoint(folder->path, &folder->error));
        kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, cases[i].message);
    }
}

static void a_folder_without_weights_is_refused(void **state) {
    struct kernel_folder *folder = *state;
    assert_null(safetensors_open_checkpoint(folder->path, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "model.safetensors: No such file");
}

static void the_bundled_checkpoint_is_read(void **state) {
    struct kernel_folder *folder = *state;
    const char *path = "specs/checkpoints/austen-3m";
    struct safetensors *tensors = safetensors_open_checkpoint(path, &folder->error);
    if (!tensors)
        fail_msg("%s", folder->error.message);
    const struct tensor *q =
        safetensors_need(tensors, "model.layers.3.self_attn.q_proj.weight", &folder->error);
    assert_non_null(q);
    assert_int_equal(q->shape[0], 256);
    assert_int_equal(q->shape[1], 256);
    safetensors_close(tensors);

    tensors = safetensors_open("specs/checkpoints/austen-3m/golden.safetensors", &folder->error);
    if (!tensors)
        fail_msg("%s", folder->error.message);
    const struct tensor *tokens = safetensors_need(tensors, "tokens.0", &folder->error);
    const struct tensor *logits = safetensors_need(tensors, "logits.0", &folder->error);
    assert_non_null(tokens);
    assert_non_null(logits);
    assert_int_equal(tokens->dtype, TENSOR_I32);
    assert_int_equal(logits->dtype, TENSOR_F32);
    int32_t token;
    memcpy(&token, tokens->data, sizeof token);
    size_t vocab = (size_t)logits->shape[1], best = 0;
    float *values = calloc(vocab, sizeof *values);
    assert_true(tensor_read_f32(logits, 0, vocab, values));
    for (size_t v = 1; v < vocab; v++)
        if (values[v] > values[best])
            best = v;
    assert_int_equal(token, best);
    free(values);
    safetensors_close(tensors);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, kernel_folder_open, kernel_folder_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_read),
        TEST(a_missing_tensor_names_the_nearest),
        TEST(hostile_headers_are_refused),
        TEST(header_lengths_are_checked),
        TEST(damaged_files_never_reach_outside),
        TEST(a_sharded_checkpoint_is_read),
        TEST(bad_indexes_are_refused),
        TEST(a_folder_without_weights_is_refused),
        TEST(the_bundled_checkpoint_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
