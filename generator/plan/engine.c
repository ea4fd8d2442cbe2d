#include "generator/plan/engine.h"

#include "generator/base/text.h"
#include "generator/plan/plan.h"

#include <stddef.h>
#include <string.h>

#define LIST(...)                                                                                  \
    { __VA_ARGS__ }
static const struct engine engines[] = {
#define ENGINE(name, lane_bytes, prefetch_bytes, copy_bytes, expected_bytes, poll_pairs,           \
               tile_rows, unit_order, activation, dtypes, otherwise, tolerance, code_bytes)        \
    {#name,      lane_bytes, prefetch_bytes, copy_bytes, expected_bytes, poll_pairs, tile_rows,    \
     unit_order, activation, dtypes,         otherwise,  tolerance,      code_bytes},
#define HEADS(engine, head_dim, kv_dtype, groups, most_together)
#include "generator/plan/engine.def"
#undef ENGINE
#undef HEADS
};

// Heads that are attended to in fragments.
static const struct heads {
    const char *engine;
    int head_dim;
    const char *kv_dtype;
    int groups[ENGINE_MAX_GROUPS]; // query heads of a KV head; 0 ends
    int most_together;             // of them, where the waves that hand off take part too
} heads[] = {
#define ENGINE(...)
#define HEADS(engine, head_dim, kv_dtype, groups, most_together)                                   \
    {#engine, head_dim, kv_dtype, groups, most_together},
#include "generator/plan/engine.def"
#undef ENGINE
#undef HEADS
};

static int within(int value, int least, int most) {
    return value < least ? least : value > most ? most : value;
}

int engine_copy_bytes(const struct engine *engine, int unit_bytes, int streaming_waves) {
    int units = engine->copy_bytes > 0 ? streaming_waves : 0;
    while (units > 1 && (streaming_waves % units != 0 || units * unit_bytes > engine->copy_bytes))
        units--;
    return units * unit_bytes;
}

int engine_prefetch_units(const struct engine *engine, int bytes) {
    return engine->prefetch_bytes
               ? within(engine->prefetch_bytes / bytes, 1, ENGINE_MAX_PREFETCH_UNITS)
               : 0;
}

int engine_handoff_batch(const struct engine *engine, int wave_lanes) {
    return within(engine->poll_pairs / wave_lanes, 1, ENGINE_MAX_HANDOFF_BATCH);
}

int engine_activation_parts(const struct engine *engine, const char *dtype) {
    return engine->activation == ACTIVATION_FP32 ? 1 : strcmp(dtype, "fp16") == 0 ? 3 : 2;
}

const char *engine_precision(const struct engine *engine, const char *dtype) {
    const int parts = engine_activation_parts(engine, dtype);
    return parts == 1 ? "fp32" : parts == 2 ? "bf16x2" : "fp16x3";
}

// NULL: the engine attends to the shape's heads row by row.
static const struct heads *heads_of(const struct engine *engine, const struct plan_shape *shape) {
    const int group = shape->heads / shape->kv_heads;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const struct heads *row = &heads[i];
        if (strcmp(row->engine, engine->name) != 0 || row->head_dim != shape->head_dim ||
            strcmp(row->kv_dtype, shape->kv_dtype) != 0)
            continue;
        for (const int *can = row->groups; *can; can++)
            if (*can == group)
                return row;
    }
    return NULL;
}

const char *engine_attention(const struct engine *engine, const struct plan_shape *shape) {
    return heads_of(engine, shape) ? "fragments" : "rows";
}

int engine_attending_waves(const struct engine *engine, const struct plan_shape *shape,
                           int streaming_waves, int handoff_waves) {
    const struct heads *row = heads_of(engine, shape);
    const bool together = row && shape->heads <= row->most_together * shape->kv_heads;
    return streaming_waves + (together ? handoff_waves : 0);
}

bool engine_does_tile(const struct engine *engine, const char *dtype, int rows) {
    enum { INSTRUCTION_ROWS = 16, INSTRUCTION_COLUMNS = 8 };
    for (const int *can = engine->tile_rows; *can; can++)
        if (*can == rows)
            return engine->activation == ACTIVATION_FP32 ||
                   INSTRUCTION_ROWS / rows * engine_activation_parts(engine, dtype) <=
                       INSTRUCTION_COLUMNS;
    return false;
}

int engine_unit_bytes(const struct engine *engine, int size, int wave_lanes) {
    for (int i = 0; i < size; i++)
        if (engine->lane_bytes[i] == 0)
            return 0;
    return engine->lane_bytes[size] * wave_lanes;
}

bool engine_multiplies(const struct engine *engine, const char *dtype) {
    return word_is_one_of(engine->dtypes, dtype);
}

const struct engine *engine_named(const char *name) {
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (strcmp(engines[i].name, name) == 0)
            return &engines[i];
    return NULL;
}
