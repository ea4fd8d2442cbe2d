// Safetensors. Bytes that begin with '{' are a header up to the first NUL, with data behind it (the
// length in front, which no mutation would keep right, is added here), and after that the index of
// a checkpoint of two files. All other bytes are a file as they are.
#include "runtime/safetensors.h"
#include "tests/fuzz/input.h"

#include <stdlib.h>
#include <string.h>

// A file of one tensor: a header of 64 bytes and 4 bytes of data.
#define SHARD(name)                                                                                \
    "\x40\0\0\0\0\0\0\0{\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"    \
    "            \0\0\x80\x3f"

static void look_at(const struct safetensors *tensors, const struct monogen_error *error,
                    size_t bytes_max) {
    if (!tensors) {
        input_require(error->status != MONOGEN_OK && error->message[0],
                      "a file is refused with a reason");
        return;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < safetensors_count(tensors); i++) {
        const struct tensor *tensor = safetensors_at(tensors, i);
        float first, last;
        char text[256];
        tensor_describe(tensor, text, sizeof text);
        input_require(tensor->bytes == tensor->elements * tensor_dtype_bytes(tensor->dtype),
                      "a tensor has the bytes of its elements");
        input_require(safetensors_find(tensors, tensor->name) == tensor,
                      "a tensor is found by its name");
        if (tensor->elements > 0) {
            tensor_read_f32(tensor, 0, 1, &first);
            tensor_read_f32(tensor, tensor->elements - 1, 1, &last);
        }
        bytes += tensor->bytes;
    }
    input_require(bytes <= bytes_max, "tensors are within the file");
    struct monogen_error absent = {0};
    input_require(safetensors_need(tensors, "no.such\ntensor", &absent) == NULL &&
                      absent.message[0],
                  "a tensor that is absent is missed");
}

static void open_file(struct arena *arena, const void *bytes, size_t size) {
    struct monogen_error error = {0};
    struct safetensors *tensors =
        safetensors_open(input_file(arena, "one.safetensors", bytes, size), &error);
    look_at(tensors, &error, size);
    safetensors_close(tensors);
}

static void open_header(struct arena *arena, const uint8_t *bytes, size_t length,
                        const uint8_t *data, size_t data_bytes) {
    char *file = arena_alloc(arena, 8 + length + data_bytes);
    for (int i = 0; i < 8; i++)
        file[i] = (char)(length >> (8 * i) & 0xFF);
    memcpy(file + 8, bytes, length);
    if (data_bytes > 0)
        memcpy(file + 8 + length, data, data_bytes);
    open_file(arena, file, 8 + length + data_bytes);
}

static void open_index(struct arena *arena, const uint8_t *bytes, size_t length) {
    struct monogen_error error = {0};
    input_file(arena, "sharded/a.safetensors", SHARD("a"), sizeof SHARD("a") - 1);
    input_file(arena, "sharded/b.safetensors", SHARD("b"), sizeof SHARD("b") - 1);
    input_file(arena, "sharded/model.safetensors.index.json", bytes, length);
    struct safetensors *tensors =
        safetensors_open_checkpoint(arena_format(arena, "%s/sharded", input_folder()), &error);
    look_at(tensors, &error, 8);
    safetensors_close(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena arena = {0};
    if (size > 0 && bytes[0] == '{') {
        const uint8_t *nul = memchr(bytes, '\0', size);
        const size_t length = nul ? (size_t)(nul - bytes) : size;
        open_header(&arena, bytes, length, nul ? nul + 1 : NULL, nul ? size - length - 1 : 0);
        open_index(&arena, bytes, length);
    } else {
        open_file(&arena, bytes, size);
    }
    arena_close(&arena);
    return 0;
}
