#include "generator/plan/engine.h"

#include <stddef.h>
#include <string.h>

#define TILE_ROWS(...)                                                                             \
    { __VA_ARGS__ }
static const struct engine engines[] = {
#define ENGINE(name, lane_bytes, prefetch_bytes, poll_pairs, tile_rows, activation, tolerance,     \
               code_bytes)                                                                         \
    {#name, lane_bytes, prefetch_bytes, poll_pairs, tile_rows, activation, tolerance, code_bytes},
#include "generator/plan/engine.def"
#undef ENGINE
};

static int within(int value, int least, int most) {
    return value < least ? least : value > most ? most : value;
}

int engine_prefetch_units(const struct engine *engine, int streaming_waves, int wave_lanes) {
    if (engine->prefetch_bytes == 0)
        return 0;
    const int unit_bytes = engine->lane_bytes * wave_lanes;
    return within(engine->prefetch_bytes / (unit_bytes * streaming_waves), 1,
                  ENGINE_MAX_PREFETCH_UNITS);
}

int engine_handoff_batch(const struct engine *engine, int wave_lanes) {
    return within(engine->poll_pairs / wave_lanes, 1, ENGINE_MAX_HANDOFF_BATCH);
}

const struct engine *engine_named(const char *name) {
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (strcmp(engines[i].name, name) == 0)
            return &engines[i];
    return NULL;
}
