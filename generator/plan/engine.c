#include "generator/plan/engine.h"

#include <stddef.h>
#include <string.h>

#define TILE_ROWS(...)                                                                             \
    { __VA_ARGS__ }
static const struct engine engines[] = {
#define ENGINE(name, lane_bytes, prefetch_units, handoff_batch, tile_rows, activation, tolerance,  \
               code_bytes)                                                                         \
    {#name,     lane_bytes, prefetch_units, handoff_batch,                                         \
     tile_rows, activation, tolerance,      code_bytes},
#include "generator/plan/engine.def"
#undef ENGINE
};

const struct engine *engine_named(const char *name) {
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (strcmp(engines[i].name, name) == 0)
            return &engines[i];
    return NULL;
}
