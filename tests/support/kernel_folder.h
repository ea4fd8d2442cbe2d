// What the tests of the runtime share: a temporary folder with a manifest that can be edited, the
// fake kernel, and small checkpoints.
#ifndef TESTS_SUPPORT_KERNEL_FOLDER_H
#define TESTS_SUPPORT_KERNEL_FOLDER_H

#include "runtime/error.h"

#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_folder {
    char path[PATH_MAX]; // removed with all in it after the test
    json_t *manifest;    // not written yet: a good one for the fake kernel, to be edited
    struct monogen_error error;
};

// cmocka's functions of each test.
int kernel_folder_open(void **state);
int kernel_folder_close(void **state);

// The node at a path such as "weights.regions[0].bytes"; fails the test where there is none.
json_t *kernel_folder_at(const struct kernel_folder *folder, const char *path);

// Replaces the node at the path by `json` (text); fails the test where it has no parent.
void kernel_folder_set(struct kernel_folder *folder, const char *path, const char *json);
void kernel_folder_set_integer(struct kernel_folder *folder, const char *path, long long value);

void kernel_folder_write_manifest(const struct kernel_folder *folder);

// Writes [bytes] to path/name.
void kernel_folder_write(const struct kernel_folder *folder, const char *name, const void *contents,
                         size_t bytes);

// A tensor of a checkpoint to be written: data [bytes].
struct tensor_to_write {
    const char *name, *dtype, *shape; // "BF16", "[2,3]"
    const void *data;
    size_t bytes;
};

// Writes path/name as safetensors, the tensors' data in the order given.
void kernel_folder_write_tensors(const struct kernel_folder *folder, const char *name,
                                 const struct tensor_to_write *tensors, size_t count);

// Fails the test unless *error has the status and its message holds `part`.
void kernel_folder_expect_error(const struct kernel_folder *folder, enum monogen_status status,
                                const char *part);

#endif
