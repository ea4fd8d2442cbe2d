#include "runtime/random_kv.h"

#include "runtime/parallel.h"
#include "runtime/random_weights.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STAGING_BYTES ((size_t)1 << 20) // of a thread, if a row is not larger

// What all threads share: they take one array of the cache at a time.
struct filling {
    const struct manifest *manifest;
    const struct backend *backend;
    struct device *device;
    const struct device_memory *memory;
    uint32_t first, end; // positions
    uint64_t seed;

    pthread_mutex_t lock; // of everything below, and of upload
    size_t next_array;
    bool failed;
    struct monogen_error *error;
};

static bool take_array(struct filling *filling, size_t *array) {
    pthread_mutex_lock(&filling->lock);
    const bool taken = !filling->failed && filling->next_array < filling->manifest->kv.arrays;
    if (taken)
        *array = filling->next_array++;
    pthread_mutex_unlock(&filling->lock);
    return taken;
}

static void upload(struct filling *filling, size_t offset, const void *from, size_t bytes) {
    pthread_mutex_lock(&filling->lock);
    if (!filling->failed)
        filling->failed = !filling->backend->upload(filling->device, filling->memory, offset, from,
                                                    bytes, filling->error);
    pthread_mutex_unlock(&filling->lock);
}

// Positions that follow each other in memory, from `first` on.
static size_t run_of(const struct filling *filling, uint32_t first, size_t most) {
    const struct manifest_kv *kv = &filling->manifest->kv;
    const size_t left = filling->end - first;
    const size_t run = kv->splits == 1 ? left : kv->block - first % kv->block;
    const size_t rows = run < left ? run : left;
    return rows < most ? rows : most;
}

static void fill_array(struct filling *filling, size_t array, unsigned char *staging,
                       size_t staged_rows) {
    const struct manifest_kv *kv = &filling->manifest->kv;
    const size_t row_bytes = kv->row_elements * weight_dtype_bytes(kv->dtype);
    const size_t start = array * kv->splits * kv->split_positions * row_bytes;
    char name[32];
    snprintf(name, sizeof name, "kv %zu", array);
    const uint64_t key = random_weights_key(filling->seed, name);
    for (uint32_t first = filling->first; first < filling->end;) {
        const size_t rows = run_of(filling, first, staged_rows);
        for (size_t row = 0; row < rows; row++) // what is behind head_dim stays zero
            random_weights_fill(key, 1, kv->dtype, (first + row) * kv->head_dim, kv->head_dim,
                                staging + row * row_bytes);
        upload(filling, start + manifest_kv_row(kv, first) * row_bytes, staging, rows * row_bytes);
        first += (uint32_t)rows;
    }
}

static void fill_arrays(void *context) {
    struct filling *filling = context;
    const struct manifest_kv *kv = &filling->manifest->kv;
    const size_t row_bytes = kv->row_elements * weight_dtype_bytes(kv->dtype);
    const size_t staged_rows = STAGING_BYTES / row_bytes ? STAGING_BYTES / row_bytes : 1;
    unsigned char *staging = calloc(staged_rows, row_bytes);
    if (!staging) {
        pthread_mutex_lock(&filling->lock);
        if (!filling->failed)
            monogen_fail(filling->error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        filling->failed = true;
        pthread_mutex_unlock(&filling->lock);
        return;
    }
    for (size_t array; take_array(filling, &array);)
        fill_array(filling, array, staging, staged_rows);
    free(staging);
}

bool random_kv_fill(const struct manifest *manifest, uint32_t first, uint32_t end, uint64_t seed,
                    const struct backend *backend, struct device *device,
                    const struct device_memory *memory, struct monogen_error *error) {
    struct filling filling = {.manifest = manifest,
                              .backend = backend,
                              .device = device,
                              .memory = memory,
                              .first = first,
                              .end = end,
                              .seed = seed,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .error = error};
    if (first < end)
        parallel_run(fill_arrays, &filling);
    pthread_mutex_destroy(&filling.lock);
    return !filling.failed;
}
