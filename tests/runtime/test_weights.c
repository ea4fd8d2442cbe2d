#include "runtime/float_formats.h"
#include "runtime/random_weights.h"
#include "tests/support/loaded_weights.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- a checkpoint whose elements tell where they are from ---------------------------------------
struct matrix {
    const char *name;
    unsigned rows, columns;
};
static const struct matrix matrices[] = {
    {"q", 8, 10}, {"k", 4, 10}, {"v", 2, 10}, {"gate_up", 30, 16}, {"embedding", 64, 12}};
enum { MATRIX_COUNT = sizeof matrices / sizeof matrices[0] };

// Never zero, and different for each element of all tensors.
static uint16_t element(unsigned matrix, unsigned row, unsigned column) {
    return (uint16_t)(matrix * 1024 + row * 16 + column + 1);
}

static void write_checkpoint(const struct kernel_folder *folder) {
    static uint16_t data[MATRIX_COUNT][1024];
    static const uint16_t norm[12] = {0x3f80, 0x4000, 0x4040}; // 1, 2, 3, 0 ...
    static float bias[30];
    struct tensor_to_write tensors[MATRIX_COUNT + 3];
    char shapes[MATRIX_COUNT][32];
    for (unsigned m = 0; m < MATRIX_COUNT; m++) {
        unsigned rows = matrices[m].rows, columns = matrices[m].columns;
        for (unsigned i = 0; i < rows * columns; i++)
            data[m][i] = element(m, i / columns, i % columns);
        snprintf(shapes[m], sizeof shapes[m], "[%u,%u]", rows, columns);
        tensors[m] = (struct tensor_to_write){matrices[m].name, "BF16", shapes[m], data[m],
                                              (size_t)rows * columns * 2};
    }
    tensors[MATRIX_COUNT] = (struct tensor_to_write){"norm", "BF16", "[10]", norm, 20};
    tensors[MATRIX_COUNT + 1] = (struct tensor_to_write){"norm1", "BF16", "[12]", norm, 24};
    for (int i = 0; i < 30; i++)
        bias[i] = 100 + (float)i;
    tensors[MATRIX_COUNT + 2] = (struct tensor_to_write){"bias", "F32", "[30]", bias, sizeof bias};
    kernel_folder_write_tensors(folder, "model.safetensors", tensors, MATRIX_COUNT + 3);
}

static struct safetensors *open_checkpoint(struct kernel_folder *folder) {
    write_checkpoint(folder);
    struct safetensors *tensors = safetensors_open_checkpoint(folder->path, &folder->error);
    if (!tensors)
        fail_msg("%s", folder->error.message);
    return tensors;
}

// ---- the packing rule, written as an answer to "what is packed row p, column c of this stage"
// -----
static uint16_t qkv(unsigned row, unsigned column) {
    if (column >= 10 || row >= 14)
        return 0;
    return row < 8    ? element(0, row, column)
           : row < 12 ? element(1, row - 8, column)
                      : element(2, row - 12, column);
}
static uint16_t gate_up(unsigned row, unsigned column) {
    return element(3, row % 2 ? 15 + row / 2 : row / 2, column);
}
static uint16_t embedding(unsigned row, unsigned column) { return element(4, row, column); }

static const struct {
    uint16_t (*at)(unsigned row, unsigned column);
    unsigned tiles, tile_rows, units, unit_columns;
} stages[3] = {{qkv, 4, 4, 3, 4}, {gate_up, 5, 6, 1, 16}, {embedding, 4, 16, 2, 6}};

static uint16_t *append_stage(uint16_t *to, unsigned stage, unsigned first, unsigned end) {
    for (unsigned tile = first; tile < end; tile++)
        for (unsigned unit = 0; unit < stages[stage].units; unit++)
            for (unsigned row = 0; row < stages[stage].tile_rows; row++)
                for (unsigned i = 0; i < stages[stage].unit_columns; i++)
                    *to++ = stages[stage].at(tile * stages[stage].tile_rows + row,
                                             unit * stages[stage].unit_columns + i);
    return to;
}

// Expected weights for partitions "even" and "uneven" of `cus` CUs.
static void expect_packed(const struct loaded_weights *loaded, unsigned cus, const unsigned *even,
                          const unsigned *uneven) {
    uint16_t expected[4416 / 2], *to = expected;
    for (unsigned cu = 0; cu < cus; cu++) {
        to = append_stage(to, 0, even[cu], even[cu + 1]);
        to = append_stage(to, 1, uneven[cu], uneven[cu + 1]);
    }
    for (unsigned cu = 0; cu < cus; cu++)
        to = append_stage(to, 2, even[cu], even[cu + 1]);
    for (unsigned i = 0; i < 64 * 12; i++)
        *to++ = embedding(i / 12, i % 12);
    assert_int_equal(to - expected, 4416 / 2);
    for (size_t i = 0; i < 4416 / 2; i++) {
        uint16_t stored;
        memcpy(&stored, loaded->weights + i * 2, 2);
        if (stored != expected[i])
            fail_msg("%u CUs: element %zu is %u, expected %u", cus, i, stored, expected[i]);
    }
}

static void set_partitions(struct kernel_folder *folder, unsigned cus, const unsigned *even,
                           const unsigned *uneven) {
    const unsigned *const boundaries[2] = {even, uneven};
    for (size_t p = 0; p < 2; p++) {
        char path[64], text[256] = "[";
        for (unsigned cu = 0; cu <= cus; cu++) {
            size_t length = strlen(text);
            snprintf(text + length, sizeof text - length, "%u%s", boundaries[p][cu],
                     cu == cus ? "]" : ",");
        }
        snprintf(path, sizeof path, "partitions[%zu].first_tile", p);
        kernel_folder_set(folder, path, text);
    }
    kernel_folder_set_integer(folder, "target.cus", cus);
    kernel_folder_set_integer(folder, "kernel.workgroups", cus);
}

static void weights_are_packed_by_the_rule(void **state) {
    struct kernel_folder *folder = *state;
    struct safetensors *checkpoint = open_checkpoint(folder);
    static const struct {
        unsigned cus, even[10], uneven[10];
    } cases[] = {
        {1, {0, 4}, {0, 5}},
        {3, {0, 2, 3, 4}, {0, 3, 3, 5}},
        {4, {0, 1, 2, 3, 4}, {0, 0, 1, 4, 5}},
        {9, {0, 0, 1, 1, 2, 3, 3, 4, 4, 4}, {0, 1, 1, 2, 2, 3, 4, 5, 5, 5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_partitions(folder, cases[i].cus, cases[i].even, cases[i].uneven);
        for (enum load_path path = LOAD_IN_PLACE; path <= LOAD_STAGED; path++) {
            struct loaded_weights loaded;
            struct weight_source source = {.checkpoint = checkpoint};
            if (!loaded_weights_open(folder, &source, path, &loaded, &folder->error))
                fail_msg("%s", folder->error.message);
            expect_packed(&loaded, cases[i].cus, cases[i].even, cases[i].uneven);
            loaded_weights_close(&loaded);
        }
    }
    safetensors_close(checkpoint);
}

// Norms with what is added to them, biases in the order of the rows that they belong to.
static void vectors_are_stored_as_f32(void **state) {
    struct kernel_folder *folder = *state;
    struct safetensors *checkpoint = open_checkpoint(folder);
    struct weight_source source = {.checkpoint = checkpoint};
    struct loaded_weights loaded;
    assert_true(loaded_weights_open(folder, &source, LOAD_IN_PLACE, &loaded, &folder->error));
    static const float norm[4] = {1, 2, 3, 0}, norm1[4] = {2, 3, 4, 1};
    assert_memory_equal(loaded.vectors, norm, sizeof norm);
    assert_memory_equal(loaded.vectors + 12, norm1, sizeof norm1);
    assert_true(loaded.vectors[23] == 1 && loaded.vectors[10] == 0);
    for (int row = 0; row < 30; row++)
        if (loaded.vectors[24 + row] != (float)(100 + (row % 2 ? 15 + row / 2 : row / 2)))
            fail_msg("the bias of row %d is %g", row, (double)loaded.vectors[24 + row]);
    loaded_weights_close(&loaded);
    safetensors_close(checkpoint);
}

static void a_model_larger_than_the_staging_is_packed_in_pieces(void **state) {
    struct kernel_folder *folder = *state;
    // 3 CUs, 12 MiB of rows and one tile of more than the staging holds.
    kernel_folder_set(folder, "weights.regions",
                      "[{\"name\":\"a\",\"offset\":0,\"bytes\":12582912,\"layout\":\"rows\","
                      "\"tensor\":\"a\",\"rows\":6144,\"columns\":1024},"
                      "{\"name\":\"b\",\"offset\":12582912,\"bytes\":8388608,\"layout\":\"tiles\","
                      "\"stages\":[{\"step\":0,\"name\":\"b\",\"layer\":-1,\"tiles\":1,"
                      "\"tile_rows\":2048,\"columns\":2048,\"unit_columns\":2048,"
                      "\"partition\":\"even\",\"parts\":[{\"tensor\":\"b\",\"tensor_rows\":2048,"
                      "\"tensor_first\":0,\"rows\":2048,\"first\":0,\"stride\":1}]}]}]");
    kernel_folder_set(folder, "partitions[0].first_tile", "[0,0,1,1]");
    kernel_folder_set_integer(folder, "memory.weights_bytes", 12582912 + 8388608);
    struct weight_source source = {.random_seed = 7};
    struct loaded_weights staged, in_place;
    assert_true(loaded_weights_open(folder, &source, LOAD_STAGED, &staged, &folder->error));
    assert_true(loaded_weights_open(folder, &source, LOAD_IN_PLACE, &in_place, &folder->error));
    assert_memory_equal(staged.weights, in_place.weights, 12582912 + 8388608);
    uint16_t expected[1024], row[1024];
    random_weights_fill(random_weights_key(7, "a"), 1024, WEIGHT_BF16, 6143 * 1024, 1024, expected);
    memcpy(row, staged.weights + 6143 * 2048, sizeof row);
    assert_memory_equal(row, expected, sizeof row);
    loaded_weights_close(&staged);
    loaded_weights_close(&in_place);
}

static void random_weights_do_not_depend_on_the_partition(void **state) {
    struct kernel_folder *folder = *state;
    static const unsigned even[2][10] = {{0, 4}, {0, 1, 1, 2, 4}};
    static const unsigned uneven[2][10] = {{0, 5}, {0, 2, 3, 3, 5}};
    uint16_t first_row[2][12];
    for (unsigned i = 0; i < 2; i++) {
        set_partitions(folder, i ? 4 : 1, even[i], uneven[i]);
        struct weight_source source = {.random_seed = 3};
        struct loaded_weights loaded;
        assert_true(loaded_weights_open(folder, &source, i ? LOAD_IN_PLACE : LOAD_STAGED, &loaded,
                                        &folder->error));
        // Row 17 of the embedding, as the plain rows and as row 1 of tile 1 of the head.
        memcpy(first_row[i], loaded.weights + 2880 + 17 * 24, 24);
        uint16_t head_row[12];
        const unsigned char *tile = loaded.weights + 1344 + 16 * 24;
        memcpy(head_row, tile + 12, 12);
        memcpy(head_row + 6, tile + 16 * 12 + 12, 12);
        assert_memory_equal(head_row, first_row[i], 24);
        // norms that only norm, biases that add nothing
        for (unsigned v = 0; v < 56; v++)
            assert_true(loaded.vectors[v] == (v == 10 || v == 11 || v >= 24 ? 0.0F : 1.0F));
        loaded_weights_close(&loaded);
    }
    assert_memory_equal(first_row[0], first_row[1], 24);
}

static void expect_refused(struct kernel_folder *folder, const struct safetensors *checkpoint,
                           const char *message) {
    struct weight_source source = {.checkpoint = checkpoint};
    struct loaded_weights loaded;
    assert_false(loaded_weights_open(folder, &source, LOAD_IN_PLACE, &loaded, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, message);
}

static void tensors_that_do_not_fit_are_refused_by_name(void **state) {
    struct kernel_folder *folder = *state;
    struct safetensors *checkpoint = open_checkpoint(folder);
    static const struct {
        const char *path, *json, *message;
    } cases[] = {
        {"weights.regions[0].stages[0].parts[0].tensor", "\"qq\"",
         "there is no tensor \"qq\"\n  note: the nearest is \"q\""},
        {"weights.regions[0].stages[0].parts[2].tensor_rows", "3",
         "tensor \"v\" is [2][10] bf16, the kernel needs [3][10] bf16"},
        {"weights.regions[0].stages[0].columns", "11",
         "tensor \"q\" is [8][10] bf16, the kernel needs [8][11] bf16"},
        {"weights.dtype", "\"fp16\"",
         "tensor \"q\" is [8][10] bf16, the kernel needs [8][10] fp16; generate it with "
         "dtype=bf16"},
        {"weights.regions[2].tensor", "\"norm\"", "tensor \"norm\" is [10] bf16"},
        {"vectors[0].tensor", "\"norm1\"", "tensor \"norm1\" is [12] bf16, the kernel needs [10]"},
        {"vectors[0].tensor", "\"v\"", "tensor \"v\" is [2][10] bf16, the kernel needs [10]"},
        {"vectors[2].tensor_elements", "31",
         "tensor \"bias\" is [30] fp32, the kernel needs [31] of bf16, fp16 or fp32"},
        {"vectors[0].tensor", "\"mron\"", "there is no tensor \"mron\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *good = json_deep_copy(folder->manifest);
        kernel_folder_set(folder, cases[i].path, cases[i].json);
        expect_refused(folder, checkpoint, cases[i].message);
        json_decref(folder->manifest);
        folder->manifest = good;
    }
    safetensors_close(checkpoint);
}

static void a_failed_upload_ends_the_load(void **state) {
    struct kernel_folder *folder = *state;
    struct weight_source source = {.random_seed = 3};
    struct loaded_weights loaded;
    assert_false(loaded_weights_open(folder, &source, LOAD_REFUSED, &loaded, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_NO_ENVIRONMENT, "the device is full");
}

static void random_weights_are_nearly_normal(void **state) {
    (void)state;
    enum { COUNT = 100000, COLUMNS = 256 };
    float *values = calloc(COUNT, sizeof *values);
    random_weights_fill(random_weights_key(1, "w"), COLUMNS, WEIGHT_F32, 0, COUNT, values);
    double sum = 0, squares = 0, within = 0;
    for (size_t i = 0; i < COUNT; i++) {
        sum += values[i];
        squares += (double)values[i] * values[i];
        within += fabsf(values[i]) < 1.0F / 16;
    }
    double mean = sum / COUNT, deviation = sqrt(squares / COUNT) * 16;
    if (fabs(mean) > 1e-3 || fabs(deviation - 1) > 0.02 || fabs(within / COUNT - 0.68) > 0.03)
        fail_msg("mean %g, deviation %g of 1, %g within it", mean, deviation, within / COUNT);

    uint16_t halves[2][4];
    random_weights_fill(random_weights_key(1, "w"), COLUMNS, WEIGHT_BF16, 10, 4, halves[0]);
    random_weights_fill(random_weights_key(1, "w"), COLUMNS, WEIGHT_F16, 10, 4, halves[1]);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(halves[0][i], bf16_from_f32(values[10 + i]));
        assert_int_equal(halves[1][i], f16_from_f32(values[10 + i]));
    }
    float other[2];
    random_weights_fill(random_weights_key(2, "w"), COLUMNS, WEIGHT_F32, 0, 1, &other[0]);
    random_weights_fill(random_weights_key(1, "v"), COLUMNS, WEIGHT_F32, 0, 1, &other[1]);
    assert_true(other[0] != values[0] && other[1] != values[0] && other[0] != other[1]);
    free(values);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, kernel_folder_open, kernel_folder_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(weights_are_packed_by_the_rule),
        TEST(vectors_are_stored_as_f32),
        TEST(a_model_larger_than_the_staging_is_packed_in_pieces),
        TEST(random_weights_do_not_depend_on_the_partition),
        TEST(tensors_that_do_not_fit_are_refused_by_name),
        TEST(a_failed_upload_ends_the_load),
        cmocka_unit_test(random_weights_are_nearly_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
