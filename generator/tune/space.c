#include "generator/tune/space.h"

#include "generator/plan/engine.h"

// CUs beyond the processors: two may share one well where they wait for memory.
enum { CUS_BEYOND = 2 };

struct tune_space tune_space_of(const struct target *target, int processors, struct arena *arena) {
    const int *tile_rows = engine_named(target->engine)->tile_rows;
    const int there = target->xcd_count * target->cus_per_xcd;
    const int most = processors + CUS_BEYOND < there ? processors + CUS_BEYOND : there;
    int heights = 0;
    while (tile_rows[heights])
        heights++;
    struct tune_space space = {0};
    space.points = arena_array(arena, (size_t)most * (size_t)heights + 1, sizeof *space.points);
    space.points[space.point_count++] = (struct tune_point){.key_count = 0};
    for (int cus = 1; cus <= most; cus++)
        for (int i = 0; i < heights; i++)
            space.points[space.point_count++] = (struct tune_point){
                .keys = {"cus", "tile_rows"}, .values = {cus, tile_rows[i]}, .key_count = 2};
    return space;
}

char *tune_point_text(struct arena *arena, const struct tune_point *point) {
    if (point->key_count == 0)
        return arena_string(arena, "the planner's choice");
    struct text text = {0};
    for (int i = 0; i < point->key_count; i++)
        text_format(&text, "%s%s=%d", i ? " " : "", point->keys[i], point->values[i]);
    char *copy = arena_string(arena, text.bytes);
    text_close(&text);
    return copy;
}
