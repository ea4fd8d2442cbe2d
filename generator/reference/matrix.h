// Matrix: the weight of one node, read where it lies, a row at a time.
#ifndef GENERATOR_REFERENCE_MATRIX_H
#define GENERATOR_REFERENCE_MATRIX_H

#include "runtime/random_weights.h"
#include "runtime/safetensors.h"

// Where tensors come from.
struct tensor_source {
    const struct safetensors *checkpoint; // NULL: random
    uint64_t random_seed;
    enum weight_dtype random_dtype; // what random matrices are rounded to
};

// Rows first .. first + rows - 1 of a tensor.
struct matrix {
    uint64_t first, rows, columns;
    struct tensor tensor; // [>= first + rows][columns] bf16, f16 or f32; data NULL: random
    uint64_t key;         // of random weights
    enum weight_dtype random_dtype;
};

// Rows first .. first + rows - 1 of `name`, which must be [tensor_rows][columns]. The tensor stays
// the checkpoint's. False after filling *error.
bool matrix_open(const struct tensor_source *source, const char *name, uint64_t tensor_rows,
                 uint64_t first, uint64_t rows, uint64_t columns, struct matrix *matrix,
                 struct monogen_error *error);

// Row `row` of the matrix, [columns] exactly as stored, in room [2][columns] of the caller.
const float *matrix_row(const struct matrix *matrix, uint64_t row, float *room);

// product [rows] = matrix times x [columns], summed in double precision, on all processors.
void matrix_times(const struct matrix *matrix, const float *x, double *product);

// Elements first .. first + count - 1 of `name`, which must be a vector [tensor_elements], into
// to [count]; `random` each where weights are random. False after filling *error.
bool vector_read(const struct tensor_source *source, const char *name, uint64_t tensor_elements,
                 uint64_t first, size_t count, float random, float *to,
                 struct monogen_error *error);

#endif
