// Pass: rows are dealt to CUs in tiles. Tiles are contiguous per CU and spread evenly; the rows of
// the residual are dealt alike in every stage that adds to it, so that each CU keeps its own.
#include "generator/plan/passes.h"

#include <stdio.h>
#include <string.h>

struct tiling {
    int tile_rows, tiles, unit_columns, units, max_tiles;
    int64_t round_bytes; // what the fullest CU's waves stream, in whole rounds of units
    int64_t bytes;       // and what of it are weights
};

static int ceil_divide(int number, int by) { return (number + by - 1) / by; }

static struct tiling tiling_of(const struct planning *planning, const struct plan_body *body,
                               int tile_rows) {
    const struct plan_engine *engine = &planning->plan->engine;
    const struct plan_machine *machine = &planning->plan->machine;
    struct tiling tiling = {.tile_rows = tile_rows};
    tiling.tiles = ceil_divide(body->rows, tile_rows);
    tiling.unit_columns = engine->unit_elements / tile_rows;
    tiling.units = ceil_divide(body->columns, tiling.unit_columns);
    tiling.max_tiles = ceil_divide(tiling.tiles, machine->cus);
    const int waves = machine->streaming_waves, units = tiling.max_tiles * tiling.units;
    // From a ring, waves take units in turn; to registers, each tile's in turn.
    const int rounds = planning->engine->copy_bytes > 0
                           ? ceil_divide(units, waves)
                           : tiling.max_tiles * ceil_divide(tiling.units, waves);
    tiling.bytes = (int64_t)units * engine->unit_bytes;
    tiling.round_bytes = (int64_t)rounds * waves * engine->unit_bytes;
    return tiling;
}

static bool in_group(const struct plan_body *body, const char *partition) {
    return strcmp(body->op, "linear") == 0 && strcmp(body->partition, partition) == 0;
}

// The tiling of all products of a partition together.
static struct tiling price(const struct planning *planning, const char *partition, int tile_rows) {
    struct tiling sum = {.tile_rows = tile_rows};
    for (int i = 0; i < planning->plan->bodies_count; i++) {
        const struct plan_body *body = &planning->plan->bodies[i];
        if (!in_group(body, partition))
            continue;
        const struct tiling tiling = tiling_of(planning, body, tile_rows);
        sum.round_bytes += tiling.round_bytes;
        sum.bytes += tiling.bytes;
    }
    return sum;
}

static bool cheaper(const struct tiling *a, const struct tiling *b) {
    return a->round_bytes != b->round_bytes ? a->round_bytes < b->round_bytes : a->bytes < b->bytes;
}

// The tiling of a partition with the best of the heights that the engine can do: the one whose
// fullest CU is done first; at a tie the one that spreads the weights most, then the taller (fewer
// sums a row). tilings [ENGINE_MAX_TILE_ROWS]: all of them, *count; NULL: not wanted.
static struct tiling best_tiling(const struct planning *planning, const char *partition,
                                 struct tiling *tilings, int *count) {
    struct tiling best = {.round_bytes = INT64_MAX};
    for (const int *rows = planning->engine->tile_rows; *rows; rows++) {
        if (!engine_does_tile(planning->engine, planning->plan->shape.weight_dtype, *rows))
            continue;
        const struct tiling tiling = price(planning, partition, *rows);
        if (tilings)
            tilings[(*count)++] = tiling;
        if (planning->tuning->tile_rows ? *rows == planning->tuning->tile_rows
                                        : cheaper(&tiling, &best))
            best = tiling;
    }
    return best;
}

static int choose_tile_rows(struct planning *planning, const char *partition) {
    const char *alternatives[ENGINE_MAX_TILE_ROWS + 1] = {NULL};
    struct tiling tilings[ENGINE_MAX_TILE_ROWS];
    int count = 0;
    const struct tiling best = best_tiling(planning, partition, tilings, &count);
    for (int i = 0; i < count; i++)
        alternatives[i] = arena_format(
            planning->arena, "%d: %lld KiB in rounds, %lld KiB of weights", tilings[i].tile_rows,
            (long long)(tilings[i].round_bytes / 1024), (long long)(tilings[i].bytes / 1024));
    char name[96], value[16];
    snprintf(name, sizeof name, "tile_rows %s", partition);
    snprintf(value, sizeof value, "%d", best.tile_rows);
    choice_add(planning, name, value, alternatives,
               planning->tuning->tile_rows
                   ? "asked for (%lld KiB in whole rounds of units on the fullest CU)"
                   : "the fullest CU streams least: %lld KiB in whole rounds of units",
               (long long)(best.round_bytes / 1024));
    return best.tile_rows;
}

static void partition_add(struct planning *planning, const char *name, int tiles) {
    struct plan_plan *plan = planning->plan;
    if (plan_partition_named(plan, name))
        return;
    const int cus = plan->machine.cus;
    struct plan_partition *partition = &plan->partitions[plan->partitions_count++];
    *partition = (struct plan_partition){.name = name, .tiles = tiles, .first_tile_count = cus + 1};
    partition->first_tile = arena_array(planning->arena, (size_t)cus + 1, sizeof(int));
    for (int cu = 0; cu <= cus; cu++)
        partition->first_tile[cu] = (int)((int64_t)cu * tiles / cus);
}

static void partition_on_cu_0(struct planning *planning, const char *name) {
    struct plan_plan *plan = planning->plan;
    partition_add(planning, name, 1);
    struct plan_partition *partition = &plan->partitions[plan->partitions_count - 1];
    for (int cu = 1; cu <= plan->machine.cus; cu++)
        partition->first_tile[cu] = 1;
}

static void apply_tiling(struct planning *planning, struct plan_body *body, int tile_rows) {
    const struct tiling tiling = tiling_of(planning, body, tile_rows);
    body->tile_rows = tile_rows;
    body->unit_columns = tiling.unit_columns;
    body->units = tiling.units;
    body->max_tiles = tiling.max_tiles;
    partition_add(planning, body->partition, tiling.tiles);
}

static bool is(const char *word, const char *other) { return strcmp(word, other) == 0; }

static const char *partition_of(const struct planning *planning, const struct plan_body *body) {
    const bool everywhere = is(planning->plan->residual, "everywhere");
    if (is(body->op, "residual") || (is(body->op, "embed") && everywhere))
        return "keepers";
    if (is(body->epilogue, "residual") || is(body->op, "embed"))
        return "hidden";
    if (is(body->op, "attention"))
        return "kv_heads";
    if (is(body->op, "token"))
        return "every_cu";
    return body->name;
}

// A tile for each CU that multiplies the residual in some layer: these keep it. The head is dealt
// to them alone, as others would follow the layers without ever answering.
static void deal_to_keepers(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const int cus = plan->machine.cus;
    struct plan_partition *keepers = &plan->partitions[plan->partitions_count++];
    *keepers = (struct plan_partition){.name = "keepers", .first_tile_count = cus + 1};
    keepers->first_tile = arena_array(planning->arena, (size_t)cus + 1, sizeof(int));
    for (int cu = 0; cu < cus; cu++) {
        int keeps = 0;
        for (int i = 0; i < plan->bodies_count; i++) {
            const struct plan_body *body = &plan->bodies[i];
            if (is(body->input, "residual") && !is(body->epilogue, "logits"))
                keeps |= plan_tiles_of(plan_partition_named(plan, body->partition), cu) > 0;
        }
        keepers->first_tile[cu + 1] = keepers->first_tile[cu] + keeps;
    }
    keepers->tiles = keepers->first_tile[cus];
    for (int i = 0; i < plan->bodies_count; i++) {
        struct plan_body *body = &plan->bodies[i];
        if (is(body->partition, "keepers")) {
            body->tile_rows = body->max_tiles = body->pass_tiles = 1;
            continue;
        }
        if (!is(body->epilogue, "logits") || keepers->tiles == cus)
            continue;
        // As before, but among the keepers.
        int tiles = 0, most = 0;
        for (int p = 0; p < plan->partitions_count; p++) {
            struct plan_partition *partition = &plan->partitions[p];
            if (!is(partition->name, body->partition))
                continue;
            tiles = partition->tiles;
            for (int cu = 0; cu <= cus; cu++)
                partition->first_tile[cu] =
                    (int)((int64_t)keepers->first_tile[cu] * tiles / keepers->tiles);
            for (int cu = 0; cu < cus; cu++)
                most = plan_tiles_of(partition, cu) > most ? plan_tiles_of(partition, cu) : most;
        }
        body->max_tiles = most;
    }
}

// Dimensions of a head that one tile of the merge sums: few enough for all CUs to have some.
static int merge_rows(const struct planning *planning) {
    enum { FEWEST = 4 };
    const struct plan_shape *shape = &planning->plan->shape;
    int rows = shape->head_dim;
    while (rows % 2 == 0 && rows / 2 >= FEWEST &&
           shape->heads * (shape->head_dim / rows) < planning->plan->machine.cus)
        rows /= 2;
    return rows;
}

static void partition_body(struct planning *planning, struct plan_body *body, int hidden_rows) {
    const int cus = planning->plan->machine.cus;
    if (is(body->partition, "keepers"))
        return; // when all products are dealt
    if (is(body->op, "linear")) {
        const bool residual = is(body->epilogue, "residual");
        apply_tiling(planning, body,
                     residual ? hidden_rows : choose_tile_rows(planning, body->partition));
        return;
    }
    body->tile_rows = is(body->op, "embed")   ? hidden_rows
                      : is(body->op, "merge") ? merge_rows(planning)
                                              : 1;
    const int tiles = is(body->op, "token") ? cus
                                            : ceil_divide(body->rows, body->tile_rows) *
                                                  (is(body->op, "attention") ? body->splits : 1);
    if (is(body->op, "select"))
        partition_on_cu_0(planning, body->partition);
    else
        partition_add(planning, body->partition, tiles);
    body->max_tiles = body->pass_tiles = ceil_divide(tiles, cus);
}

// Bytes that all products of a token stream in units of the present size, with the tiles that are
// best for that: columns that do not fill a unit are padded.
static int64_t padded_bytes(const struct planning *planning) {
    const struct plan_plan *plan = planning->plan;
    int64_t bytes = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_body *body = plan_body_named(plan, plan->stages[s].body);
        if (!is(body->op, "linear"))
            continue;
        const int rows = best_tiling(planning, body->partition, NULL, NULL).tile_rows;
        const struct tiling tiling = tiling_of(planning, body, rows);
        bytes += (int64_t)tiling.tiles * tiling.units * plan->engine.unit_bytes;
    }
    return bytes;
}

// The size of a unit, where the engine can do several: the largest that pads no more than a
// hundredth above the least.
static void choose_unit(struct planning *planning) {
    struct plan_engine *engine = &planning->plan->engine;
    const int lanes = planning->plan->machine.wave_lanes;
    const int element_bytes = dtype_bytes(planning->plan->shape.weight_dtype);
    const char *alternatives[ENGINE_MAX_UNIT_SIZES + 1] = {NULL};
    int64_t bytes[ENGINE_MAX_UNIT_SIZES] = {0}, least = INT64_MAX;
    int count = 0;
    for (; engine_unit_bytes(planning->engine, count, lanes); count++) {
        engine->unit_bytes = engine_unit_bytes(planning->engine, count, lanes);
        engine->unit_elements = engine->unit_bytes / element_bytes;
        bytes[count] = padded_bytes(planning);
        least = bytes[count] < least ? bytes[count] : least;
        alternatives[count] = arena_format(planning->arena, "%d bytes: %lld MB with padding",
                                           engine->unit_bytes, (long long)(bytes[count] / 1000000));
    }
    const int wanted = planning->tuning->unit_bytes;
    int size = 0;
    while (size < count - 1 && (wanted ? engine_unit_bytes(planning->engine, size, lanes) != wanted
                                       : bytes[size] > least + least / 100))
        size++;
    engine->unit_bytes = engine_unit_bytes(planning->engine, size, lanes);
    engine->unit_elements = engine->unit_bytes / element_bytes;
    if (count == 1)
        return;
    char value[16];
    snprintf(value, sizeof value, "%d", engine->unit_bytes);
    choice_add(planning, "unit_bytes", value, alternatives,
               wanted ? "asked for" : "the largest unit that adds at most a hundredth of padding");
}

// How much of the weights is under way: copies of whole units to a ring, or units to registers.
static void choose_copies(struct planning *planning) {
    const struct tuning *tuning = planning->tuning;
    const struct engine *row = planning->engine;
    struct plan_engine *engine = &planning->plan->engine;
    const int waves = planning->plan->machine.streaming_waves;
    engine->copy_bytes = engine_copy_bytes(row, engine->unit_bytes, waves);
    const int bytes = engine->copy_bytes ? engine->copy_bytes : engine->unit_bytes * waves;
    engine->prefetch_units = tuning->prefetch_units && row->prefetch_bytes
                                 ? tuning->prefetch_units
                                 : engine_prefetch_units(row, bytes);
    const int64_t expected_bytes =
        tuning->expected_kib ? (int64_t)tuning->expected_kib * 1024 : row->expected_bytes;
    engine->expected_bytes =
        engine->copy_bytes ? (int)(expected_bytes / engine->copy_bytes * engine->copy_bytes) : 0;
}

bool pass_partition(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const bool everywhere = is(plan->residual, "everywhere");
    plan->partitions =
        arena_array(planning->arena, (size_t)plan->bodies_count + 1, sizeof *plan->partitions);
    for (int i = 0; i < plan->bodies_count; i++)
        plan->bodies[i].partition = partition_of(planning, &plan->bodies[i]);
    if (planning->tuning->tile_rows &&
        !engine_does_tile(planning->engine, plan->shape.weight_dtype, planning->tuning->tile_rows))
        return usage_error(planning->diagnostics, "--set tile_rows=%d: engine %s has no such tile",
                           planning->tuning->tile_rows, planning->engine->name);
    choose_unit(planning);
    if (planning->tuning->unit_bytes && planning->tuning->unit_bytes != plan->engine.unit_bytes)
        return usage_error(planning->diagnostics,
                           "--set unit_bytes=%d: engine %s has no such unit, for waves of %d lanes",
                           planning->tuning->unit_bytes, planning->engine->name,
                           plan->machine.wave_lanes);
    choose_copies(planning);
    const int hidden_rows = everywhere ? 0 : choose_tile_rows(planning, "hidden");
    for (int i = 0; i < plan->bodies_count; i++)
        partition_body(planning, &plan->bodies[i], hidden_rows);
    if (everywhere)
        deal_to_keepers(planning);
    return true;
}
