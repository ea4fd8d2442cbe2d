// Engine registry: engine.def as structs.
#ifndef GENERATOR_PLAN_ENGINE_H
#define GENERATOR_PLAN_ENGINE_H

enum { ENGINE_MAX_TILE_ROWS = 8 };

struct engine {
    const char *name;
    int lane_bytes;                      // of a unit: the weights that a wave loads at once
    int prefetch_units;                  // of a wave in flight across stages
    int handoff_batch;                   // pairs of a lane that one poll looks at
    int tile_rows[ENGINE_MAX_TILE_ROWS]; // rows of a tile it can do, best first; 0 ends
    const char *activation;              // precision of the activation
    double tolerance;                    // relative error of logits it is entitled to
    int body_code_bytes;                 // of one stage body, an estimate; 0: does not matter
};

// NULL where there is none of that name.
const struct engine *engine_named(const char *name);

#endif
