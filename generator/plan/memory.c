// Pass: where weights, vectors and KV lie. Weights: region "layers", each CU one run in the order
// of use; region "head", tile after tile, so that a tied embedding is read in place.
#include "generator/plan/passes.h"

#include <string.h>

static struct plan_region *region_add(struct planning *planning, const char *name,
                                      const char *layout) {
    struct plan_plan *plan = planning->plan;
    plan->regions = arena_grow(planning->arena, plan->regions, (size_t)plan->regions_count,
                               sizeof *plan->regions);
    struct plan_region *region = &plan->regions[plan->regions_count++];
    *region = (struct plan_region){.name = name, .layout = layout, .offset = plan->weight_bytes};
    return region;
}

static void region_close(struct planning *planning, const struct plan_region *region) {
    enum { REGION_ALIGNMENT = 4096 };
    planning->plan->weight_bytes = (region->offset + region->bytes + REGION_ALIGNMENT - 1) /
                                   REGION_ALIGNMENT * REGION_ALIGNMENT;
}

static bool streams(const struct plan_stage *stage, bool head) {
    return stage->parts_count > 0 && (stage->layer < 0) == head;
}

static void lay_out_tiles(struct planning *planning, const char *name, bool head) {
    struct plan_plan *plan = planning->plan;
    struct plan_region *region = region_add(planning, name, "tiles");
    const int cus = plan->machine.cus;
    region->cu_offset = arena_array(planning->arena, (size_t)cus, sizeof *region->cu_offset);
    region->cu_offset_count = cus;
    for (int cu = 0; cu < cus; cu++) {
        region->cu_offset[cu] = region->bytes;
        for (int s = 0; s < plan->stages_count; s++) {
            const struct plan_stage *stage = &plan->stages[s];
            if (!streams(stage, head))
                continue;
            const struct plan_body *body = body_of_stage(planning, stage);
            const struct plan_partition *partition = plan_partition_named(plan, body->partition);
            region->bytes += plan_tiles_of(partition, cu) * plan_tile_bytes(plan, body);
        }
    }
    for (int s = 0; s < plan->stages_count; s++) {
        struct plan_stage *stage = &plan->stages[s];
        if (!streams(stage, head))
            continue;
        const struct plan_body *body = body_of_stage(planning, stage);
        stage->region = name;
        stage->weight_bytes =
            plan_partition_named(plan, body->partition)->tiles * plan_tile_bytes(plan, body);
    }
    region_close(planning, region);
}

static void lay_out_embedding(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    if (strcmp(planning->embed_tensor, planning->head_tensor) == 0) {
        plan->embedding = (struct plan_embedding){"head", "lm_head"};
        choice_add(
            planning, "embedding", "in place", NULL,
            "tied: the row of a token is read from the head's tiles, nothing is stored twice");
        return;
    }
    struct plan_region *region = region_add(planning, "embedding", "rows");
    region->tensor = planning->embed_tensor;
    region->rows = plan->shape.vocab;
    region->columns = plan->shape.hidden;
    region->bytes = (int64_t)region->rows * region->columns * 2;
    region_close(planning, region);
    plan->embedding = (struct plan_embedding){"embedding", NULL};
}

static int64_t vector_offset(struct planning *planning, const char *tensor, int elements) {
    struct plan_plan *plan = planning->plan;
    for (int i = 0; i < plan->vectors_count; i++)
        if (strcmp(plan->vectors[i].tensor, tensor) == 0)
            return plan->vectors[i].offset;
    plan->vectors = arena_grow(planning->arena, plan->vectors, (size_t)plan->vectors_count,
                               sizeof *plan->vectors);
    struct plan_vector *vector = &plan->vectors[plan->vectors_count++];
    *vector = (struct plan_vector){tensor, plan->vector_bytes, elements, 0};
    plan->vector_bytes += ((int64_t)elements * 4 + 15) / 16 * 16;
    return vector->offset;
}

bool pass_memory(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    lay_out_tiles(planning, "layers", false);
    lay_out_tiles(planning, "head", true);
    lay_out_embedding(planning);
    // Prefetches run past the end of a slice: what lies there must be readable at the end too.
    plan->weight_bytes += (int64_t)(plan->engine.prefetch_units + 1) *
                          plan->machine.streaming_waves * plan->engine.unit_bytes;
    int layers_with_kv = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        struct plan_stage *stage = &plan->stages[s];
        const struct plan_body *body = body_of_stage(planning, stage);
        if (planning->norm[s])
            stage->vector_offset = vector_offset(planning, planning->norm[s], body->columns);
        if (strcmp(body->op, "attention") == 0)
            stage->kv_offset = plan->kv.layer_bytes * layers_with_kv++;
    }
    plan->kv.bytes = plan->kv.layer_bytes * layers_with_kv;
    return true;
}
