// The GPU backend: what hip and cuda have alike, which is all but their struct gpu_api.
#ifndef RUNTIME_BACKEND_GPU_H
#define RUNTIME_BACKEND_GPU_H

#include "runtime/backend/backend.h"
#include "runtime/backend/gpu_driver.h"

// The functions of struct backend, those with `api` for a function of the API that has one less
// parameter.
bool gpu_probe(const struct gpu_api *api, const char *isa, char *line, size_t bytes);
bool gpu_measure(const struct gpu_api *api, struct device_size *size);
struct device *gpu_open(const struct gpu_api *api, const struct manifest *manifest,
                        const char *kernel_folder, struct monogen_error *error);
void gpu_close(struct device *device);
bool gpu_allocate(struct device *device, size_t bytes, enum memory_kind kind,
                  struct device_memory *memory, struct monogen_error *error);
void gpu_release(struct device *device, struct device_memory *memory);
struct device_usage gpu_usage(const struct device *device);
bool gpu_upload(struct device *device, const struct device_memory *to, size_t offset,
                const void *from, size_t bytes, struct monogen_error *error);
bool gpu_download(struct device *device, void *to, const struct device_memory *from, size_t offset,
                  size_t bytes, struct monogen_error *error);
bool gpu_zero(struct device *device, const struct device_memory *memory,
              struct monogen_error *error);
bool gpu_launch(struct device *device, const void *argument_block, size_t bytes,
                struct monogen_error *error);
enum launch_state gpu_poll(struct device *device, struct monogen_error *error);
bool gpu_energy(struct device *device, double *joules);

// Defines the backend `variable` of the name `title` over an API.
#define GPU_BACKEND(variable, title, api)                                                          \
    static bool probe(const char *isa, char *line, size_t bytes) {                                 \
        return gpu_probe(&(api), isa, line, bytes);                                                \
    }                                                                                              \
    static bool measure(struct device_size *size) { return gpu_measure(&(api), size); }            \
    static struct device *open_device(const struct manifest *manifest, const char *kernel_folder,  \
                                      uint64_t seed, struct monogen_error *error) {                \
        (void)seed; /* what varies on a GPU no one can choose */                                   \
        return gpu_open(&(api), manifest, kernel_folder, error);                                   \
    }                                                                                              \
    const struct backend variable = {                                                              \
        .name = title,                                                                             \
        .probe = probe,                                                                            \
        .measure = measure,                                                                        \
        .open = open_device,                                                                       \
        .close = gpu_close,                                                                        \
        .allocate = gpu_allocate,                                                                  \
        .release = gpu_release,                                                                    \
        .usage = gpu_usage,                                                                        \
        .upload = gpu_upload,                                                                      \
        .download = gpu_download,                                                                  \
        .zero = gpu_zero,                                                                          \
        .launch = gpu_launch,                                                                      \
        .poll = gpu_poll,                                                                          \
        .energy = gpu_energy,                                                                      \
    }

#endif
