// Engine registry: engine.def as structs.
#ifndef GENERATOR_PLAN_ENGINE_H
#define GENERATOR_PLAN_ENGINE_H

enum { ENGINE_MAX_TILE_ROWS = 8, ENGINE_MAX_PREFETCH_UNITS = 16, ENGINE_MAX_HANDOFF_BATCH = 32 };

struct engine {
    const char *name;
    int lane_bytes;     // of a unit: the weights that a wave loads at once
    int prefetch_bytes; // of weights that a CU has in flight across stages; 0: none
    int poll_pairs;     // that one poll of a wave looks at
    int tile_rows[ENGINE_MAX_TILE_ROWS]; // rows of a tile it can do, best first; 0 ends
    const char *activation;              // precision of the activation
    double tolerance;                    // relative error of logits it is entitled to
    int body_code_bytes;                 // of one stage body, an estimate; 0: does not matter
};

// What a machine's waves make of prefetch_bytes and poll_pairs where no tuning key says otherwise:
// units of a wave in flight (1 to 16, or 0 where the engine has none), and pairs of a lane (1 to
// 32).
int engine_prefetch_units(const struct engine *engine, int streaming_waves, int wave_lanes);
int engine_handoff_batch(const struct engine *engine, int wave_lanes);

// NULL where there is none of that name.
const struct engine *engine_named(const char *name);

#endif
