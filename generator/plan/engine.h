// Engine registry: engine.def as structs.
#ifndef GENERATOR_PLAN_ENGINE_H
#define GENERATOR_PLAN_ENGINE_H

#include <stdbool.h>

struct plan_shape;

enum {
    ENGINE_MAX_TILE_ROWS = 8,
    ENGINE_MAX_UNIT_SIZES = 8,
    ENGINE_MAX_GROUPS = 9,
    ENGINE_MAX_PREFETCH_UNITS = 16,
    ENGINE_MAX_HANDOFF_BATCH = 32,
    ENGINE_MAX_RING_COPIES = 64,
    ENGINE_MAX_EXPECTED_BYTES = 4096 << 10,
};

// How a product's input lies in LDS.
enum engine_activation {
    ACTIVATION_FP32,
    ACTIVATION_SPLIT, // a sum of parts in the type of the weights, each a column of a matrix
};

struct engine {
    const char *name;
    int lane_bytes[ENGINE_MAX_UNIT_SIZES]; // of a unit, which a wave multiplies at once; 0 ends
    int prefetch_bytes; // of weights that a CU has in flight; 0: none across stages
    int copy_bytes; // of weights that one copy to the ring in LDS brings at most; 0: there is none
    int expected_bytes; // of weights that a CU asks for beyond the ring, into the L2 cache
    int poll_pairs;     // that one poll of a wave looks at
    int tile_rows[ENGINE_MAX_TILE_ROWS]; // rows of a tile it can do, best first; 0 ends
    const char *unit_order;              // of the weights in a unit: runtime/weights.h
    enum engine_activation activation;
    const char *dtypes;    // of weights it multiplies, as in "bf16|fp16"
    const char *otherwise; // the engine for the others; NULL: there are none
    double tolerance;      // relative error of logits it is entitled to
    int body_code_bytes;   // of one stage body, an estimate; 0: does not matter
};

// What becomes of prefetch_bytes and poll_pairs where no tuning key says otherwise: copies to the
// ring of so many bytes under way, or units of a wave where a unit of each is so many (1 to 16, or
// 0 where the engine has none), and pairs of a lane (1 to 32).
int engine_prefetch_units(const struct engine *engine, int bytes);
int engine_handoff_batch(const struct engine *engine, int wave_lanes);

// Bytes of a copy to the ring, 0 where the engine has none: as many units as may be, each another
// wave's, so that a place of the ring is always used by equally many waves.
int engine_copy_bytes(const struct engine *engine, int unit_bytes, int streaming_waves);

// Parts that an activation is split into beside weights of `dtype` (1: it is not split), and the
// name of that precision: "fp32", "bf16x2", "fp16x3". Two parts of bf16 hold 16 bits of an fp32
// value; of fp16, one part is for what is beyond fp16's range, and two hold 22 bits of the rest.
int engine_activation_parts(const struct engine *engine, const char *dtype);
const char *engine_precision(const struct engine *engine, const char *dtype);

// How attention takes K and V of such heads: "rows" one by one, or in the "fragments" of matrix
// instructions. Requires: kv_heads is above 0, here and below.
const char *engine_attention(const struct engine *engine, const struct plan_shape *shape);

// Waves that take positions of attention: those that multiply, and where heads are small and few
// enough to leave them registers, those that hand off.
int engine_attending_waves(const struct engine *engine, const struct plan_shape *shape,
                           int streaming_waves, int handoff_waves);

// Whether tiles can have so many rows: where an activation is split, the 16 rows of a matrix
// instruction are `rows` rows of 16 / rows parts of the columns, and each of these takes a column
// of the instruction's 8 for each part of the activation.
bool engine_does_tile(const struct engine *engine, const char *dtype, int rows);

// Bytes of a unit of the engine's size number `size`; 0 past the last.
int engine_unit_bytes(const struct engine *engine, int size, int wave_lanes);

bool engine_multiplies(const struct engine *engine, const char *dtype);

// NULL where there is none of that name.
const struct engine *engine_named(const char *name);

#endif
