#include "generator/model/graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Far above any vector of a model, and small enough that the bytes of GRAPH_MAX_NODES weights of
// this size squared do not overflow 64 bits.
enum { MAX_ELEMENTS = 1 << 22 };

static const double MIN_FACTOR = 1e-30, MAX_FACTOR = 1e30; // far inside of float32

__attribute__((format(printf, 2, 3))) static bool refuse(struct graph *graph, const char *format,
                                                         ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(graph->message, sizeof graph->message, format, arguments);
    va_end(arguments);
    return false;
}

bool graph_plain_tensor(struct graph *graph, const char *name, struct tensor_name *tensor) {
    size_t length = strlen(name);
    if (length == 0)
        return refuse(graph, "the name of a tensor is empty");
    if (length > TENSOR_NAME_MAX_BYTES)
        return refuse(graph,
                      "the name of a tensor has %zu bytes, at most %d are "
                      "allowed",
                      length, TENSOR_NAME_MAX_BYTES);
    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\')
            return refuse(graph, "the name of a tensor has a byte that is no printable ASCII, or a "
                                 "blank, quote or backslash");
    *tensor = (struct tensor_name){.layer = -1};
    memcpy(tensor->bytes, name, length);
    return true;
}

bool graph_tensor(struct graph *graph, const char *format, int64_t layer, const char *suffix,
                  struct tensor_name *tensor) {
    const char *mark = strchr(format, '%');
    if (!mark || mark[1] != 'd' || strchr(mark + 1, '%'))
        return refuse(graph,
                      "'tensors'(format, layer): the format must have one %%d, for the layer, "
                      "and no other %%");
    if (layer < 0 || layer >= graph->model->layers)
        return refuse(graph,
                      "'tensors'(format, layer): layer %lld, but the layers are "
                      "0 to %d",
                      (long long)layer, graph->model->layers - 1);
    // A name that is cut here is too long all the same.
    char name[2 * TENSOR_NAME_MAX_BYTES];
    int prefix =
        mark - format < TENSOR_NAME_MAX_BYTES ? (int)(mark - format) : TENSOR_NAME_MAX_BYTES;
    snprintf(name, sizeof name, "%.*s%d%s%s", prefix, format, (int)layer, mark + 2, suffix);
    if (!graph_plain_tensor(graph, name, tensor))
        return false;
    tensor->layer = (int)layer;
    return true;
}

static bool check_same(struct graph *graph, const struct op_call *call, const struct node *x,
                       const struct node *y) {
    if (x->elements == y->elements)
        return true;
    return refuse(graph, "x '%s' y needs two vectors of one size, not %d and %d elements",
                  op_name(call->op), x->elements, y->elements);
}

static bool check_embed(struct graph *graph, const struct op_call *call) {
    if (call->rows == graph->model->vocab)
        return true;
    return refuse(graph, "'embed' has %lld rows, but vocab = %d", (long long)call->rows,
                  graph->model->vocab);
}

// Finds the kind of RoPE that the call names.
static bool check_rope(struct graph *graph, const struct op_call *call, const struct node *x,
                       int *rope) {
    static const char *const tables[] = {"rope", "local_rope"};
    const size_t table_count = sizeof tables / sizeof *tables;
    const char *wanted = call->table ? call->table : tables[0];
    size_t known = 0;
    while (known < table_count && strcmp(tables[known], wanted) != 0)
        known++;
    if (known == table_count) {
        const char *nearest = nearest_name(wanted, tables, table_count);
        return refuse(graph, "'rope': there is no table \"%.60s\"%s%s%s", wanted,
                      nearest ? ": did you mean \"" : ", only \"rope\" and \"local_rope\"",
                      nearest ? nearest : "", nearest ? "\"?" : "");
    }
    *rope = 0;
    while (*rope < graph->model->rope_count && strcmp(graph->model->ropes[*rope].name, wanted) != 0)
        ++*rope;
    if (*rope == graph->model->rope_count)
        return refuse(graph, "'rope' needs the model's %s = { theta = ... }", wanted);
    if (x->elements % graph->model->head_dim == 0)
        return true;
    return refuse(graph, "'rope' of %d elements, which is no multiple of head_dim = %d",
                  x->elements, graph->model->head_dim);
}

static bool check_attention(struct graph *graph, const struct node *const *inputs) {
    const struct model *model = graph->model;
    static const char *const names[] = {"q", "k", "v"};
    for (int i = 0; i < 3; i++) {
        int heads = i == 0 ? model->heads : model->kv_heads;
        if (inputs[i]->elements != heads * model->head_dim)
            return refuse(graph,
                          "'attention': %s has %d elements, but %s * head_dim = "
                          "%d * %d = %d",
                          names[i], inputs[i]->elements, i == 0 ? "heads" : "kv_heads", heads,
                          model->head_dim, heads * model->head_dim);
    }
    return true;
}

static bool check_size(struct graph *graph, const struct op_call *call, const char *what,
                       int64_t size) {
    if (size >= 1 && size <= MAX_ELEMENTS)
        return true;
    return refuse(graph, "'%s': %s = %lld, it must be from 1 to %d", op_name(call->op), what,
                  (long long)size, MAX_ELEMENTS);
}

// The rows of the tensor that the product uses.
static bool check_slice(struct graph *graph, const struct op_call *call, struct node *node) {
    if (!check_size(graph, call, "rows", call->rows))
        return false;
    node->elements = (int)call->rows;
    node->tensor_first = (int)call->first;
    node->tensor_rows = (int)(call->of > 0 ? call->of : call->rows);
    if (call->first > 0 && call->of == 0)
        return refuse(graph, "'linear': 'first' = %lld needs of, the rows of the whole tensor",
                      (long long)call->first);
    if (call->first + call->rows > node->tensor_rows)
        return refuse(graph, "'linear' uses rows %lld to %lld, but the tensor has %d ('of')",
                      (long long)call->first, (long long)(call->first + call->rows - 1),
                      node->tensor_rows);
    return true;
}

static bool check_group(struct graph *graph, const struct op_call *call, struct node *node) {
    node->group = call->group > 0 ? (int)call->group : node->elements;
    if (node->elements % node->group == 0)
        return true;
    return refuse(graph, "'rmsnorm': 'group' = %d does not divide the %d elements of x",
                  node->group, node->elements);
}

static bool check_factor(struct graph *graph, double factor) {
    if (fabs(factor) >= MIN_FACTOR && fabs(factor) <= MAX_FACTOR)
        return true;
    return refuse(graph, "the factor of a value is %g, its size must be from %g to %g", factor,
                  MIN_FACTOR, MAX_FACTOR);
}

// Checks the call and sets what is the op's own in its node.
static bool shape(struct graph *graph, const struct op_call *call, struct node *node) {
    const struct node *inputs[NODE_MAX_INPUTS] = {0};
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = &graph->nodes[node->inputs[i]];
    switch (call->op) {
    case OP_EMBED:
        node->elements = (int)call->columns;
        return check_size(graph, call, "columns", call->columns) && check_embed(graph, call);
    case OP_LINEAR:
        node->columns = inputs[0]->elements;
        return check_slice(graph, call, node);
    case OP_LOGITS:
        node->elements = node->tensor_rows = graph->model->vocab;
        node->columns = inputs[0]->elements;
        node->softcap = call->softcap;
        return true;
    case OP_ROPE:
        node->elements = inputs[0]->elements;
        return check_rope(graph, call, inputs[0], &node->rope);
    case OP_ATTENTION:
        node->elements = inputs[0]->elements;
        node->scale = call->scale > 0 ? call->scale : 1 / sqrt(graph->model->head_dim);
        node->softcap = call->softcap;
        node->window = (int)call->window;
        return check_attention(graph, inputs);
    case OP_MULTIPLY:
    case OP_ADD:
        node->elements = inputs[0]->elements;
        return check_same(graph, call, inputs[0], inputs[1]);
    case OP_RMSNORM:
        node->elements = inputs[0]->elements;
        node->add = call->add;
        return check_group(graph, call, node);
    case OP_SCALE:
        node->elements = inputs[0]->elements;
        node->factor = call->factor;
        return check_factor(graph, call->factor);
    case OP_SILU:
    case OP_GELU:
    case OP_GELU_TANH:
        node->elements = inputs[0]->elements;
        return true;
    case OP_COUNT:
        break;
    }
    return refuse(graph, "unknown op");
}

int graph_add(struct graph *graph, const struct op_call *call) {
    if (graph->count >= GRAPH_MAX_NODES) {
        refuse(graph, "the graph has more than %d nodes", GRAPH_MAX_NODES);
        return -1;
    }
    const struct op_row *row = &op_rows[call->op];
    struct node node = {.op = call->op,
                        .input_count = row->inputs,
                        .layer = -1,
                        .file = graph->file,
                        .line = call->line};
    for (int i = 0; i < row->inputs; i++) {
        node.inputs[i] = call->inputs[i];
        if (graph->nodes[call->inputs[i]].layer > node.layer)
            node.layer = graph->nodes[call->inputs[i]].layer;
    }
    if (row->weight)
        node.layer = call->tensor->layer;
    if (!shape(graph, call, &node))
        return -1;
    if (row->weight)
        node.tensor = arena_string(graph->arena, call->tensor->bytes);
    if (call->bias)
        node.bias = arena_string(graph->arena, call->bias->bytes);
    graph->nodes = arena_grow(graph->arena, graph->nodes, (size_t)graph->count, sizeof node);
    graph->nodes[graph->count] = node;
    return graph->count++;
}

// Adds a diagnostic at the line of a node, its op's name marked; node NULL: at the family's file.
static bool wrong_at(struct graph *graph, const struct node *node, struct diagnostics *diagnostics,
                     const char *message) {
    struct location at =
        node ? location_of_word(graph->path, graph->source, node->line, op_name(node->op))
             : (struct location){.file = graph->path};
    return diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "%s", message);
}

// "[8][4]", or "[8]" for a vector.
static const char *shape_text(struct arena *arena, const struct tensor_use *use) {
    return use->columns > 0
               ? arena_format(arena, "[%lld][%lld]", (long long)use->rows, (long long)use->columns)
               : arena_format(arena, "[%lld]", (long long)use->rows);
}

static bool check_tensors(struct graph *graph, struct diagnostics *diagnostics) {
    int count;
    const struct tensor_use *uses =
        tensor_uses(graph->arena, graph->model, graph->nodes, graph->count, &count);
    bool good = true;
    for (int i = 1; i < count; i++) {
        const struct tensor_use *a = &uses[i - 1], *b = &uses[i];
        if (strcmp(a->name, b->name) != 0 || (a->rows == b->rows && a->columns == b->columns))
            continue;
        good = wrong_at(graph, b->node, diagnostics,
                        arena_format(graph->arena, "tensor \"%s\" is %s here and %s in line %d",
                                     b->name, shape_text(graph->arena, b),
                                     shape_text(graph->arena, a), a->node->line));
    }
    return good;
}

static bool check_reached(struct graph *graph, struct diagnostics *diagnostics) {
    bool *reached = arena_array(graph->arena, (size_t)graph->count, sizeof *reached);
    reached[graph->count - 1] = true;
    for (int i = graph->count - 1; i >= 0; i--)
        for (int j = 0; reached[i] && j < graph->nodes[i].input_count; j++)
            reached[graph->nodes[i].inputs[j]] = true;
    for (int i = 0; i < graph->count; i++)
        if (!reached[i])
            return wrong_at(graph, &graph->nodes[i], diagnostics,
                            arena_format(graph->arena, "the value of this %s is never used",
                                         op_name(graph->nodes[i].op)));
    return true;
}

bool graph_finish(struct graph *graph, int result, struct diagnostics *diagnostics) {
    if (graph->count == 0 || result < 0 || graph->nodes[result].op != OP_LOGITS)
        return wrong_at(graph, result < 0 ? NULL : &graph->nodes[result], diagnostics,
                        "the graph must return what logits(x, tensor) gave");
    if (result != graph->count - 1)
        return wrong_at(graph, &graph->nodes[result + 1], diagnostics,
                        "an op after the logits: they must be the last");
    for (int i = 0; i < result; i++)
        if (graph->nodes[i].op == OP_LOGITS)
            return wrong_at(graph, &graph->nodes[i], diagnostics,
                            "logits(x, tensor) may be used once, at the end");
    bool reached = check_reached(graph, diagnostics);
    return check_tensors(graph, diagnostics) && reached;
}
