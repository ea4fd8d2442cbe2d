// Products: what they multiply with, what is done to their rows, and which tensors their rows are.
#include "generator/plan/fuse.h"

#include <string.h>

bool source_of(struct fusing *fusing, int input, struct source *source) {
    *source = (struct source){.input = "mailbox", .prologue = "plain", .scale = 1, .value = input};
    const struct node *node = node_at(fusing, input);
    if (node->op == OP_SCALE && fusing->stage_of[input] < 0 && input != fusing->stream) {
        struct product product;
        if (!product_of(fusing, input, &product)) {
            fusing->fused[input] = true;
            source->scale = node->factor;
            source->value = node->inputs[0];
            node = node_at(fusing, source->value);
        }
    }
    if (node->op == OP_RMSNORM) {
        if (node->group != node->elements)
            return cannot(fusing, node, "only attention norms heads one by one");
        fusing->fused[source->value] = true;
        source->prologue = "rmsnorm";
        source->norm = node;
        source->value = node->inputs[0];
    }
    if (fusing->everywhere && source->value == fusing->stream) {
        source->input = "residual";
        source->producer = -1;
        return true;
    }
    struct product product;
    if (fusing->stage_of[source->value] < 0 && product_of(fusing, source->value, &product) &&
        !fuse_product(fusing, source->value, &product, "rows", "product", "product"))
        return false;
    source->producer = fusing->stage_of[source->value];
    if (source->producer < 0)
        return cannot(fusing, node_at(fusing, source->value),
                      "its value is not handed between CUs");
    return true;
}

static const char *activation_of(const struct node *node) {
    return node->op == OP_SILU || node->op == OP_GELU || node->op == OP_GELU_TANH
               ? op_name(node->op)
               : NULL;
}

bool product_of(const struct fusing *fusing, int index, struct product *product) {
    *product = (struct product){.scale = 1, .activation = "none"};
    const struct node *node = node_at(fusing, index);
    if (activation_of(node)) {
        product->activation = activation_of(node);
        index = node->inputs[0];
        node = node_at(fusing, index);
        if (fusing->uses[index] != 1)
            return false;
    }
    if (node->op == OP_SCALE) {
        product->scale = node->factor;
        index = node->inputs[0];
        node = node_at(fusing, index);
        if (fusing->uses[index] != 1)
            return false;
    }
    product->linear = index;
    return node->op == OP_LINEAR;
}

bool has_bias(const struct fusing *fusing, const int *linears, int count) {
    for (int i = 0; i < count; i++)
        if (node_at(fusing, linears[i])->bias)
            return true;
    return false;
}

void products_set(struct fusing *fusing, int stage, const int *linears, int count,
                  bool interleaved) {
    struct planning *planning = fusing->planning;
    struct plan_stage *of = &planning->plan->stages[stage];
    of->parts = arena_array(planning->arena, (size_t)count, sizeof *of->parts);
    of->parts_count = count;
    int first = 0;
    for (int i = 0; i < count; i++) {
        const struct node *node = node_at(fusing, linears[i]);
        of->parts[i] = (struct plan_part){.tensor = node->tensor,
                                          .tensor_rows = node->tensor_rows,
                                          .tensor_first = node->tensor_first,
                                          .rows = node->elements,
                                          .first = interleaved ? i : first,
                                          .stride = interleaved ? count : 1};
        first += node->elements;
        planning->origin[stage].products[i] = node;
    }
}

// "hidden += 0.22 * (W rmsnorm(hidden) + b)" and the like.
static const char *summary_of(struct fusing *fusing, const struct product *product,
                              const struct source *source, const char *epilogue) {
    struct arena *arena = fusing->planning->arena;
    const bool residual = strcmp(source->input, "residual") == 0;
    const struct node *value = node_at(fusing, source->value);
    const char *name = residual || source->value == fusing->stream ? "hidden"
                       : value->op == OP_ATTENTION                 ? "attended"
                       : value->op == OP_MULTIPLY                  ? "gated"
                                                                   : "rows";
    const char *x = source->norm ? arena_format(arena, "rmsnorm(%s)", name) : name;
    const char *rows =
        arena_format(arena, "W %s%s", x, node_at(fusing, product->linear)->bias ? " + b" : "");
    if (product->scale != 1)
        rows = arena_format(arena, "%.6g * (%s)", product->scale, rows);
    if (strcmp(product->activation, "none") != 0)
        rows = arena_format(arena, "%s(%s)", product->activation, rows);
    return arena_format(arena, "%s %s",
                        strcmp(epilogue, "residual") == 0 ? "hidden +=" : "rows =", rows);
}

bool fuse_product(struct fusing *fusing, int top, const struct product *product,
                  const char *epilogue, const char *name, const char *mailbox) {
    const struct node *node = node_at(fusing, product->linear);
    struct source source;
    if (node->layer < 0)
        return cannot(fusing, node, "of the products outside of the layers only logits can be");
    if (!source_of(fusing, node->inputs[0], &source))
        return false;
    const struct plan_body body = {.name = name,
                                   .op = "linear",
                                   .summary = summary_of(fusing, product, &source, epilogue),
                                   .input = source.input,
                                   .prologue = source.prologue,
                                   .epilogue = epilogue,
                                   .rows = node->elements,
                                   .columns = node->columns,
                                   .input_scale = source.scale,
                                   .bias = node->bias != NULL,
                                   .scale = product->scale,
                                   .activation = product->activation};
    const struct stage_origin origin = {
        .producer = source.producer, .value = source.value, .norm = source.norm};
    const int stage = stage_add(fusing, body, node, mailbox, origin);
    products_set(fusing, stage, &product->linear, 1, false);
    for (int i = top;; i = node_at(fusing, i)->inputs[0]) {
        fusing->fused[i] = true;
        if (i == product->linear)
            break;
    }
    fusing->stage_of[top] = stage;
    edge_add(fusing, stage, top, 0);
    return true;
}

bool fuse_gate(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    int activated = node->inputs[0], up = node->inputs[1];
    if (!activation_of(node_at(fusing, activated))) {
        activated = node->inputs[1];
        up = node->inputs[0];
    }
    if (!activation_of(node_at(fusing, activated)))
        return cannot(fusing, node, "one factor must be an activation of a product");
    const int gate = node_at(fusing, activated)->inputs[0];
    const struct node *gate_node = node_at(fusing, gate), *up_node = node_at(fusing, up);
    if (gate_node->op != OP_LINEAR || up_node->op != OP_LINEAR ||
        gate_node->inputs[0] != up_node->inputs[0])
        return cannot(fusing, node, "gate and up must be products of the same value");
    if (fusing->uses[activated] != 1 || fusing->uses[gate] != 1 || fusing->uses[up] != 1)
        return cannot(fusing, node, "gate and up must have no other use");
    struct source source;
    if (!source_of(fusing, gate_node->inputs[0], &source))
        return false;
    const int linears[] = {gate, up};
    const char *activation = activation_of(node_at(fusing, activated));
    const struct plan_body body = {
        .name = "gate_up",
        .op = "linear",
        .summary = arena_format(fusing->planning->arena,
                                source.norm ? "gated = %s(W_gate rmsnorm(hidden)) * (W_up "
                                              "rmsnorm(hidden))"
                                            : "gated = %s(W_gate hidden) * (W_up hidden)",
                                activation),
        .input = source.input,
        .prologue = source.prologue,
        .epilogue = "gate",
        .rows = 2 * node->elements,
        .columns = gate_node->columns,
        .input_scale = source.scale,
        .bias = has_bias(fusing, linears, 2),
        .activation = activation};
    const struct stage_origin origin = {
        .producer = source.producer, .value = source.value, .norm = source.norm};
    const int stage = stage_add(fusing, body, gate_node, "gated", origin);
    products_set(fusing, stage, linears, 2, true);
    fusing->stage_of[index] = stage;
    edge_add(fusing, stage, index, 0);
    fusing->fused[index] = fusing->fused[activated] = fusing->fused[gate] = fusing->fused[up] =
        true;
    return true;
}
