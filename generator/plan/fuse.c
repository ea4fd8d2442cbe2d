// Pass: the graph becomes stages. A stage is one product with what fuses before and after it:
//
//   embed                              -> embed
//   q, k, v = W rmsnorm(x)             -> qkv               one product of three tensors
//   attention(rope(q), rope(k), v)     -> attention         norms of q and k, RoPE, KV append
//   x + W y                            -> attention_output, down ...
//   x + rmsnorm(W y)                   -> the same, then add: every CU keeps the whole residual
//   silu(W g) * (W u)                  -> gate_up           gate and up rows in turn
//   silu(W y)                          -> product
//   logits(rmsnorm(x))                 -> lm_head, then select (argmax) and token
#include "generator/plan/fuse.h"

#include <string.h>

bool cannot(const struct fusing *fusing, const struct node *node, const char *why) {
    diagnostic_add(fusing->planning->diagnostics, DIAGNOSTIC_USER,
                   location_of_word(fusing->model->family_path, fusing->model->family_source,
                                    node->line, op_name(node->op)),
                   "no stage can compute this %s yet: %s", op_name(node->op), why);
    return diagnostic_note(fusing->planning->diagnostics,
                           "what the planner can do yet is listed in specs/README.md");
}

const struct node *node_at(const struct fusing *fusing, int index) {
    return &fusing->model->nodes[index];
}

static bool same_body(const struct plan_body *a, const struct plan_body *b) {
    return strcmp(a->op, b->op) == 0 && strcmp(a->input, b->input) == 0 &&
           strcmp(a->prologue, b->prologue) == 0 && strcmp(a->epilogue, b->epilogue) == 0 &&
           a->rows == b->rows && a->columns == b->columns && a->bias == b->bias &&
           a->input_scale == b->input_scale && a->scale == b->scale &&
           strcmp(a->activation, b->activation) == 0 && a->softcap == b->softcap &&
           a->rope_dims == b->rope_dims && strcmp(a->q_norm, b->q_norm) == 0 &&
           strcmp(a->k_norm, b->k_norm) == 0 && a->splits == b->splits;
}

// Whether the stages of a body publish: a body does so in all of them or in none.
static bool publishes(const struct plan_plan *plan, const struct plan_body *body) {
    for (int s = 0; s < plan->stages_count; s++)
        if (plan->stages[s].body && strcmp(plan->stages[s].body, body->name) == 0)
            return plan->stages[s].writes_to != NULL;
    return false;
}

static const char *word(const char *text) { return text ? text : "none"; }

// The body of that name and shape, made where there is none; a second shape gets "<name>_2".
static const char *body_named(struct fusing *fusing, struct plan_body wanted, bool published) {
    struct plan_plan *plan = fusing->planning->plan;
    const char *base = wanted.name;
    for (int version = 1;; version++) {
        if (version > 1)
            wanted.name = arena_format(fusing->planning->arena, "%s_%d", base, version);
        const struct plan_body *there = plan_body_named(plan, wanted.name);
        if (!there)
            break;
        if (same_body(there, &wanted) && publishes(plan, there) == published)
            return there->name;
    }
    plan->bodies[plan->bodies_count] = wanted;
    return plan->bodies[plan->bodies_count++].name;
}

int stage_add(struct fusing *fusing, struct plan_body body, const struct node *node,
              const char *mailbox, struct stage_origin origin) {
    struct planning *planning = fusing->planning;
    struct plan_plan *plan = planning->plan;
    const int index = plan->stages_count;
    body.input = word(body.input);
    body.prologue = word(body.prologue);
    body.epilogue = word(body.epilogue);
    body.precision = word(NULL);
    if (strcmp(body.op, "linear") == 0) {
        body.precision = engine_precision(planning->engine, plan->shape.weight_dtype);
        body.tolerance = planning->engine->tolerance;
    }
    body.activation = word(body.activation);
    body.q_norm = word(body.q_norm);
    body.k_norm = word(body.k_norm);
    body.scale = body.scale != 0 ? body.scale : 1;
    body.input_scale = body.input_scale != 0 ? body.input_scale : 1;
    body.splits = body.splits ? body.splits : 1;
    plan->stages[index] = (struct plan_stage){
        .step = index,
        .body = body_named(fusing, body, mailbox != NULL),
        .layer = node->layer,
        .keeps_node = -1,
        .read_epoch = -1,
        .reads_node = origin.value,
        .writes_to = mailbox,
        .write_epoch = -1,
        .norm_offset = -1,
        .bias_offset = -1,
        .q_norm_offset = -1,
        .k_norm_offset = -1,
        .kv_offset = -1,
        .rope = -1,
        .spec_file = node->file,
        .spec_line = node->line,
    };
    planning->origin[index] = origin;
    plan->stages_count++;
    return index;
}

void edge_add(struct fusing *fusing, int stage, int node, int first) {
    struct plan_stage *of = &fusing->planning->plan->stages[stage];
    of->edges =
        arena_grow(fusing->planning->arena, of->edges, (size_t)of->edges_count, sizeof *of->edges);
    of->edges[of->edges_count++] = (struct plan_edge){node, first, node_at(fusing, node)->elements};
}

// Whether the value is needed as a whole by a stage, beside being added to.
static bool is_read(const struct fusing *fusing, int value) {
    for (int i = value + 1; i < fusing->model->node_count; i++) {
        const struct node *node = node_at(fusing, i);
        for (int k = 0; k < node->input_count; k++)
            if (node->inputs[k] == value && node->op != OP_ADD)
                return true;
    }
    return false;
}

// The row of the token, times a factor where a SCALE follows.
static bool fuse_embed(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    int value = index;
    double scale = 1;
    for (int i = index + 1; i < fusing->model->node_count && fusing->uses[index] == 1; i++) {
        const struct node *user = node_at(fusing, i);
        if (user->op != OP_SCALE || user->inputs[0] != index)
            continue;
        value = i;
        scale = user->factor;
    }
    const struct plan_body body = {.name = "embed",
                                   .op = "embed",
                                   .summary = "hidden = row of the token in the embedding",
                                   .rows = node->elements,
                                   .scale = scale};
    const struct stage_origin origin = {.producer = -1, .value = -1};
    const int stage = stage_add(fusing, body, node, fusing->everywhere ? NULL : "hidden", origin);
    fusing->planning->plan->stages[stage].keeps_node = value;
    fusing->planning->embed_tensor = node->tensor;
    fusing->stream = value;
    fusing->fused[index] = fusing->fused[value] = true;
    if (!fusing->everywhere) {
        fusing->stage_of[value] = stage;
        edge_add(fusing, stage, value, 0);
    }
    return true;
}

// The values that are added to the newest residual value in a tree of sums, in their order.
enum { MOST_SUMMANDS = 16 };
struct summands {
    int values[MOST_SUMMANDS], count;
};

// Returns false where the residual is not among them just once, or an inner sum has another use.
static bool take_summands(const struct fusing *fusing, int index, struct summands *summands) {
    int pending[MOST_SUMMANDS] = {index}, waiting = 1, found = 0;
    summands->count = 0;
    while (waiting > 0) {
        const int value = pending[--waiting];
        const struct node *node = node_at(fusing, value);
        if (value == fusing->stream) {
            found++;
        } else if (node->op == OP_ADD && (value == index || fusing->uses[value] == 1)) {
            if (waiting + 2 > MOST_SUMMANDS)
                return false;
            pending[waiting++] = node->inputs[1];
            pending[waiting++] = node->inputs[0];
        } else {
            if (summands->count == MOST_SUMMANDS)
                return false;
            summands->values[summands->count++] = value;
        }
    }
    return found == 1 && summands->count > 0;
}

static int without_scales(const struct fusing *fusing, int value) {
    while (node_at(fusing, value)->op == OP_SCALE && value != fusing->stream)
        value = node_at(fusing, value)->inputs[0];
    return value;
}

// The norm of the newest residual value that stands for it among the summands; NULL: none does.
static const struct node *normed_residual(const struct fusing *fusing,
                                          const struct summands *summands) {
    for (int i = 0; i < summands->count; i++) {
        const struct node *norm = node_at(fusing, without_scales(fusing, summands->values[i]));
        if (norm->op == OP_RMSNORM && without_scales(fusing, norm->inputs[0]) == fusing->stream)
            return norm;
    }
    return NULL;
}

// Whether the value goes into one sum and nowhere else, so that this sum can take it apart.
static bool is_part_of_a_sum(const struct fusing *fusing, int index) {
    for (int i = index + 1; i < fusing->model->node_count && fusing->uses[index] == 1; i++) {
        const struct node *node = node_at(fusing, i);
        if (node->op == OP_ADD && (node->inputs[0] == index || node->inputs[1] == index))
            return true;
    }
    return false;
}

// A name for the product behind `top`, by what it multiplies.
static const char *product_name(const struct fusing *fusing, const struct product *product) {
    const struct node *node = node_at(fusing, node_at(fusing, product->linear)->inputs[0]);
    while (node->op == OP_SCALE || node->op == OP_RMSNORM)
        node = node_at(fusing, node->inputs[0]);
    return node->op == OP_ATTENTION ? "attention_output" : "down";
}

// x + W y: each CU adds its rows to those of the residual that it keeps. sum: the node that is now
// whole, -1: summands follow.
static bool add_to_owned(struct fusing *fusing, int index, int summand, int sum) {
    struct product product;
    const struct node *node = node_at(fusing, index);
    if (!product_of(fusing, summand, &product) || strcmp(product.activation, "none") != 0)
        return cannot(fusing, node, "one summand must be a product");
    if (fusing->uses[summand] != 1)
        return cannot(fusing, node, "one summand must be a product without another use");
    const bool published = sum >= 0 && is_read(fusing, sum);
    if (!fuse_product(fusing, summand, &product, "residual", product_name(fusing, &product),
                      published ? "hidden" : NULL))
        return false;
    // What it publishes is the sum.
    const int stage = fusing->stage_of[summand];
    fusing->stage_of[summand] = -1;
    fusing->planning->plan->stages[stage].edges_count = 0;
    fusing->planning->plan->stages[stage].keeps_node = index;
    if (published) {
        fusing->stage_of[sum] = stage;
        edge_add(fusing, stage, sum, 0);
    }
    return true;
}

// What every CU receives and adds to its whole residual: scale * rmsnorm(W y).
struct addition {
    int producer, value;     // the stage of the product, and the node that it publishes
    const struct node *norm; // NULL: none
    double scale;
};

// Takes a summand apart and makes the stage of its product.
static bool take_addition(struct fusing *fusing, const struct node *sum, int summand,
                          struct addition *addition) {
    struct product product;
    int top = summand;
    *addition = (struct addition){.scale = 1};
    if (node_at(fusing, top)->op == OP_SCALE &&
        node_at(fusing, node_at(fusing, top)->inputs[0])->op == OP_RMSNORM) {
        addition->scale = node_at(fusing, top)->factor;
        fusing->fused[top] = true;
        top = node_at(fusing, top)->inputs[0];
    }
    if (node_at(fusing, top)->op == OP_RMSNORM) {
        addition->norm = node_at(fusing, top);
        if (addition->norm->group != addition->norm->elements)
            return cannot(fusing, addition->norm, "only attention norms heads one by one");
        fusing->fused[top] = true;
        top = addition->norm->inputs[0];
    }
    if (fusing->stage_of[top] < 0 &&
        (!product_of(fusing, top, &product) ||
         !fuse_product(fusing, top, &product, "rows", product_name(fusing, &product),
                       product_name(fusing, &product))))
        return fusing->planning->diagnostics->count > 0
                   ? false
                   : cannot(fusing, sum, "one summand must be a product, or a norm of one");
    addition->producer = fusing->stage_of[top];
    addition->value = top;
    return true;
}

static void add_everywhere(struct fusing *fusing, const struct node *sum,
                           const struct addition *addition) {
    struct arena *arena = fusing->planning->arena;
    const char *from = fusing->planning->plan->stages[addition->producer].body;
    const bool normed = addition->norm != NULL;
    const struct plan_body body = {
        .name = arena_format(arena, "add_%s", from),
        .op = "residual",
        .summary = arena_format(arena, "hidden += %s%s", normed ? "rmsnorm of " : "", from),
        .input = "mailbox",
        .prologue = normed ? "rmsnorm" : "plain",
        .rows = sum->elements,
        .scale = addition->scale};
    const struct stage_origin origin = {
        .producer = addition->producer, .value = addition->value, .norm = addition->norm};
    const int stage = stage_add(fusing, body, sum, NULL, origin);
    fusing->planning->plan->stages[stage].keeps_node = (int)(sum - fusing->model->nodes);
}

// All products come before all additions, which change what products may still multiply.
static bool add_all_everywhere(struct fusing *fusing, int index, const struct summands *summands) {
    const struct node *sum = node_at(fusing, index);
    struct addition additions[MOST_SUMMANDS];
    for (int i = 0; i < summands->count; i++)
        if (!take_addition(fusing, sum, summands->values[i], &additions[i]))
            return false;
    for (int i = 0; i < summands->count; i++)
        add_everywhere(fusing, sum, &additions[i]);
    return true;
}

static bool add_all_to_owned(struct fusing *fusing, int index, const struct summands *summands) {
    for (int i = 0; i < summands->count; i++)
        if (!add_to_owned(fusing, index, summands->values[i], i + 1 < summands->count ? -1 : index))
            return false;
    return true;
}

static bool fuse_residual(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    struct summands summands;
    if (is_part_of_a_sum(fusing, index)) {
        fusing->fused[index] = true; // by that sum
        return true;
    }
    if (!take_summands(fusing, index, &summands)) {
        const struct node *norm = normed_residual(fusing, &summands);
        return norm ? cannot(fusing, norm, "its value is not handed between CUs")
                    : cannot(fusing, node,
                             "one summand, and only one, must be the newest residual value");
    }
    if (!(fusing->everywhere ? add_all_everywhere : add_all_to_owned)(fusing, index, &summands))
        return false;
    fusing->stream = index;
    fusing->fused[index] = true;
    return true;
}

static bool fuse_head(struct fusing *fusing, int index) {
    const struct node *node = node_at(fusing, index);
    struct source source;
    if (!source_of(fusing, node->inputs[0], &source))
        return false;
    const struct plan_body head = {.name = "lm_head",
                                   .op = "linear",
                                   .summary = "logits = W rmsnorm(hidden); best token of each CU",
                                   .input = source.input,
                                   .prologue = source.prologue,
                                   .epilogue = "logits",
                                   .rows = node->elements,
                                   .columns = node->columns,
                                   .input_scale = source.scale,
                                   .bias = node->bias != NULL,
                                   .softcap = node->softcap};
    struct stage_origin origin = {
        .producer = source.producer, .value = source.value, .norm = source.norm};
    const int stage = stage_add(fusing, head, node, "candidates", origin);
    products_set(fusing, stage, &index, 1, false);
    const struct plan_body select = {.name = "select",
                                     .op = "select",
                                     .summary =
                                         "next token: the best of all CUs, lowest id at a tie",
                                     .input = "mailbox",
                                     .rows = 1};
    origin = (struct stage_origin){.producer = stage, .value = -1};
    const int selected = stage_add(fusing, select, node, "next_token", origin);
    const struct plan_body token = {.name = "token",
                                    .op = "token",
                                    .summary = "every CU takes the next token and whether to go on",
                                    .input = "mailbox",
                                    .rows = 1};
    origin = (struct stage_origin){.producer = selected, .value = -1};
    stage_add(fusing, token, node, NULL, origin);
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

// A norm that is added to the residual, perhaps times a number; NULL: there is none.
static const struct node *normed_summand(const struct fusing *fusing) {
    for (int i = 0; i < fusing->model->node_count; i++) {
        const struct node *node = node_at(fusing, i);
        for (int k = 0; node->op == OP_ADD && k < node->input_count; k++) {
            const struct node *summand = node_at(fusing, node->inputs[k]);
            while (summand->op == OP_SCALE)
                summand = node_at(fusing, summand->inputs[0]);
            if (summand->op == OP_RMSNORM)
                return summand;
        }
    }
    return NULL;
}

// Owned rows need no room for the whole residual, but what is added must be known row by row.
static bool choose_residual(struct fusing *fusing) {
    struct planning *planning = fusing->planning;
    const char *wanted = planning->tuning->residual;
    const struct node *normed = normed_summand(fusing);
    const char *why = !normed ? NULL
                              : arena_format(planning->arena,
                                             "what line %d of the family adds is normed: its rows "
                                             "depend on each other",
                                             normed->line);
    if (normed && wanted && strcmp(wanted, "owned") == 0)
        return usage_error(planning->diagnostics, "--set residual=owned: %s", why);
    fusing->everywhere = normed || (wanted && strcmp(wanted, "everywhere") == 0);
    planning->plan->residual = fusing->everywhere ? "everywhere" : "owned";
    choice_add(planning, "residual", planning->plan->residual,
               (const char *const[]){"owned: each CU keeps the rows that it adds to, in LDS",
                                     "everywhere: each CU keeps the whole residual, and adds what "
                                     "the others hand over",
                                     NULL},
               "%s",
               normed               ? why
               : fusing->everywhere ? "asked for"
                                    : "every summand is a product, known row by row");
    return true;
}

bool pass_fuse(struct planning *planning) {
    const struct model *model = planning->model;
    struct arena *arena = planning->arena;
    struct plan_plan *plan = planning->plan;
    const size_t nodes = (size_t)model->node_count;
    const size_t most_stages =
        2 * nodes + 3; // an attention may be two, a residual two, a head three
    struct fusing fusing = {planning,
                            model,
                            arena_array(arena, nodes, sizeof(int)),
                            arena_array(arena, nodes, sizeof(bool)),
                            arena_array(arena, nodes, sizeof(int)),
                            -1,
                            false};
    plan->stages = arena_array(arena, most_stages, sizeof *plan->stages);
    plan->bodies = arena_array(arena, most_stages, sizeof *plan->bodies);
    planning->origin = arena_array(arena, most_stages, sizeof *planning->origin);
    for (int i = 0; i < model->node_count; i++) {
        fusing.stage_of[i] = -1;
        for (int k = 0; k < model->nodes[i].input_count; k++)
            fusing.uses[model->nodes[i].inputs[k]]++;
    }
    if (!choose_residual(&fusing))
        return false;
    for (int i = 0; i < model->node_count; i++)
        if (!fuse_node(&fusing, i))
            return false;
    for (int i = 0; i < model->node_count; i++)
        if (!fusing.fused[i])
            return cannot(&fusing, &model->nodes[i], "nothing that fuses uses it");
    return true;
}
