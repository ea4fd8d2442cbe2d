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
    region->bytes = (int64_t)region->rows * region->columns * dtype_bytes(plan->shape.weight_dtype);
    region_close(planning, region);
    plan->embedding = (struct plan_embedding){"embedding", NULL};
}

static int64_t round_up(int64_t bytes) { return (bytes + 15) / 16 * 16; }

static void vector_add(struct planning *planning, struct plan_vector vector) {
    struct plan_plan *plan = planning->plan;
    plan->vectors = arena_grow(planning->arena, plan->vectors, (size_t)plan->vectors_count,
                               sizeof *plan->vectors);
    plan->vectors[plan->vectors_count++] = vector;
}

// Where the weights of a norm lie; uses of one tensor share them.
static int64_t norm_offset(struct planning *planning, const struct node *norm) {
    struct plan_plan *plan = planning->plan;
    for (int i = 0; i < plan->vectors_count; i++)
        if (strcmp(plan->vectors[i].tensor, norm->tensor) == 0 &&
            strcmp(plan->vectors[i].holds, "norm") == 0 && plan->vectors[i].add == norm->add)
            return plan->vectors[i].offset;
    const int64_t offset = plan->vector_bytes;
    vector_add(planning, (struct plan_vector){.tensor = norm->tensor,
                                              .holds = "norm",
                                              .tensor_elements = norm->group,
                                              .offset = offset,
                                              .elements = norm->group,
                                              .stride = 1,
                                              .add = norm->add});
    plan->vector_bytes += round_up((int64_t)norm->group * 4);
    return offset;
}

// The biases of a stage's parts, each in the order of its packed rows; rows without one have 0.
static int64_t bias_offset(struct planning *planning, const struct plan_stage *stage, int rows) {
    struct plan_plan *plan = planning->plan;
    const int64_t offset = plan->vector_bytes;
    for (int i = 0; i < stage->parts_count; i++) {
        const struct plan_part *part = &stage->parts[i];
        const char *bias = planning->origin[stage->step].products[i]->bias;
        if (bias)
            vector_add(planning, (struct plan_vector){.tensor = bias,
                                                      .holds = "bias",
                                                      .tensor_elements = part->tensor_rows,
                                                      .tensor_first = part->tensor_first,
                                                      .offset = offset,
                                                      .elements = part->rows,
                                                      .first = part->first,
                                                      .stride = part->stride});
    }
    plan->vector_bytes += round_up((int64_t)rows * 4);
    return offset;
}

static void place_vectors(struct planning *planning, struct plan_stage *stage) {
    const struct stage_origin *origin = &planning->origin[stage->step];
    const struct plan_body *body = body_of_stage(planning, stage);
    if (origin->norm)
        stage->norm_offset = norm_offset(planning, origin->norm);
    if (origin->q_norm)
        stage->q_norm_offset = norm_offset(planning, origin->q_norm);
    if (origin->k_norm)
        stage->k_norm_offset = norm_offset(planning, origin->k_norm);
    if (body->bias)
        stage->bias_offset = bias_offset(planning, stage, body->rows);
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
        place_vectors(planning, stage);
        if (strcmp(body_of_stage(planning, stage)->op, "attention") == 0)
            stage->kv_offset = plan->kv.layer_bytes * layers_with_kv++;
    }
    plan->kv.bytes = plan->kv.layer_bytes * layers_with_kv;
    return true;
}
