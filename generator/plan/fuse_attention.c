// Attention: one product of q, k and v, then attention itself with the norms and the rotation of q
// and k in front of it, and a merge where the context is split.
#include "generator/plan/fuse.h"

#include <string.h>

// What stands between a product and attention.
struct projection {
    int linear;
    const struct node *norm; // NULL: none
    int rope;                // index into the model's ropes, -1: none
};

// Walks down from an input of attention: [rope] [rmsnorm] linear.
static bool take_projection(struct fusing *fusing, int input, bool plain,
                            struct projection *projection) {
    *projection = (struct projection){.linear = input, .rope = -1};
    const struct node *node = node_at(fusing, input);
    if (!plain && node->op == OP_ROPE) {
        fusing->fused[projection->linear] = true;
        projection->rope = node->rope;
        projection->linear = node->inputs[0];
        if (fusing->uses[input] != 1)
            return cannot(fusing, node, "its value has another use beside attention");
        node = node_at(fusing, projection->linear);
    }
    if (!plain && node->op == OP_RMSNORM) {
        if (fusing->uses[projection->linear] != 1)
            return cannot(fusing, node, "its value has another use beside attention");
        fusing->fused[projection->linear] = true;
        projection->norm = node;
        projection->linear = node->inputs[0];
        if (node->group != node->elements && node->group != fusing->model->head_dim)
            return cannot(fusing, node, "attention norms single heads, or all of them together");
        node = node_at(fusing, projection->linear);
    }
    if (node->op != OP_LINEAR)
        return cannot(fusing, node,
                      plain ? "v must come from a product directly"
                            : "q and k must be products, perhaps normed, perhaps rotated");
    if (fusing->uses[projection->linear] != 1)
        return cannot(fusing, node, "its value has another use beside attention");
    fusing->fused[projection->linear] = true;
    return true;
}

static const char *norm_kind(const struct fusing *fusing, const struct node *norm) {
    if (!norm)
        return "none";
    // One head is all heads.
    return norm->group == fusing->model->head_dim ? "head" : "all";
}

static bool fuse_qkv(struct fusing *fusing, const struct projection projections[3], int *stage) {
    const int linears[] = {projections[0].linear, projections[1].linear, projections[2].linear};
    const struct node *first = node_at(fusing, linears[0]);
    int rows = 0;
    for (int i = 0; i < 3; i++) {
        const struct node *node = node_at(fusing, linears[i]);
        if (node->inputs[0] != first->inputs[0])
            return cannot(fusing, node, "q, k and v must be products of the same value");
        rows += node->elements;
    }
    struct source source;
    if (!source_of(fusing, first->inputs[0], &source))
        return false;
    const bool bias = has_bias(fusing, linears, 3);
    const struct plan_body body = {
        .name = "qkv",
        .op = "linear",
        .summary = arena_format(fusing->planning->arena, "q, k, v = W %s%s",
                                source.norm ? "rmsnorm(hidden)" : "hidden", bias ? " + b" : ""),
        .input = source.input,
        .prologue = source.prologue,
        .epilogue = "rows",
        .rows = rows,
        .columns = first->columns,
        .input_scale = source.scale,
        .bias = bias};
    const struct stage_origin origin = {
        .producer = source.producer, .value = source.value, .norm = source.norm};
    *stage = stage_add(fusing, body, first, "qkv", origin);
    products_set(fusing, *stage, linears, 3, false);
    int element = 0;
    for (int i = 0; i < 3; i++) {
        edge_add(fusing, *stage, linears[i], element);
        element += node_at(fusing, linears[i])->elements;
    }
    return true;
}

// The plan's table for a rotation of the model; where only some layers rotate, the others do so by
// nothing, so that all layers are alike.
static int rope_of(const struct fusing *fusing, int rope) {
    return rope >= 0 ? rope : fusing->model->rope_count > 0 ? fusing->model->rope_count : -1;
}

static int add_merge(struct fusing *fusing, const struct node *node, int attention, int layer) {
    const struct plan_body body = {.name = "merge",
                                   .op = "merge",
                                   .summary = "attended = the splits' parts, weighted and summed",
                                   .input = "mailbox",
                                   .rows = node->elements,
                                   .splits = fusing->planning->splits};
    const struct stage_origin origin = {.producer = attention, .value = -1};
    const int stage = stage_add(fusing, body, node, "attended", origin);
    fusing->planning->plan->stages[stage].layer = layer;
    return stage;
}

bool fuse_attention(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    const struct model *model = fusing->model;
    struct projection projections[3];
    for (int i = 0; i < 3; i++)
        if (!take_projection(fusing, node->inputs[i], i == 2, &projections[i]))
            return false;
    if (projections[0].rope != projections[1].rope)
        return cannot(fusing, node, "q and k must be rotated alike");
    int qkv = -1;
    if (!fuse_qkv(fusing, projections, &qkv))
        return false;
    struct plan_plan *plan = fusing->planning->plan;
    const int rope = rope_of(fusing, projections[0].rope), splits = fusing->planning->splits;
    const struct plan_body body = {
        .name = "attention",
        .op = "attention",
        .summary = splits > 1
                       ? "per KV head and split of the context: append k and v, softmax(q k) v"
                       : "per KV head: append k and v, softmax(q k) v over the context",
        .input = "mailbox",
        .rows = model->kv_heads,
        .columns = model->head_dim,
        .scale = node->scale,
        .softcap = node->softcap,
        .rope_dims = rope < 0 ? 0 : model->ropes[rope < model->rope_count ? rope : 0].dims,
        .q_norm = norm_kind(fusing, projections[0].norm),
        .k_norm = norm_kind(fusing, projections[1].norm),
        .splits = splits};
    const struct stage_origin origin = {.producer = qkv,
                                        .value = projections[0].linear,
                                        .q_norm = projections[0].norm,
                                        .k_norm = projections[1].norm};
    int stage = stage_add(fusing, body, node, splits > 1 ? "parts" : "attended", origin);
    const int layer = plan->stages[qkv].layer;
    plan->stages[stage].layer = layer;
    plan->stages[stage].rope = rope;
    plan->stages[stage].window = node->window;
    if (splits > 1)
        stage = add_merge(fusing, node, stage, layer);
    fusing->stage_of[index] = stage;
    edge_add(fusing, stage, index, 0);
    fusing->fused[index] = true;
    return true;
}
