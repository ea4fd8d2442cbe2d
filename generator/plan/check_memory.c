// Rules `overlap`, `packing` and `capacity`: where things lie, and whether they fit.
#include "generator/plan/check_rules.h"

#include <stdlib.h>
#include <string.h>

struct extent {
    int64_t first, end;
    const char *name;
};

static int compare_extents(const void *left, const void *right) {
    const struct extent *a = left, *b = right;
    return a->first < b->first ? -1 : a->first > b->first;
}

// The extents must lie below `end` and share nothing. Reorders them.
static void check_disjoint(struct checking *checking, const char *arena_name,
                           struct extent *extents, int count, int64_t end) {
    qsort(extents, (size_t)count, sizeof *extents, compare_extents);
    for (int i = 0; i < count; i++) {
        if (extents[i].end > end)
            violation(checking, "%s takes %lld to %lld of the %s, which ends at %lld",
                      extents[i].name, (long long)extents[i].first, (long long)extents[i].end,
                      arena_name, (long long)end);
        if (i > 0 && extents[i].first < extents[i - 1].end)
            violation(checking, "%s starts at %lld of the %s, %s ends at %lld", extents[i].name,
                      (long long)extents[i].first, arena_name, extents[i - 1].name,
                      (long long)extents[i - 1].end);
    }
}

static void check_alignment(struct checking *checking, const char *name, int64_t offset) {
    if (offset % 16 != 0)
        violation(checking, "%s starts at byte %lld, which is no multiple of 16", name,
                  (long long)offset);
}

// Mailboxes never share pairs, whatever their stages: CUs are not in step with each other, and the
// epochs of two mailboxes are the same numbers.
static void check_mailboxes(struct checking *checking, struct extent *extents) {
    const struct plan_plan *plan = checking->plan;
    for (int i = 0; i < plan->mailboxes_count; i++) {
        const struct plan_mailbox *mailbox = &plan->mailboxes[i];
        extents[i] = (struct extent){mailbox->first_pair,
                                     (int64_t)mailbox->first_pair + mailbox->pairs, mailbox->name};
        check_alignment(checking, mailbox->name, extents[i].first * 8); // loads may take two pairs
        int first = -1, last = -1;
        for (int s = 0; s < plan->stages_count; s++) {
            if (checking->reads_from[s] != mailbox && checking->writes_to[s] != mailbox)
                continue;
            first = first < 0 ? s : first;
            last = s;
        }
        if (mailbox->first_stage != first || mailbox->last_stage != last)
            violation(checking,
                      "mailbox %s is said to live from stage %d to %d, lives from %d to "
                      "%d",
                      mailbox->name, mailbox->first_stage, mailbox->last_stage, first, last);
    }
    check_disjoint(checking, "mailbox arena", extents, plan->mailboxes_count, plan->mailbox_pairs);
}

// Biases of one stage may interleave: each float belongs to one vector.
static void check_vectors(struct checking *checking) {
    enum { MOST_FLOATS = 1 << 26 };
    const struct plan_plan *plan = checking->plan;
    const int64_t floats = plan->vector_bytes / 4;
    if (floats > MOST_FLOATS) {
        violation(checking, "vectors of %lld bytes are too many", (long long)plan->vector_bytes);
        return;
    }
    bool *taken = arena_array(checking->arena, (size_t)floats + 1, sizeof *taken);
    for (int i = 0; i < plan->vectors_count; i++) {
        const struct plan_vector *vector = &plan->vectors[i];
        check_alignment(checking, vector->tensor, vector->offset);
        if (vector->stride < 1 || vector->elements < 1 ||
            (int64_t)vector->tensor_first + vector->elements > vector->tensor_elements) {
            violation(checking, "%s: elements %d to %d of %d by %d", vector->tensor,
                      vector->tensor_first, vector->tensor_first + vector->elements,
                      vector->tensor_elements, vector->stride);
            continue;
        }
        for (int64_t j = 0; j < vector->elements; j++) {
            const int64_t at = vector->offset / 4 + vector->first + j * vector->stride;
            if (at >= floats || taken[at]) {
                violation(checking,
                          "%s: element %lld goes to float %lld of the vectors, which is %s",
                          vector->tensor, (long long)j, (long long)at,
                          at >= floats ? "not there" : "another's");
                break;
            }
            taken[at] = true;
        }
    }
}

void rule_overlap(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    int most = plan->mailboxes_count + plan->regions_count;
    most = plan->stages_count > most ? plan->stages_count : most;
    struct extent *extents = arena_array(checking->arena, (size_t)most, sizeof *extents);
    check_mailboxes(checking, extents);
    for (int i = 0; i < plan->regions_count; i++) {
        const struct plan_region *region = &plan->regions[i];
        check_alignment(checking, region->name, region->offset);
        extents[i] = (struct extent){region->offset, region->offset + region->bytes, region->name};
    }
    check_disjoint(checking, "weights", extents, plan->regions_count, plan->weight_bytes);
    check_vectors(checking);
    int count = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        const int64_t offset = plan->stages[s].kv_offset;
        if (offset < 0)
            continue;
        check_alignment(checking, stage_name(checking, s), offset);
        extents[count++] =
            (struct extent){offset, offset + plan->kv.layer_bytes, stage_name(checking, s)};
    }
    check_disjoint(checking, "KV cache", extents, count, plan->kv.bytes);
}

// Which tensor row a packed row is, as the epilogue takes it: `filler` counts what fills each row.
static void check_parts(struct checking *checking, int s, int *filler) {
    const struct plan_stage *stage = &checking->plan->stages[s];
    const struct plan_body *body = checking->body_of[s];
    const bool gate = has_epilogue(body, "gate");
    int64_t filled = 0;
    for (int i = 0; i < stage->parts_count; i++) {
        const struct plan_part *part = &stage->parts[i];
        if (part->stride != (gate ? 2 : 1) || (gate && part->first != i))
            violation(checking,
                      "%s: %s fills %d rows from %d by %d: its epilogue (%s) finds them by %d",
                      stage_name(checking, s), part->tensor, part->rows, part->first, part->stride,
                      body->epilogue, gate ? 2 : 1);
        if ((int64_t)part->tensor_first + part->rows > part->tensor_rows)
            violation(checking, "%s: rows %d to %d of %s, which has %d", stage_name(checking, s),
                      part->tensor_first, part->tensor_first + part->rows, part->tensor,
                      part->tensor_rows);
        for (int64_t j = 0; j < part->rows; j++) {
            const int64_t row = part->first + j * part->stride;
            if (row >= body->rows || filler[row] == s + 1) {
                violation(checking,
                          "%s: row %lld of %s goes to packed row %lld of %d, which is "
                          "%s",
                          stage_name(checking, s), (long long)j, part->tensor, (long long)row,
                          body->rows, row >= body->rows ? "not there" : "filled already");
                return;
            }
            filler[row] = s + 1;
        }
        filled += part->rows;
    }
    if (filled != body->rows)
        violation(checking, "%s: its parts fill %lld of %d rows", stage_name(checking, s),
                  (long long)filled, body->rows);
}

// Slices of one tensor are the same, as where layers share weights, or have no row in common; in
// one stage they are the same only where they are the whole tensor.
struct slice {
    const struct plan_part *part;
    int stage;
};

static int compare_slices(const void *left, const void *right) {
    const struct slice *a = left, *b = right;
    const int order = strcmp(a->part->tensor, b->part->tensor);
    return order ? order
           : a->part->tensor_first != b->part->tensor_first
               ? a->part->tensor_first - b->part->tensor_first
               : a->stage - b->stage;
}

static void check_slices(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    int count = 0;
    for (int s = 0; s < plan->stages_count; s++)
        count += plan->stages[s].parts_count;
    struct slice *slices = arena_array(checking->arena, (size_t)count, sizeof *slices);
    count = 0;
    for (int s = 0; s < plan->stages_count; s++)
        for (int i = 0; i < plan->stages[s].parts_count; i++)
            slices[count++] = (struct slice){&plan->stages[s].parts[i], s};
    qsort(slices, (size_t)count, sizeof *slices, compare_slices);
    for (int i = 1; i < count; i++) {
        const struct plan_part *part = slices[i].part, *before = slices[i - 1].part;
        if (strcmp(part->tensor, before->tensor) != 0)
            continue;
        const bool same =
            part->tensor_first == before->tensor_first && part->rows == before->rows &&
            (slices[i].stage != slices[i - 1].stage || part->rows == part->tensor_rows);
        if (part->tensor_rows != before->tensor_rows ||
            (!same && part->tensor_first < before->tensor_first + before->rows))
            violation(checking, "%s takes rows %d to %d of %d of %s, %s takes rows %d to %d of %d",
                      stage_name(checking, slices[i].stage), part->tensor_first,
                      part->tensor_first + part->rows - 1, part->tensor_rows, part->tensor,
                      stage_name(checking, slices[i - 1].stage), before->tensor_first,
                      before->tensor_first + before->rows - 1, before->tensor_rows);
    }
}

static const struct plan_vector *vector_at(const struct plan_plan *plan, int64_t offset) {
    for (int i = 0; i < plan->vectors_count; i++)
        if (plan->vectors[i].offset == offset)
            return &plan->vectors[i];
    return NULL;
}

// wanted: elements; 0: the stage has none.
static void check_norm(struct checking *checking, int s, const char *what, int64_t offset,
                       int64_t wanted) {
    const struct plan_vector *vector = offset < 0 ? NULL : vector_at(checking->plan, offset);
    if ((offset < 0) != (wanted == 0) ||
        (wanted > 0 && (!vector || strcmp(vector->holds, "norm") != 0 ||
                        vector->elements != wanted || vector->first != 0 || vector->stride != 1)))
        violation(checking, "%s: its %s wants %lld weights, at %lld there are %d",
                  stage_name(checking, s), what, (long long)wanted, (long long)offset,
                  vector ? vector->elements : 0);
}

static int64_t head_norm(const struct plan_shape *shape, const char *norm, int heads) {
    return strcmp(norm, "none") == 0   ? 0
           : strcmp(norm, "head") == 0 ? shape->head_dim
                                       : (int64_t)heads * shape->head_dim;
}

static void check_norms(struct checking *checking, int s) {
    const struct plan_stage *stage = &checking->plan->stages[s];
    const struct plan_shape *shape = &checking->plan->shape;
    const struct plan_body *body = checking->body_of[s];
    const int elements = is_op(body, "residual") ? body->rows : body->columns;
    check_norm(checking, s, "norm", stage->norm_offset,
               strcmp(body->prologue, "rmsnorm") == 0 ? elements : 0);
    check_norm(checking, s, "norm of q", stage->q_norm_offset,
               head_norm(shape, body->q_norm, shape->heads));
    check_norm(checking, s, "norm of k", stage->k_norm_offset,
               head_norm(shape, body->k_norm, shape->kv_heads));
}

// Whether the vector adds to the rows of a part what belongs to them: the same slice of the bias.
static bool is_of_part(const struct plan_vector *vector, const struct plan_part *part) {
    return vector->tensor_elements == part->tensor_rows &&
           vector->tensor_first == part->tensor_first && vector->elements == part->rows &&
           vector->first == part->first && vector->stride == part->stride;
}

static bool is_of_a_part(const struct plan_vector *vector, const struct plan_stage *stage) {
    for (int i = 0; i < stage->parts_count; i++)
        if (is_of_part(vector, &stage->parts[i]))
            return true;
    return false;
}

// The floats of a stage's bias are its own: they are 0 but for what its vectors fill.
static void check_bias(struct checking *checking, int s) {
    const struct plan_plan *plan = checking->plan;
    const int64_t offset = plan->stages[s].bias_offset;
    const struct plan_body *body = checking->body_of[s];
    if ((offset >= 0) != body->bias || (body->bias && !is_op(body, "linear")))
        violation(checking, "%s has its bias at %lld", stage_name(checking, s), (long long)offset);
    if (offset < 0)
        return;
    check_alignment(checking, stage_name(checking, s), offset);
    const int64_t end = offset + body->rows * 4LL;
    if (end > plan->vector_bytes)
        violation(checking, "%s has its bias up to byte %lld of %lld", stage_name(checking, s),
                  (long long)end, (long long)plan->vector_bytes);
    for (int i = 0; i < plan->vectors_count; i++) {
        const struct plan_vector *vector = &plan->vectors[i];
        const int64_t first = vector->offset + 4LL * vector->first;
        const int64_t last =
            first + 4LL * (vector->elements - 1LL) * (vector->stride > 0 ? vector->stride : 1);
        if (last < offset || first >= end)
            continue;
        if (strcmp(vector->holds, "bias") != 0 || vector->offset != offset || last >= end)
            violation(checking, "%s has its bias where %s lies", stage_name(checking, s),
                      vector->tensor);
        else if (!is_of_a_part(vector, &plan->stages[s]))
            violation(checking, "%s: elements %d to %d of %s are no part's bias",
                      stage_name(checking, s), vector->tensor_first,
                      vector->tensor_first + vector->elements - 1, vector->tensor);
    }
}

static void check_attention_numbers(struct checking *checking, int s) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_stage *stage = &plan->stages[s];
    const struct plan_body *body = checking->body_of[s];
    const bool rotates = body->rope_dims > 0;
    if ((stage->kv_offset >= 0) != is_op(body, "attention"))
        violation(checking, "%s has its KV at %lld", stage_name(checking, s),
                  (long long)stage->kv_offset);
    if ((stage->rope >= 0) != rotates || stage->rope >= plan->ropes_count ||
        (rotates && plan->ropes[stage->rope].pairs * 2 != body->rope_dims))
        violation(checking, "%s rotates %d dimensions by table %d of %d", stage_name(checking, s),
                  body->rope_dims, stage->rope, plan->ropes_count);
    if (stage->window != 0 && !is_op(body, "attention"))
        violation(checking, "%s has a window of %d and no attention", stage_name(checking, s),
                  stage->window);
}

static void check_stage(struct checking *checking, int s, int *filler) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_stage *stage = &plan->stages[s];
    const struct plan_body *body = checking->body_of[s];
    const bool linear = is_op(body, "linear");
    check_norms(checking, s);
    check_bias(checking, s);
    check_attention_numbers(checking, s);
    const char *region = !linear ? NULL : has_epilogue(body, "logits") ? "head" : "layers";
    if ((region == NULL) != (stage->region == NULL) ||
        (region && strcmp(region, stage->region) != 0))
        violation(checking, "%s streams from region %s, its template from %s",
                  stage_name(checking, s), stage->region ? stage->region : "none",
                  region ? region : "none");
    const int64_t tiles = checking->partition_of[body_index(checking, body)]->tiles;
    const int64_t bytes = linear ? tiles * plan_tile_bytes(plan, body) : 0;
    if (stage->weight_bytes != bytes)
        violation(checking, "%s streams %lld bytes, its tiles have %lld", stage_name(checking, s),
                  (long long)stage->weight_bytes, (long long)bytes);
    if (linear)
        check_parts(checking, s, filler);
    else if (stage->parts_count > 0)
        violation(checking, "%s has parts and streams no weights", stage_name(checking, s));
}

// What no stage looks at was meant for one that looks elsewhere.
static void check_uses(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    for (int i = 0; i < plan->vectors_count; i++) {
        const int64_t offset = plan->vectors[i].offset;
        bool used = false;
        for (int s = 0; s < plan->stages_count && !used; s++) {
            const struct plan_stage *stage = &plan->stages[s];
            used = stage->norm_offset == offset || stage->bias_offset == offset ||
                   stage->q_norm_offset == offset || stage->k_norm_offset == offset;
        }
        if (!used)
            violation(checking, "no stage uses %s at %lld of the vectors", plan->vectors[i].tensor,
                      (long long)offset);
    }
}

static bool streams_from(const struct plan_stage *stage, const struct plan_region *region) {
    return stage->region && strcmp(stage->region, region->name) == 0;
}

// CU by CU, each CU's stages in order. Also: a wave that prefetches loads the first tile of a stage
// even where the CU has none, so that this tile must lie in the arena.
static void check_tiles_region(struct checking *checking, const struct plan_region *region) {
    const struct plan_plan *plan = checking->plan;
    int64_t at = 0;
    if (region->cu_offset_count != plan->machine.cus) {
        violation(checking, "region %s has %d offsets for %d CUs", region->name,
                  region->cu_offset_count, plan->machine.cus);
        return;
    }
    for (int cu = 0; cu < plan->machine.cus; cu++) {
        if (region->cu_offset[cu] != at)
            violation(checking, "region %s: CU %d starts at %lld, what lies before it ends at %lld",
                      region->name, cu, (long long)region->cu_offset[cu], (long long)at);
        for (int s = 0; s < plan->stages_count; s++) {
            if (!streams_from(&plan->stages[s], region))
                continue;
            const struct plan_body *body = checking->body_of[s];
            const int b = body_index(checking, body);
            const int64_t tile_bytes = plan_tile_bytes(plan, body);
            if (plan->engine.prefetch_units > 0 &&
                region->offset + at + tile_bytes > plan->weight_bytes)
                violation(checking, "%s: CU %d prefetches up to byte %lld of %lld",
                          stage_name(checking, s), cu,
                          (long long)(region->offset + at + tile_bytes),
                          (long long)plan->weight_bytes);
            at += plan_tiles_of(checking->partition_of[b], cu) * tile_bytes;
        }
    }
    if (region->bytes != at || at == 0)
        violation(checking, "region %s has %lld bytes, its stages %lld", region->name,
                  (long long)region->bytes, (long long)at);
    if (region->tensor)
        violation(checking, "region %s is of tiles and of tensor %s", region->name, region->tensor);
}

static void check_rows_region(struct checking *checking, const struct plan_region *region) {
    if (!region->tensor || region->rows < 1 || region->columns < 1 ||
        region->cu_offset_count != 0 ||
        region->bytes != (int64_t)region->rows * region->columns *
                             dtype_bytes(checking->plan->shape.weight_dtype))
        violation(checking, "region %s has %lld bytes for %d rows of %d %s of tensor %s",
                  region->name, (long long)region->bytes, region->rows, region->columns,
                  checking->plan->shape.weight_dtype, region->tensor ? region->tensor : "none");
}

// The embedding is read by token and column: from a matrix, or from the tiles of the head, which
// then lie one after the other in a region of their own, the tensor's rows in their order.
static void check_embedding(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_region *region = plan_region_named(plan, plan->embedding.region);
    if (!plan->embedding.body) {
        if (strcmp(region->layout, "rows") != 0 || region->rows != plan->shape.vocab ||
            region->columns != plan->shape.hidden)
            violation(checking, "embedding: region %s is no matrix of %d rows and %d columns",
                      region->name, plan->shape.vocab, plan->shape.hidden);
        return;
    }
    const struct plan_body *body = plan_body_named(plan, plan->embedding.body);
    int stages = 0, parts = 0, sliced = 0;
    for (int s = 0; s < plan->stages_count; s++) {
        if (!streams_from(&plan->stages[s], region))
            continue;
        stages += 1 + (checking->body_of[s] != body);
        parts += plan->stages[s].parts_count;
        sliced +=
            parts > 0 && plan->stages[s].parts[0].rows != plan->stages[s].parts[0].tensor_rows;
    }
    if (strcmp(region->layout, "tiles") != 0 || stages != 1 || parts != 1 || sliced > 0 ||
        body->rows != plan->shape.vocab || body->columns != plan->shape.hidden)
        violation(checking,
                  "embedding: region %s does not hold just the %d rows of %d columns of body %s",
                  region->name, plan->shape.vocab, plan->shape.hidden, body->name);
}

void rule_packing(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    int most_rows = 1;
    for (int b = 0; b < plan->bodies_count; b++)
        most_rows = plan->bodies[b].rows > most_rows ? plan->bodies[b].rows : most_rows;
    int *filler = arena_array(checking->arena, (size_t)most_rows, sizeof *filler);
    for (int s = 0; s < plan->stages_count; s++)
        check_stage(checking, s, filler);
    check_slices(checking);
    check_uses(checking);
    for (int i = 0; i < plan->regions_count; i++) {
        if (strcmp(plan->regions[i].layout, "tiles") == 0)
            check_tiles_region(checking, &plan->regions[i]);
        else
            check_rows_region(checking, &plan->regions[i]);
    }
    check_embedding(checking);
}
