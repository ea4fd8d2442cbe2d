#include "generator/reference/matrix.h"

#include "generator/base/arena.h"
#include "runtime/parallel.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_float_dtype(const struct tensor *tensor) {
    return tensor->dtype == TENSOR_BF16 || tensor->dtype == TENSOR_F16 ||
           tensor->dtype == TENSOR_F32;
}

static bool refuse(const struct tensor_source *source, const struct tensor *tensor,
                   const char *needed, struct monogen_error *error) {
    char found[256];
    tensor_describe(tensor, found, sizeof found);
    return monogen_fail(error, MONOGEN_BAD_INPUT,
                        "%s: tensor \"%s\" is %s, the model needs %s of bf16, f16 or f32",
                        safetensors_path(source->checkpoint), tensor->name, found, needed);
}

// ---- matrices -----------------------------------------------------------------------------------

bool matrix_open(const struct tensor_source *source, const char *name, uint64_t tensor_rows,
                 uint64_t first, uint64_t rows, uint64_t columns, struct matrix *matrix,
                 struct monogen_error *error) {
    *matrix = (struct matrix){.first = first, .rows = rows, .columns = columns};
    if (!source->checkpoint) {
        matrix->key = random_weights_key(source->random_seed, name);
        matrix->random_dtype = source->random_dtype;
        return true;
    }
    const struct tensor *tensor = safetensors_need(source->checkpoint, name, error);
    if (!tensor)
        return false;
    matrix->tensor = *tensor;
    if (has_float_dtype(tensor) && tensor->rank == 2 && tensor->shape[0] == tensor_rows &&
        tensor->shape[1] == columns)
        return true;
    char needed[64];
    snprintf(needed, sizeof needed, "[%" PRIu64 "][%" PRIu64 "]", tensor_rows, columns);
    return refuse(source, tensor, needed, error);
}

const float *matrix_row(const struct matrix *matrix, uint64_t row, float *room) {
    const size_t columns = (size_t)matrix->columns;
    const uint64_t first = (matrix->first + row) * matrix->columns;
    if (matrix->tensor.data) {
        tensor_read_f32(&matrix->tensor, first, columns, room); // its dtype was checked
        return room;
    }
    static const enum tensor_dtype dtypes[] = {
        [WEIGHT_BF16] = TENSOR_BF16, [WEIGHT_F16] = TENSOR_F16, [WEIGHT_F32] = TENSOR_F32};
    float *made = room + columns;
    random_weights_fill(matrix->key, matrix->columns, matrix->random_dtype, first, columns, made);
    const struct tensor tensor = {.dtype = dtypes[matrix->random_dtype],
                                  .elements = matrix->columns,
                                  .data = (const unsigned char *)made};
    tensor_read_f32(&tensor, 0, columns, room);
    return room;
}

// ---- products -----------------------------------------------------------------------------------

enum { ROWS_OF_A_PIECE = 16, ELEMENTS_WORTH_THREADS = 1 << 20 };

// What all threads share: each takes the next piece of rows until none is left.
struct product {
    const struct matrix *matrix;
    const float *x; // [columns]
    double *to;     // [rows]
    atomic_uint_fast64_t next_row;
};

static void multiply_rows(void *context) {
    struct product *product = context;
    const struct matrix *matrix = product->matrix;
    const size_t columns = (size_t)matrix->columns, bytes = 2 * columns * sizeof(float);
    float *room = malloc(bytes);
    if (!room)
        memory_exhausted(bytes);
    uint64_t first;
    while ((first = atomic_fetch_add(&product->next_row, ROWS_OF_A_PIECE)) < matrix->rows)
        for (uint64_t r = first; r < first + ROWS_OF_A_PIECE && r < matrix->rows; r++) {
            const float *row = matrix_row(matrix, r, room);
            double sum = 0;
            for (size_t c = 0; c < columns; c++)
                sum += (double)row[c] * (double)product->x[c];
            product->to[r] = sum;
        }
    free(room);
}

void matrix_times(const struct matrix *matrix, const float *x, double *to) {
    struct product product = {.matrix = matrix, .x = x, .to = to};
    if (matrix->rows * matrix->columns < ELEMENTS_WORTH_THREADS)
        multiply_rows(&product);
    else
        parallel_run(multiply_rows, &product);
}

// ---- vectors ------------------------------------------------------------------------------------

bool vector_read(const struct tensor_source *source, const char *name, uint64_t tensor_elements,
                 uint64_t first, size_t count, float random, float *to,
                 struct monogen_error *error) {
    if (!source->checkpoint) {
        for (size_t i = 0; i < count; i++)
            to[i] = random;
        return true;
    }
    const struct tensor *tensor = safetensors_need(source->checkpoint, name, error);
    if (!tensor)
        return false;
    if (tensor->rank == 1 && tensor->elements == tensor_elements &&
        tensor_read_f32(tensor, first, count, to))
        return true;
    char needed[64];
    snprintf(needed, sizeof needed, "[%" PRIu64 "]", tensor_elements);
    return refuse(source, tensor, needed, error);
}
