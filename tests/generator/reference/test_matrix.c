// Where the reference finds its weights: slices, dtypes, random ones, and what is refused.
#include "generator/reference/matrix.h"
#include "runtime/float_formats.h"
#include "tests/support/kernel_folder.h"
#include "tests/support/small_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The same numbers in every dtype.
static const float values[6] = {1, -2, 0.5F, 4, -0.25F, 3};
static const uint16_t as_bf16[6] = {0x3f80, 0xc000, 0x3f00, 0x4080, 0xbe80, 0x4040};
static const uint16_t as_f16[6] = {0x3c00, 0xc000, 0x3800, 0x4400, 0xb400, 0x4200};

static const struct tensor_to_write written[] = {
    {"bf16", "BF16", "[3,2]", as_bf16, sizeof as_bf16},
    {"f16", "F16", "[3,2]", as_f16, sizeof as_f16},
    {"f32", "F32", "[3,2]", values, sizeof values},
    {"integers", "I16", "[3,2]", as_f16, sizeof as_f16},
    {"vector", "BF16", "[6]", as_bf16, sizeof as_bf16},
    {"layers.0.up_proj.weight", "F32", "[6]", values, sizeof values},
};

static struct safetensors *open_written(struct kernel_folder *folder) {
    char path[PATH_MAX + 8];
    kernel_folder_write_tensors(folder, "a", written, sizeof written / sizeof *written);
    snprintf(path, sizeof path, "%s/a", folder->path);
    struct safetensors *tensors = safetensors_open(path, &folder->error);
    if (!tensors)
        fail_msg("%s", folder->error.message);
    return tensors;
}

static void rows_are_read_in_every_dtype(void **state) {
    struct kernel_folder *folder = *state;
    struct safetensors *tensors = open_written(folder);
    const struct tensor_source source = {.checkpoint = tensors};
    static const char *const names[] = {"bf16", "f16", "f32"};
    for (size_t i = 0; i < 3; i++) {
        struct matrix matrix;
        float room[4];
        const float x[2] = {3, 2};
        double product[2];
        assert_true(matrix_open(&source, names[i], 3, 1, 2, 2, &matrix, &folder->error));
        const float *row = matrix_row(&matrix, 0, room);
        assert_true(row[0] == 0.5F && row[1] == 4);
        row = matrix_row(&matrix, 1, room);
        assert_true(row[0] == -0.25F && row[1] == 3);
        matrix_times(&matrix, x, product);
        assert_true(product[0] == 9.5 && product[1] == 5.25);
    }
    safetensors_close(tensors);
}

static void vectors_are_read_in_part(void **state) {
    struct kernel_folder *folder = *state;
    struct safetensors *tensors = open_written(folder);
    const struct tensor_source source = {.checkpoint = tensors};
    float part[3];
    assert_true(vector_read(&source, "vector", 6, 2, 3, 7, part, &folder->error));
    assert_memory_equal(part, values + 2, sizeof part);
    safetensors_close(tensors);
}

static void other_shapes_and_dtypes_are_refused(void **state) {
    struct kernel_folder *folder = *state;
    struct safetensors *tensors = open_written(folder);
    const struct tensor_source source = {.checkpoint = tensors};
    struct matrix matrix;
    float to[8];
    static const struct {
        const char *name;
        uint64_t rows, columns; // columns 0: a vector
        const char *part;
    } cases[] = {
        {"bf16", 4, 2,
         "tensor \"bf16\" is [3][2] bf16, the model needs [4][2] of bf16, f16 or f32"},
        {"bf16", 2, 3, "is [3][2] bf16, the model needs [2][3]"},
        {"vector", 6, 1, "is [6] bf16, the model needs [6][1]"},
        {"integers", 3, 2, "is [3][2] i16, the model needs [3][2] of bf16, f16 or f32"},
        {"vector", 5, 0, "is [6] bf16, the model needs [5]"},
        {"bf16", 6, 0, "is [3][2] bf16, the model needs [6]"},
        {"integers", 6, 0, "is [3][2] i16, the model needs [6] of bf16, f16 or f32"},
        {"layers.0.up.weight", 3, 2,
         "there is no tensor \"layers.0.up.weight\"\n  note: the nearest is "
         "\"layers.0.up_proj.weight\""},
        {"vectors", 6, 0, "there is no tensor \"vectors\"\n  note: the nearest is \"vector\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        folder->error = (struct monogen_error){0};
        const char *name = cases[i].name;
        const uint64_t rows = cases[i].rows, columns = cases[i].columns;
        assert_false(
            columns ? matrix_open(&source, name, rows, 0, rows, columns, &matrix, &folder->error)
                    : vector_read(&source, name, rows, 0, (size_t)rows, 1, to, &folder->error));
        kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, cases[i].part);
    }
    safetensors_close(tensors);
}

// What a packing of the same seed holds: bits of the whole tensor, however it is sliced.
static void random_rows_are_those_of_the_runtime(void **state) {
    (void)state;
    enum { ROWS = 5, COLUMNS = 7, FIRST = 2 };
    static const enum weight_dtype dtypes[] = {WEIGHT_BF16, WEIGHT_F16, WEIGHT_F32};
    for (size_t i = 0; i < 3; i++) {
        const struct tensor_source source = {.random_seed = 9, .random_dtype = dtypes[i]};
        unsigned char stored[ROWS * COLUMNS * sizeof(float)];
        float room[2 * COLUMNS], wanted;
        struct matrix matrix;
        random_weights_fill(random_weights_key(9, "w"), COLUMNS, dtypes[i], 0, ROWS * COLUMNS,
                            stored);
        assert_true(matrix_open(&source, "w", ROWS, FIRST, ROWS - FIRST, COLUMNS, &matrix, NULL));
        for (size_t r = 0; r < ROWS - FIRST; r++) {
            const float *row = matrix_row(&matrix, r, room);
            for (size_t c = 0; c < COLUMNS; c++) {
                const size_t at = (FIRST + r) * COLUMNS + c;
                uint16_t half;
                memcpy(&half, stored + at * sizeof half, sizeof half);
                memcpy(&wanted, stored + at * (dtypes[i] == WEIGHT_F32 ? sizeof wanted : 0),
                       sizeof wanted);
                if (dtypes[i] != WEIGHT_F32)
                    wanted = dtypes[i] == WEIGHT_BF16 ? f32_from_bf16(half) : f32_from_f16(half);
                assert_true(row[c] == wanted);
            }
        }
    }
    float vector[3];
    assert_true(vector_read(&(struct tensor_source){0}, "v", 9, 3, 3, 0.5F, vector, NULL));
    assert_true(vector[0] == 0.5F && vector[1] == 0.5F && vector[2] == 0.5F);
}

// Large enough to be shared among threads.
static void large_products_are_whole(void **state) {
    (void)state;
    enum { ROWS = 1031, COLUMNS = 1030 };
    const struct tensor_source source = {.random_seed = 1, .random_dtype = WEIGHT_BF16};
    struct matrix matrix, row;
    float *x = calloc(COLUMNS, sizeof *x);
    double *product = calloc(ROWS, sizeof *product), one;
    assert_true(x && product);
    for (int i = 0; i < COLUMNS; i++)
        x[i] = (float)(i % 13) - 6;
    assert_true(matrix_open(&source, "w", ROWS, 0, ROWS, COLUMNS, &matrix, NULL));
    matrix_times(&matrix, x, product);
    for (uint64_t r = 0; r < ROWS; r += 103) {
        assert_true(matrix_open(&source, "w", ROWS, r, 1, COLUMNS, &row, NULL));
        matrix_times(&row, x, &one);
        assert_true(product[r] == one && one != 0);
    }
    free(x);
    free(product);
}

// A folder to write in; of the runtime's fixture no more is needed.
static int make_folder(void **state) {
    static struct kernel_folder folder;
    snprintf(folder.path, sizeof folder.path, "%s", test_folder("test_matrix"));
    *state = &folder;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_in_every_dtype),
        cmocka_unit_test(vectors_are_read_in_part),
        cmocka_unit_test(other_shapes_and_dtypes_are_refused),
        cmocka_unit_test(random_rows_are_those_of_the_runtime),
        cmocka_unit_test(large_products_are_whole),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
