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

// Pairs of a head, each with a frequency; tables lie one after the other in LDS.
static void check_ropes(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    for (int i = 0; i < plan->ropes_count; i++) {
        const struct plan_rope *rope = &plan->ropes[i];
        if (rope->pairs < 1 || rope->pairs > plan->shape.head_dim / 2 ||
            rope->inverse_frequencies_count != rope->pairs)
            violation(checking,
                      "rope %s has %d pairs and %d frequencies, a head of %d has %d pairs",
                      rope->name, rope->pairs, rope->inverse_frequencies_count,
                      plan->shape.head_dim, plan->shape.head_dim / 2);
    }
}

static void check_model(struct checking *checking) {
    const struct plan_shape *shape = &checking->plan->shape;
    if (shape->heads % shape->kv_heads != 0)
        violation(checking, "%d heads are no multiple of %d KV heads", shape->heads,
                  shape->kv_heads);
    if (shape->head_dim % 2 != 0)
        violation(checking, "head_dim %d has no pairs", shape->head_dim);
    check_ropes(checking);
}

static void check_units(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    const struct plan_engine *engine = &shaping->checking->plan->engine;
    const struct engine *row = engine_named(engine->name);
    if (!engine_does_tile(row, shaping->checking->plan->shape.weight_dtype, body->tile_rows))
        violation(shaping->checking, "body %s: engine %s has no tiles of %d rows", body->name,
                  row->name, body->tile_rows);
    want(shaping, "unit_columns", body->unit_columns, engine->unit_elements / body->tile_rows);
    want(shaping, "units", body->units, ceil_divide(body->columns, body->unit_columns));
}

static bool is(const char *word, const char *other) { return strcmp(word, other) == 0; }

// What only some bodies have; elsewhere templates would not look at it.
static void check_features(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    const bool linear = is_op(body, "linear"), attention = is_op(body, "attention");
    const bool acts = linear && (has_epilogue(body, "rows") || has_epilogue(body, "gate"));
    const bool scales = attention || is_op(body, "embed") || is_op(body, "residual") ||
                        (linear && !has_epilogue(body, "gate") && !has_epilogue(body, "logits"));
    if ((!acts && !is(body->activation, "none")) ||
        (has_epilogue(body, "gate") && is(body->activation, "none")) ||
        (!scales && body->scale != 1) || (!linear && body->input_scale != 1) ||
        (body->softcap != 0 && !attention && !has_epilogue(body, "logits")) ||
        (!attention &&
         (body->rope_dims != 0 || !is(body->q_norm, "none") || !is(body->k_norm, "none"))) ||
        (!attention && !is_op(body, "merge") && body->splits != 1) ||
        linear == is(body->precision, "none") || body->softcap < 0)
        violation(shaping->checking,
                  "body %s (%s, %s) has activation %s, scale %g, input_scale %g, softcap %g, "
                  "rope_dims %d, norms %s and %s, %d splits, precision %s",
                  body->name, body->op, body->epilogue, body->activation, body->scale,
                  body->input_scale, body->softcap, body->rope_dims, body->q_norm, body->k_norm,
                  body->splits, body->precision);
}

static void check_linear(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    const struct plan_shape *shape = &shaping->checking->plan->shape;
    check_units(shaping);
    // Gated rows are finished two by two: a pair lies in one tile.
    if (has_epilogue(body, "gate") && (body->rows % 2 != 0 || body->tile_rows % 2 != 0))
        violation(shaping->checking, "body %s: %d rows in tiles of %d cannot be paired", body->name,
                  body->rows, body->tile_rows);
    if (has_epilogue(body, "residual"))
        want(shaping, "rows", body->rows, shape->hidden);
    if (has_epilogue(body, "logits"))
        want(shaping, "rows", body->rows, shape->vocab);
    if (is(body->input, "residual"))
        want(shaping, "columns", body->columns, shape->hidden);
}

// The others stream no weights.
static void check_unitless(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    const struct plan_shape *shape = &shaping->checking->plan->shape;
    const bool owned = is(shaping->checking->plan->residual, "owned");
    want(shaping, "units", body->units, 0);
    want(shaping, "unit_columns", body->unit_columns, 0);
    want(shaping, "columns", body->columns, is_op(body, "attention") ? shape->head_dim : 0);
    want(shaping, "rows", body->rows,
         is_op(body, "embed") || is_op(body, "residual") ? shape->hidden
         : is_op(body, "attention")                      ? shape->kv_heads
         : is_op(body, "merge")                          ? (int64_t)shape->heads * shape->head_dim
                                                         : 1);
    if (is_op(body, "merge") && shape->head_dim % body->tile_rows != 0)
        violation(shaping->checking, "body %s: tiles of %d dimensions do not divide a head of %d",
                  body->name, body->tile_rows, shape->head_dim);
    if (!is_op(body, "merge") && !(is_op(body, "embed") && owned))
        want(shaping, "tile_rows", body->tile_rows, 1);
    if (is_op(body, "attention")) {
        if (body->rope_dims % 2 != 0 || body->rope_dims > shape->head_dim)
            violation(shaping->checking, "body %s rotates %d dimensions of %d", body->name,
                      body->rope_dims, shape->head_dim);
        if (body->splits > 1 &&
            (int64_t)shaping->checking->plan->kv.split_positions * body->splits < shape->context)
            violation(shaping->checking, "body %s: %d splits of %d positions do not hold %d",
                      body->name, body->splits, shaping->checking->plan->kv.split_positions,
                      shape->context);
    }
}

// How many tiles there are to deal.
static int64_t tiles_of(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    if (is_op(body, "token"))
        return shaping->checking->plan->machine.cus;
    const int64_t tiles = ceil_divide(body->rows, body->tile_rows);
    return is_op(body, "attention") ? tiles * body->splits : tiles;
}

static void check_partition(const struct shaping *shaping) {
    const struct plan_body *body = shaping->body;
    struct checking *checking = shaping->checking;
    const struct plan_partition *partition = checking->partition_of[body_index(checking, body)];
    const int cus = checking->plan->machine.cus;
    const bool keeps = is_op(body, "residual") ||
                       (is_op(body, "embed") && is(checking->plan->residual, "everywhere"));
    int most = 0;
    for (int cu = 0; cu < cus; cu++) {
        const int tiles = plan_tiles_of(partition, cu);
        most = tiles > most ? tiles : most;
        // The template selects on CU 0, and every CU takes the token.
        if ((is_op(body, "select") && tiles != (cu == 0)) || (is_op(body, "token") && tiles != 1))
            violation(checking, "body %s (%s): CU %d has %d tiles", body->name, body->op, cu,
                      tiles);
    }
    if (!keeps) // a tile stands for the whole residual
        want(shaping, "number of tiles of its partition", partition->tiles, tiles_of(shaping));
    else if (most > 1)
        violation(checking, "body %s: a CU keeps %d residuals", body->name, most);
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
    const int element_bytes = dtype_bytes(shape->kv_dtype);
    const int lanes = next_power_of_two((shape->head_dim * element_bytes + 15) / 16);
    const int row_elements = lanes * 16 / element_bytes;
    int splits = 1;
    for (int b = 0; b < plan->bodies_count; b++)
        if (is_op(&plan->bodies[b], "attention")) {
            if (splits != 1 && plan->bodies[b].splits != splits)
                violation(checking, "attention is split by %d and by %d", splits,
                          plan->bodies[b].splits);
            splits = plan->bodies[b].splits;
        }
    // A split holds whole blocks; alone it holds the context.
    const int64_t blocks = kv->block > 0 ? kv->split_positions / kv->block : 0;
    if (kv->block < 1 || (splits == 1 ? kv->split_positions != shape->context
                                      : kv->split_positions % kv->block != 0 ||
                                            blocks * kv->block * splits < shape->context))
        violation(checking,
                  "kv has %d splits of %d positions, in blocks of %d, for a context of %d", splits,
                  kv->split_positions, kv->block, shape->context);
    const int64_t head_bytes = (int64_t)kv->split_positions * splits * row_elements * element_bytes;
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
                  (long long)kv->head_bytes, (long long)kv->layer_bytes,
                  kv->split_positions * splits, (long long)head_bytes, shape->kv_heads);
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
        check_features(&shaping);
        check_partition(&shaping);
    }
}
