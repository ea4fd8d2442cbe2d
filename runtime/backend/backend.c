#include "runtime/backend/backend.h"

#include <string.h>

const struct backend *const backends[] = {&backend_hip, &backend_cuda, &backend_host, NULL};

const struct backend *backend_by_name(const char *name) {
    for (size_t i = 0; backends[i]; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}
