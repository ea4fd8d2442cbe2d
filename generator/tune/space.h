// Space: the points that the tuner tries. A point is a value for each tuning key that it sets.
#ifndef GENERATOR_TUNE_SPACE_H
#define GENERATOR_TUNE_SPACE_H

#include "generator/model/model.h"
#include "generator/target/target.h"

enum { TUNE_MAX_KEYS = 2 };

struct tune_point {
    const char *keys[TUNE_MAX_KEYS]; // tuning keys, as --set takes them
    int values[TUNE_MAX_KEYS];
    int key_count; // 0: the planner's own choice
};

struct tune_space {
    struct tune_point *points; // the planner's own choice first
    int point_count;
};

// CUs used (1 to `processors`, and a few more) times rows of a tile (each that the engine can do).
// A target with few CUs bounds the first. Arena-owned. Requires: the target's engine exists.
struct tune_space tune_space_of(const struct target *target, int processors, struct arena *arena);

// "cus=2 tile_rows=8", "the planner's choice".
char *tune_point_text(struct arena *arena, const struct tune_point *point);

#endif
