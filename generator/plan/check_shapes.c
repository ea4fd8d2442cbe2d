// Rule `shapes`: sizes that the plan writes down twice agree, and are what templates can do.
#include "generator/plan/check_rules.h"

#include "generator/plan/engine.h"

#include <string.h>

struct shaping {
    struct checking *checking;
    const struct plan_body *body;
};

static void want(const struct shaping *shaping, const char *what, int64_t value, int64_t wanted) {
    if (value != wanted)
        violation(shaping->checking, "body %s (%s): %s is %lld, must be %lld", shaping->body->name,
                  shaping->body->op, what, (long long)value, (long long)wanted);
}

static int64_t ceil_divide(int64_t number, int64_t by) { return (number + by - 1) / by; }

static void check_model(struct checking *checking) {
    const struct plan_shape *shape = &checking->plan->shape;
    const struct plan_rope *rope = &checking->plan->rope;
    if (shape->heads % shape->kv_heads != 0)
        violation(checking, "%d heads are no multiple of %d KV heads", shape->heads,
                  shape->kv_heads);
    if (shape->head_dim % 2 != 0)
        violation(checking, "head_dim %d has no pairs", shape->head_dim);
    if (rope->pairs != shape->head_dim / 2 || rope->inverse_frequencies_count != rope->pairs)
        violation(checking, "rope has %d pairs and %d frequencies, a head of %d has %d pairs",
                  rope->pairs, rope->inverse_frequencies_count, shape->head_dim,
                  shape->head_dim / 2);
}

static void check_units(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    const struct plan_engine *engine = &shaping->checking->plan->engine;
    const struct engine *row = engine_named(engine->name);
    bool can = false;
    for (int i = 0; i < ENGINE_MAX_TILE_ROWS && row->tile_rows[i]; i++)
        can |= row->tile_rows[i] == body->tile_rows;
    if (!can)
        violation(shaping->checking, "body %s: engine %s has no tiles of %d rows", body->name,
                  row->name, body->tile_rows);
    want(shaping, "unit_columns", body->unit_columns, engine->unit_elements / body->tile_rows);
    want(shaping, "units", body->units, ceil_divide(body->columns, body->unit_columns));
}

static void check_linear(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    const struct plan_shape *shape = &shaping->checking->plan->shape;
    check_units(shaping);
    if (has_epilogue(body, "rope")) {
        const int64_t dim = shape->head_dim;
        want(shaping, "rows", body->rows, (shape->heads + 2 * (int64_t)shape->kv_heads) * dim);
        want(shaping, "rope_rows", body->rope_rows,
             ((int64_t)shape->heads + shape->kv_heads) * dim);
    } else {
        want(shaping, "rope_rows", body->rope_rows, 0);
    }
    // These finish rows two by two: a pair lies in one tile.
    if ((has_epilogue(body, "rope") || has_epilogue(body, "gate")) &&
        (body->rows % 2 != 0 || body->tile_rows % 2 != 0))
        violation(shaping->checking, "body %s: %d rows in tiles of %d cannot be paired", body->name,
                  body->rows, body->tile_rows);
    if (has_epilogue(body, "residual"))
        want(shaping, "rows", body->rows, shape->hidden);
    if (has_epilogue(body, "logits"))
        want(shaping, "rows", body->rows, shape->vocab);
}

// Attention, embedding, selection and token stream no weights.
static void check_unitless(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    const struct plan_shape *shape = &shaping->checking->plan->shape;
    want(shaping, "units", body->units, 0);
    want(shaping, "unit_columns", body->unit_columns, 0);
    want(shaping, "rope_rows", body->rope_rows, 0);
    want(shaping, "columns", body->columns, is_op(body, "attention") ? shape->head_dim : 0);
    want(shaping, "rows", body->rows,
         is_op(body, "embed")       ? shape->hidden
         : is_op(body, "attention") ? shape->kv_heads
                                    : 1);
    if (!is_op(body, "embed"))
        want(shaping, "tile_rows", body->tile_rows, 1);
}

static void check_partition(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    struct checking *checking = shaping->checking;
    const struct plan_partition *partition = checking->partition_of[body_index(checking, body)];
    const int cus = checking->plan->machine.cus;
    int most = 0;
    for (int cu = 0; cu < cus; cu++) {
        const int tiles = plan_tiles_of(partition, cu);
        most = tiles > most ? tiles : most;
        // The template selects on CU 0, and every CU takes the token.
        if ((is_op(body, "select") && tiles != (cu == 0)) || (is_op(body, "token") && tiles != 1))
            violation(checking, "body %s (%s): CU %d has %d tiles", body->name, body->op, cu,
                      tiles);
    }
    want(shaping, "number of tiles of its partition", partition->tiles,
         is_op(body, "token") ? cus : ceil_divide(body->rows, body->tile_rows));
    want(shaping, "max_tiles", body->max_tiles, most);
    if (body->pass_tiles > body->max_tiles)
        violation(checking, "body %s: a pass of %d tiles, a CU has at most %d", body->name,
                  body->pass_tiles, body->max_tiles);
    if (!plan_in_roles(partition) && !is_op(body, "select") && !is_op(body, "token"))
        violation(checking, "body %s (%s): partition %s is for selection and token", body->name,
                  body->op, partition->name);
}

static int next_power_of_two(int number) {
    int power = 1;
    while (power < number)
        power *= 2;
    return power;
}

// A row of the cache is read by a power of two of lanes, 16 bytes each, of one wave.
static void check_kv(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_shape *shape = &plan->shape;
    const struct plan_kv *kv = &plan->kv;
    const int element_bytes = strcmp(shape->kv_dtype, "fp32") == 0 ? 4 : 2;
    const int lanes = next_power_of_two((shape->head_dim * element_bytes + 15) / 16);
    const int row_elements = lanes * 16 / element_bytes;
    const int64_t head_bytes = (int64_t)shape->context * row_elements * element_bytes;
    if (kv->element_bytes != element_bytes || kv->row_elements != row_elements)
        violation(checking, "kv has rows of %d elements of %d bytes, must have %d of %d",
                  kv->row_elements, kv->element_bytes, row_elements, element_bytes);
    if (plan->machine.wave_lanes > 1 && lanes > plan->machine.wave_lanes)
        violation(checking, "a row of the KV cache needs %d lanes, a wave has %d", lanes,
                  plan->machine.wave_lanes);
    if (kv->head_bytes != head_bytes || head_bytes > CHECK_MAX_BYTES / 2 / shape->kv_heads ||
        kv->layer_bytes != 2 * head_bytes * shape->kv_heads)
        violation(checking,
                  "kv.head_bytes is %lld and kv.layer_bytes %lld: %d positions of a head "
                  "have %lld bytes, and there are %d KV heads",
                  (long long)kv->head_bytes, (long long)kv->layer_bytes, shape->context,
                  (long long)head_bytes, shape->kv_heads);
}

void rule_shapes(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    check_model(checking);
    check_kv(checking);
    for (int b = 0; b < plan->bodies_count; b++) {
        const struct shaping shaping = {checking, &plan->bodies[b]};
        if (is_op(shaping.body, "linear"))
            check_linear(&shaping);
        else
            check_unitless(&shaping);
        check_partition(&shaping);
    }
}
