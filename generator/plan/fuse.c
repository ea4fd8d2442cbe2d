// Pass: the graph becomes stages. A stage is one product with what fuses before and after it:
//
//   embed                              -> embed
//   q, k, v = W rmsnorm(x), RoPE       -> qkv               one product of three tensors
//   attention(q, k, v)                 -> attention
//   x + W y                            -> attention_output, down
//   silu(W g) * (W u)                  -> gate_up           gate and up rows interleaved
//   logits(rmsnorm(x))                 -> lm_head, then select (argmax) and token
#include "generator/plan/passes.h"

#include <math.h>
#include <string.h>

struct fusing {
    struct planning *planning;
    const struct model *model;
    int *uses;     // [nodes] how many nodes take its value
    bool *fused;   // [nodes]
    int *stage_of; // [nodes] the stage that publishes its value, -1: none
    int stream;    // node of the newest residual value
};

static bool cannot(const struct fusing *fusing, const struct node *node, const char *why) {
    diagnostic_add(
        fusing->planning->diagnostics, DIAGNOSTIC_USER,
        location_of_word(node->file, fusing->model->family_source, node->line, op_name(node->op)),
        "no stage can compute this %s yet: %s", op_name(node->op), why);
    return diagnostic_note(fusing->planning->diagnostics,
                           "the planner fuses attention over products of one normed value, gated "
                           "products, products added to the residual, and the head");
}

static const struct node *node_at(const struct fusing *fusing, int index) {
    return &fusing->model->nodes[index];
}

static struct plan_write *write_list(struct fusing *fusing, int count) {
    return arena_array(fusing->planning->arena, (size_t)count, sizeof(struct plan_write));
}

static bool same_writes(const struct plan_body *a, const struct plan_body *b) {
    if (a->writes_count != b->writes_count)
        return false;
    for (int i = 0; i < a->writes_count; i++) {
        const struct plan_write *x = &a->writes[i], *y = &b->writes[i];
        if (x->first != y->first || x->stride != y->stride || x->rows != y->rows ||
            x->pair_span != y->pair_span || x->element != y->element || x->per_cu != y->per_cu)
            return false;
    }
    return true;
}

static bool same_body(const struct plan_body *a, const struct plan_body *b) {
    return strcmp(a->op, b->op) == 0 && strcmp(a->prologue, b->prologue) == 0 &&
           strcmp(a->epilogue, b->epilogue) == 0 && a->rows == b->rows &&
           a->columns == b->columns && a->rope_rows == b->rope_rows && a->scale == b->scale &&
           same_writes(a, b);
}

// The body of that name and shape, made where there is none; a second shape gets "<name>_2".
static const char *body_named(struct fusing *fusing, struct plan_body wanted) {
    struct plan_plan *plan = fusing->planning->plan;
    const char *base = wanted.name;
    for (int version = 1;; version++) {
        if (version > 1)
            wanted.name = arena_format(fusing->planning->arena, "%s_%d", base, version);
        const struct plan_body *there = plan_body_named(plan, wanted.name);
        if (!there)
            break;
        if (same_body(there, &wanted))
            return there->name;
    }
    plan->bodies[plan->bodies_count] = wanted;
    return plan->bodies[plan->bodies_count++].name;
}

// Adds a stage; returns its index.
static int stage_add(struct fusing *fusing, struct plan_body body, const struct node *node,
                     int producer, const char *norm) {
    struct planning *planning = fusing->planning;
    struct plan_plan *plan = planning->plan;
    const int index = plan->stages_count++;
    plan->stages[index] = (struct plan_stage){
        .step = index,
        .body = body_named(fusing, body),
        .layer = node->layer,
        .read_epoch = -1,
        .write_epoch = -1,
        .vector_offset = -1,
        .kv_offset = -1,
        .spec_file = node->file,
        .spec_line = node->line,
    };
    planning->producer[index] = producer;
    planning->norm[index] = norm;
    return index;
}

static void parts_set(struct fusing *fusing, int stage, const struct plan_part *parts, int count) {
    struct plan_part *copy =
        arena_array(fusing->planning->arena, (size_t)count, sizeof(struct plan_part));
    memcpy(copy, parts, (size_t)count * sizeof *parts);
    fusing->planning->plan->stages[stage].parts = copy;
    fusing->planning->plan->stages[stage].parts_count = count;
}

struct source { // what a product multiplies its weights with
    const char *prologue, *norm;
    int value; // node
};

static bool source_of(struct fusing *fusing, int input, struct source *source) {
    const struct node *node = node_at(fusing, input);
    *source = (struct source){.prologue = "plain", .value = input};
    if (node->op == OP_RMSNORM) {
        fusing->fused[input] = true;
        *source = (struct source){"rmsnorm", node->tensor, node->inputs[0]};
    }
    if (fusing->stage_of[source->value] < 0)
        return cannot(fusing, node_at(fusing, source->value),
                      "its value is not handed between CUs");
    return true;
}

static bool fuse_embed(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    struct plan_body body = {.name = "embed",
                             .op = "embed",
                             .summary = "hidden = row of the token in the embedding",
                             .prologue = "none",
                             .epilogue = "none",
                             .rows = node->elements,
                             .scale = 1,
                             .writes = write_list(fusing, 1),
                             .writes_count = 1};
    body.writes[0] = (struct plan_write){.mailbox = "hidden", .stride = 1, .rows = node->elements};
    fusing->stage_of[index] = stage_add(fusing, body, node, -1, NULL);
    fusing->planning->embed_tensor = node->tensor;
    fusing->stream = index;
    fusing->fused[index] = true;
    return true;
}

// Takes the LINEAR under an input of attention, through RoPE where there is one.
static bool take_projection(struct fusing *fusing, int input, bool roped, int *linear) {
    const struct node *node = node_at(fusing, input);
    if ((node->op == OP_ROPE) != roped)
        return cannot(fusing, node,
                      roped ? "q and k must pass rope" : "v must come from a product directly");
    *linear = roped ? node->inputs[0] : input;
    if (node_at(fusing, *linear)->op != OP_LINEAR)
        return cannot(fusing, node, "attention takes products");
    if (fusing->uses[input] != 1 || fusing->uses[*linear] != 1)
        return cannot(fusing, node, "its value has another use beside attention");
    fusing->fused[input] = fusing->fused[*linear] = true;
    return true;
}

static bool fuse_qkv(struct fusing *fusing, const struct node *attention, int *stage) {
    int linear[3];
    for (int i = 0; i < 3; i++)
        if (!take_projection(fusing, attention->inputs[i], i < 2, &linear[i]))
            return false;
    const int input = node_at(fusing, linear[0])->inputs[0];
    const int head_dim = fusing->model->head_dim;
    struct plan_part parts[3];
    struct plan_write *writes = write_list(fusing, 3);
    int rows = 0;
    for (int i = 0; i < 3; i++) {
        const struct node *node = node_at(fusing, linear[i]);
        if (node->inputs[0] != input)
            return cannot(fusing, node, "q, k and v must be products of the same value");
        const int span = i < 2 ? head_dim : 0;
        parts[i] = (struct plan_part){node->tensor, node->elements, rows, 1, span};
        writes[i] = (struct plan_write){"qkv", rows, 1, node->elements, span, rows, 0};
        rows += node->elements;
    }
    struct source source;
    if (!source_of(fusing, input, &source))
        return false;
    const struct node *first = node_at(fusing, linear[0]);
    struct plan_body body = {.name = "qkv",
                             .op = "linear",
                             .summary = "q, k, v = W rmsnorm(hidden); q and k rotated",
                             .prologue = source.prologue,
                             .epilogue = "rope",
                             .rows = rows,
                             .columns = first->columns,
                             .rope_rows = parts[2].first,
                             .scale = 1,
                             .writes = writes,
                             .writes_count = 3};
    *stage = stage_add(fusing, body, first, fusing->stage_of[source.value], source.norm);
    parts_set(fusing, *stage, parts, 3);
    return true;
}

static bool fuse_attention(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    int qkv = -1;
    if (!fuse_qkv(fusing, node, &qkv))
        return false;
    const struct model *model = fusing->model;
    struct plan_body body = {.name = "attention",
                             .op = "attention",
                             .summary =
                                 "per KV head: append k and v, softmax(q k) v over the context",
                             .prologue = "none",
                             .epilogue = "none",
                             .rows = model->kv_heads,
                             .columns = model->head_dim,
                             .scale = 1 / sqrt(model->head_dim),
                             .writes = write_list(fusing, 1),
                             .writes_count = 1};
    body.writes[0] =
        (struct plan_write){.mailbox = "attended", .stride = 1, .rows = node->elements};
    fusing->stage_of[index] = stage_add(fusing, body, node, qkv, NULL);
    fusing->planning->plan->stages[fusing->stage_of[index]].layer =
        fusing->planning->plan->stages[qkv].layer;
    fusing->fused[index] = true;
    return true;
}

static bool fuse_gate(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    int gate = node->inputs[0], up = node->inputs[1];
    if (node_at(fusing, gate)->op != OP_SILU) {
        gate = node->inputs[1];
        up = node->inputs[0];
    }
    if (node_at(fusing, gate)->op != OP_SILU)
        return cannot(fusing, node, "one factor must be an activation of a product");
    const int silu = gate;
    gate = node_at(fusing, silu)->inputs[0];
    const struct node *gate_node = node_at(fusing, gate), *up_node = node_at(fusing, up);
    if (gate_node->op != OP_LINEAR || up_node->op != OP_LINEAR ||
        gate_node->inputs[0] != up_node->inputs[0])
        return cannot(fusing, node, "gate and up must be products of the same value");
    if (fusing->uses[silu] != 1 || fusing->uses[gate] != 1 || fusing->uses[up] != 1)
        return cannot(fusing, node, "gate and up must have no other use");
    struct source source;
    if (!source_of(fusing, gate_node->inputs[0], &source))
        return false;
    struct plan_body body = {.name = "gate_up",
                             .op = "linear",
                             .summary =
                                 "gated = silu(W_gate rmsnorm(hidden)) * (W_up rmsnorm(hidden))",
                             .prologue = source.prologue,
                             .epilogue = "gate",
                             .rows = 2 * node->elements,
                             .columns = gate_node->columns,
                             .scale = 1,
                             .writes = write_list(fusing, 1),
                             .writes_count = 1};
    body.writes[0] = (struct plan_write){.mailbox = "gated", .stride = 2, .rows = node->elements};
    const int stage =
        stage_add(fusing, body, gate_node, fusing->stage_of[source.value], source.norm);
    const struct plan_part parts[] = {
        {gate_node->tensor, node->elements, 0, 2, 0},
        {up_node->tensor, node->elements, 1, 2, 0},
    };
    parts_set(fusing, stage, parts, 2);
    fusing->stage_of[index] = stage;
    fusing->fused[index] = fusing->fused[silu] = fusing->fused[gate] = fusing->fused[up] = true;
    return true;
}

static bool fuse_residual(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    int residual = node->inputs[0], linear = node->inputs[1];
    if (node_at(fusing, linear)->op != OP_LINEAR) {
        residual = node->inputs[1];
        linear = node->inputs[0];
    }
    const struct node *product = node_at(fusing, linear);
    if (product->op != OP_LINEAR || fusing->uses[linear] != 1)
        return cannot(fusing, node, "one summand must be a product without another use");
    if (residual != fusing->stream)
        return cannot(fusing, node, "the other summand must be the newest residual value");
    struct source source;
    if (!source_of(fusing, product->inputs[0], &source))
        return false;
    const bool after_attention = node_at(fusing, source.value)->op == OP_ATTENTION;
    struct plan_body body = {.name = after_attention ? "attention_output" : "down",
                             .op = "linear",
                             .summary =
                                 after_attention ? "hidden += W attended" : "hidden += W gated",
                             .prologue = source.prologue,
                             .epilogue = "residual",
                             .rows = node->elements,
                             .columns = product->columns,
                             .scale = 1,
                             .writes = write_list(fusing, 1),
                             .writes_count = 1};
    body.writes[0] =
        (struct plan_write){.mailbox = after_attention ? "hidden_after_attention" : "hidden",
                            .stride = 1,
                            .rows = node->elements};
    const int stage = stage_add(fusing, body, product, fusing->stage_of[source.value], source.norm);
    parts_set(fusing, stage, &(struct plan_part){product->tensor, node->elements, 0, 1, 0}, 1);
    fusing->stream = index;
    fusing->stage_of[index] = stage;
    fusing->fused[index] = fusing->fused[linear] = true;
    return true;
}

static bool fuse_head(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    struct source source;
    if (!source_of(fusing, node->inputs[0], &source))
        return false;
    struct plan_body head = {.name = "lm_head",
                             .op = "linear",
                             .summary = "logits = W rmsnorm(hidden); best token of each CU",
                             .prologue = source.prologue,
                             .epilogue = "logits",
                             .rows = node->elements,
                             .columns = node->columns,
                             .scale = 1,
                             .writes = write_list(fusing, 1),
                             .writes_count = 1};
    head.writes[0] = (struct plan_write){.mailbox = "candidates", .per_cu = 2};
    const int stage = stage_add(fusing, head, node, fusing->stage_of[source.value], source.norm);
    parts_set(fusing, stage, &(struct plan_part){node->tensor, node->elements, 0, 1, 0}, 1);
    struct plan_body select = {.name = "select",
                               .op = "select",
                               .summary = "next token: the best of all CUs, lowest id at a tie",
                               .prologue = "none",
                               .epilogue = "none",
                               .rows = 1,
                               .scale = 1,
                               .writes = write_list(fusing, 1),
                               .writes_count = 1};
    select.writes[0] = (struct plan_write){.mailbox = "next_token", .stride = 1, .rows = 2};
    const int selected = stage_add(fusing, select, node, stage, NULL);
    struct plan_body token = {.name = "token",
                              .op = "token",
                              .summary = "every CU takes the next token and whether to go on",
                              .prologue = "none",
                              .epilogue = "none",
                              .rows = 1,
                              .scale = 1};
    stage_add(fusing, token, node, selected, NULL);
    fusing->planning->head_tensor = node->tensor;
    fusing->fused[index] = true;
    return true;
}

static bool fuse_node(struct fusing *fusing, int index) {
    switch (node_at(fusing, index)->op) {
    case OP_EMBED:
        return fuse_embed(fusing, index);
    case OP_ATTENTION:
        return fuse_attention(fusing, index);
    case OP_MULTIPLY:
        return fuse_gate(fusing, index);
    case OP_ADD:
        return fuse_residual(fusing, index);
    case OP_LOGITS:
        return fuse_head(fusing, index);
    default:
        return true; // fuses into one of these
    }
}

bool pass_fuse(struct planning *planning) {
    const struct model *model = planning->model;
    struct arena *arena = planning->arena;
    struct plan_plan *plan = planning->plan;
    const size_t nodes = (size_t)model->node_count;
    const size_t most_stages = nodes + 3; // select and token stand for no node of their own
    struct fusing fusing = {planning,
                            model,
                            arena_array(arena, nodes, sizeof(int)),
                            arena_array(arena, nodes, sizeof(bool)),
                            arena_array(arena, nodes, sizeof(int)),
                            -1};
    plan->stages = arena_array(arena, most_stages, sizeof *plan->stages);
    plan->bodies = arena_array(arena, most_stages, sizeof *plan->bodies);
    planning->producer = arena_array(arena, most_stages, sizeof *planning->producer);
    planning->norm = arena_array(arena, most_stages, sizeof *planning->norm);
    for (int i = 0; i < model->node_count; i++) {
        fusing.stage_of[i] = -1;
        for (int k = 0; k < model->nodes[i].input_count; k++)
            fusing.uses[model->nodes[i].inputs[k]]++;
    }
    for (int i = 0; i < model->node_count; i++)
        if (!fuse_node(&fusing, i))
            return false;
    for (int i = 0; i < model->node_count; i++)
        if (!fusing.fused[i])
            return cannot(&fusing, &model->nodes[i], "nothing that fuses uses it");
    return true;
}
