#include "tests/support/draft.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

enum { MOST_NODES = 256 };

struct node *draft_node(struct draft *draft, int index) {
    assert_in_range(index, 0, draft->model->node_count - 1);
    return &draft->model->nodes[index];
}

static int add(struct draft *draft, struct node node) {
    struct model *model = draft->model;
    assert_true(model->node_count < MOST_NODES);
    node.layer = draft->layer;
    node.file = "tests/draft.lua";
    node.line = model->node_count + 1;
    model->nodes[model->node_count] = node;
    return model->node_count++;
}

static int elements_of(struct draft *draft, int x) { return draft_node(draft, x)->elements; }

static const char *tensor_of(struct draft *draft, const char *name) {
    return draft->layer < 0 ? name : arena_format(draft->arena, "%d.%s", draft->layer, name);
}

int draft_embed(struct draft *draft) {
    return add(draft, (struct node){.op = OP_EMBED,
                                    .elements = draft->model->hidden,
                                    .tensor = "embed",
                                    .tensor_rows = draft->model->vocab});
}

static int norm(struct draft *draft, int x, const char *name, int group) {
    return add(draft, (struct node){.op = OP_RMSNORM,
                                    .inputs = {x},
                                    .input_count = 1,
                                    .elements = elements_of(draft, x),
                                    .tensor = tensor_of(draft, name),
                                    .group = group});
}

int draft_norm(struct draft *draft, int x, const char *name) {
    return norm(draft, x, name, elements_of(draft, x));
}

int draft_head_norm(struct draft *draft, int x, const char *name) {
    return norm(draft, x, name, draft->model->head_dim);
}

int draft_slice(struct draft *draft, int x, const char *name, int rows, int first,
                int tensor_rows) {
    return add(draft, (struct node){.op = OP_LINEAR,
                                    .inputs = {x},
                                    .input_count = 1,
                                    .elements = rows,
                                    .columns = elements_of(draft, x),
                                    .tensor = tensor_of(draft, name),
                                    .tensor_first = first,
                                    .tensor_rows = tensor_rows});
}

int draft_linear(struct draft *draft, int x, const char *name, int rows) {
    return draft_slice(draft, x, name, rows, 0, rows);
}

void draft_bias(struct draft *draft, int linear) {
    struct node *node = draft_node(draft, linear);
    node->bias = arena_format(draft->arena, "%s.bias", node->tensor);
}

static int of_one(struct draft *draft, enum op op, int x) {
    return add(draft,
               (struct node){
                   .op = op, .inputs = {x}, .input_count = 1, .elements = elements_of(draft, x)});
}

int draft_rope(struct draft *draft, int x, int rope) {
    const int node = of_one(draft, OP_ROPE, x);
    draft_node(draft, node)->rope = rope;
    return node;
}

int draft_attention(struct draft *draft, int q, int k, int v) {
    return add(draft, (struct node){.op = OP_ATTENTION,
                                    .inputs = {q, k, v},
                                    .input_count = 3,
                                    .elements = elements_of(draft, q),
                                    .scale = 1 / sqrt(draft->model->head_dim)});
}

int draft_activation(struct draft *draft, enum op op, int x) { return of_one(draft, op, x); }

int draft_scale(struct draft *draft, int x, double factor) {
    const int node = of_one(draft, OP_SCALE, x);
    draft_node(draft, node)->factor = factor;
    return node;
}

static int of_two(struct draft *draft, enum op op, int x, int y) {
    assert_int_equal(elements_of(draft, x), elements_of(draft, y));
    return add(draft, (struct node){.op = op,
                                    .inputs = {x, y},
                                    .input_count = 2,
                                    .elements = elements_of(draft, x)});
}

int draft_multiply(struct draft *draft, int x, int y) { return of_two(draft, OP_MULTIPLY, x, y); }
int draft_add(struct draft *draft, int x, int y) { return of_two(draft, OP_ADD, x, y); }

int draft_logits(struct draft *draft, int x) {
    const struct model *model = draft->model;
    return add(draft, (struct node){.op = OP_LOGITS,
                                    .inputs = {x},
                                    .input_count = 1,
                                    .elements = model->vocab,
                                    .columns = elements_of(draft, x),
                                    .tensor = model->tie_embeddings ? "embed" : "head",
                                    .tensor_rows = model->vocab});
}

static void set_rope(struct draft *draft, const char *name, int dims) {
    struct model_rope *rope = &draft->model->ropes[draft->model->rope_count++];
    rope->name = name;
    rope->dims = dims;
    rope->amplitude = 1;
    rope->inverse_frequencies = arena_array(draft->arena, (size_t)dims / 2, sizeof(double));
    for (int i = 0; i < dims / 2; i++)
        rope->inverse_frequencies[i] = (double)(float)pow(10000, -2.0 * i / dims);
}

// The constants that emitted sources name.
static void list_constants(struct draft *draft) {
    struct model *model = draft->model;
    const struct model_constant constants[] = {
        {"HIDDEN", model->hidden, "tests/draft.lua", 1},
        {"LAYERS", model->layers, "tests/draft.lua", 1},
        {"VOCAB", model->vocab, "tests/draft.lua", 1},
        {"MLP", model->mlp, "tests/draft.lua", 1},
        {"HEADS", model->heads, "tests/draft.lua", 1},
        {"KV_HEADS", model->kv_heads, "tests/draft.lua", 1},
        {"HEAD_DIM", model->head_dim, "tests/draft.lua", 1},
        {"CONTEXT", model->context, "tests/draft.lua", 1},
    };
    model->constant_count = sizeof constants / sizeof constants[0];
    model->constants = arena_alloc(draft->arena, sizeof constants);
    for (int i = 0; i < model->constant_count; i++)
        model->constants[i] = constants[i];
}

bool made_plan_of(struct made_plan *made, void (*build)(struct draft *draft), const char *target,
                  const char *set) {
    *made = (struct made_plan){.model = {.name = "draft",
                                         .family = "draft",
                                         .dtype = "bf16",
                                         .spec_file = "tests/draft.lua",
                                         .spec_path = "tests/draft.lua",
                                         .family_path = "tests/draft.lua",
                                         .family_source = "\n",
                                         .hidden = 64,
                                         .layers = 2,
                                         .vocab = 200,
                                         .mlp = 96,
                                         .heads = 4,
                                         .kv_heads = 2,
                                         .head_dim = 16,
                                         .context = 64,
                                         .norm_eps = 1e-6,
                                         .eos = {1},
                                         .eos_count = 1}};
    struct draft draft = {&made->arena, &made->model, -1};
    struct diagnostics *diagnostics = &made->diagnostics;
    struct override_list overrides = overrides_of(&made->arena, set);
    made->model.nodes = arena_array(&made->arena, MOST_NODES, sizeof *made->model.nodes);
    set_rope(&draft, "rope", 16);
    set_rope(&draft, "local_rope", 8);
    build(&draft);
    list_constants(&draft);
    made->script = script_open(script_default_limits(), diagnostics);
    const struct plan_request request = {.model = &made->model,
                                         .target = &made->target,
                                         .tuning = &made->tuning,
                                         .command = "monogen generate"};
    return made->script && tuning_take(&made->tuning, &overrides, &made->arena, diagnostics) &&
           target_load(made->script, "specs", target, &overrides, &made->arena, &made->target,
                       diagnostics) &&
           tuning_report_unknown(&overrides, diagnostics) &&
           plan_make(&request, &made->arena, &made->plan, diagnostics);
}

void made_plan_of_open(struct made_plan *made, void (*build)(struct draft *draft),
                       const char *target, const char *set) {
    if (!made_plan_of(made, build, target, set))
        fail_msg("no plan of the draft for %s with '%s': %s", target, set,
                 printed_diagnostics(&made->diagnostics));
}
