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
#include "generator/plan/engine.def"
#undef ENGINE
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

int engine_prefetch_units(const struct engine *engine, int unit_bytes, int streaming_waves) {
    if (engine->prefetch_bytes == 0)
        return 0;
    const int copy_bytes = engine_copy_bytes(engine, unit_bytes, streaming_waves);
    return within(engine->prefetch_bytes / (copy_bytes ? copy_bytes : unit_bytes * streaming_waves),
                  1, ENGINE_MAX_PREFETCH_UNITS);
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

const char *engine_attention(const struct engine *engine, const struct plan_shape *shape) {
    // 64 columns are what 8 lanes load of a row. An instruction takes two parts of 8 heads; of
    // those of 128 columns registers hold 1, 2 or 4 (with 3, compilers spill a few).
    enum { COLUMNS = 64 };
    const int64_t group = shape->heads / shape->kv_heads;
    const bool fits = (shape->head_dim == COLUMNS && group <= 8) ||
                      (shape->head_dim == 2 * COLUMNS && (group <= 2 || group == 4));
    return engine->activation == ACTIVATION_SPLIT && fits && strcmp(shape->kv_dtype, "bf16") == 0
               ? "fragments"
               : "rows";
}

int engine_attending_waves(const struct engine *engine, const struct plan_shape *shape,
                           int streaming_waves, int handoff_waves) {
    enum { MOST_COLUMNS = 64, MOST_HEADS = 4 };
    const bool all = strcmp(engine_attention(engine, shape), "fragments") == 0 &&
                     shape->head_dim <= MOST_COLUMNS &&
                     shape->heads <= MOST_HEADS * shape->kv_heads;
    return streaming_waves + (all ? handoff_waves : 0);
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
