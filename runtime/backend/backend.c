#include "runtime/backend/backend.h"

#include <string.h>

const struct backend *const backends[] = {&backend_hip, &backend_cuda, &backend_host, &backend_sim,
                                          NULL};

void device_usage_add(struct device_usage *usage, const struct device_memory *memory) {
    if (memory->kind == MEMORY_HOST_VISIBLE)
        return;
    usage->bytes += memory->bytes;
    usage->most_bytes = usage->bytes > usage->most_bytes ? usage->bytes : usage->most_bytes;
}

void device_usage_remove(struct device_usage *usage, const struct device_memory *memory) {
    if (memory->kind != MEMORY_HOST_VISIBLE)
        usage->bytes -= memory->bytes;
}

const struct backend *backend_by_name(const char *name) {
    for (size_t i = 0; backends[i]; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

bool backend_runs(const struct backend *backend, const char *target_backend) {
    return strcmp(backend->kernels_of ? backend->kernels_of : backend->name, target_backend) == 0;
}
