// Safetensors: named tensors in a mapped file, or in the files of a Hugging Face checkpoint.
//
// A file is: header length (8 bytes, little-endian), header (JSON: name -> dtype, shape,
// data_offsets), data. Everything in it is checked when it is opened.
#ifndef RUNTIME_SAFETENSORS_H
#define RUNTIME_SAFETENSORS_H

#include "runtime/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tensor_dtype {
    TENSOR_BOOL,
    TENSOR_U8,
    TENSOR_I8,
    TENSOR_F8_E4M3,
    TENSOR_F8_E5M2,
    TENSOR_U16,
    TENSOR_I16,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_U32,
    TENSOR_I32,
    TENSOR_F32,
    TENSOR_U64,
    TENSOR_I64,
    TENSOR_F64,
    TENSOR_DTYPE_COUNT
};

enum { TENSOR_MAX_RANK = 8 };

struct tensor {
    const char *name;
    enum tensor_dtype dtype;
    size_t rank;
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t elements;         // the product of shape [rank]
    const unsigned char *data; // [bytes] row-major, little-endian, aligned to nothing: use memcpy
    size_t bytes;              // elements * size of dtype
};

struct safetensors;

// Opens one file. NULL after filling *error: missing, malformed, offsets that are out of range,
// overlap, or do not fit shape and dtype.
struct safetensors *safetensors_open(const char *path, struct monogen_error *error);

// Opens all tensors of a checkpoint folder: model.safetensors, or else the files that
// model.safetensors.index.json lists.
struct safetensors *safetensors_open_checkpoint(const char *folder, struct monogen_error *error);

void safetensors_close(struct safetensors *tensors); // NULL is fine; ends all tensors and names

// The file or folder, for messages.
const char *safetensors_path(const struct safetensors *tensors);

// Tensors in the order of their names. Requires: i < safetensors_count.
size_t safetensors_count(const struct safetensors *tensors);
const struct tensor *safetensors_at(const struct safetensors *tensors, size_t i);

// NULL where there is none of that name.
const struct tensor *safetensors_find(const struct safetensors *tensors, const char *name);

// The same, but a missing tensor is an error that names the nearest tensor there is.
const struct tensor *safetensors_need(const struct safetensors *tensors, const char *name,
                                      struct monogen_error *error);

size_t tensor_dtype_bytes(enum tensor_dtype dtype);
const char *tensor_dtype_name(enum tensor_dtype dtype); // "bf16", "i32"

// "[256][64] bf16" into text [bytes].
void tensor_describe(const struct tensor *tensor, char *text, size_t bytes);

// Elements first .. first + count - 1 of a bf16, fp16 or fp32 tensor, exactly, as f32 into
// values [count]. Returns false for another dtype. Requires: they are within the tensor.
bool tensor_read_f32(const struct tensor *tensor, uint64_t first, size_t count, float *values);

#endif
