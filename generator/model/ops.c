#include "generator/model/graph.h"

#include <stdlib.h>
#include <string.h>

const struct op_row op_rows[OP_COUNT] = {
#define OP(identifier, name, inputs, weight, arguments, meaning)                                   \
    {name, inputs, weight, arguments, meaning},
#include "generator/model/ops.def"
#undef OP
};

const struct op_option_row op_option_rows[] = {
#define OPTION(op, name, kind, minimum, maximum, meaning)                                          \
    {OP_##op, #name, OPTION_##kind, minimum, maximum, offsetof(struct op_call, name), meaning},
#include "generator/model/ops.def"
#undef OPTION
};

const size_t op_option_count = sizeof op_option_rows / sizeof *op_option_rows;

const char *op_name(enum op op) { return op_rows[op].name; }

bool node_weight_shape(const struct model *model, const struct node *node, int64_t *rows,
                       int64_t *columns) {
    if (!op_rows[node->op].weight)
        return false;
    *rows = node->op == OP_EMBED     ? model->vocab
            : node->op == OP_RMSNORM ? node->group
                                     : node->elements;
    *columns = node->op == OP_EMBED ? node->elements : node->op == OP_RMSNORM ? 1 : node->columns;
    return true;
}

static int compare_uses(const void *left, const void *right) {
    const struct tensor_use *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order != 0)
        return order;
    return a->node != b->node ? (a->node > b->node) - (a->node < b->node) : a->bias - b->bias;
}

struct tensor_use *tensor_uses(struct arena *arena, const struct model *model,
                               const struct node *nodes, int count, int *use_count) {
    struct tensor_use *uses = arena_array(arena, 2 * (size_t)count + 1, sizeof *uses);
    int used = 0;
    for (int i = 0; i < count; i++) {
        const struct node *node = &nodes[i];
        struct tensor_use use = {.name = node->tensor, .node = node};
        if (!node_weight_shape(model, node, &use.rows, &use.columns))
            continue;
        if (node->op == OP_RMSNORM)
            use.columns = 0;
        else if (node->op == OP_LINEAR)
            use.rows = node->tensor_rows;
        uses[used++] = use;
        if (node->bias)
            uses[used++] = (struct tensor_use){node->bias, node, true, use.rows, 0};
    }
    qsort(uses, (size_t)used, sizeof *uses, compare_uses);
    *use_count = used;
    return uses;
}

int64_t model_parameters(const struct model *model) {
    struct arena arena = {0};
    int count;
    const struct tensor_use *uses =
        tensor_uses(&arena, model, model->nodes, model->node_count, &count);
    int64_t parameters = 0;
    for (int i = 0; i < count; i++)
        if (i == 0 || strcmp(uses[i].name, uses[i - 1].name) != 0)
            parameters += uses[i].rows * (uses[i].columns > 0 ? uses[i].columns : 1);
    arena_close(&arena);
    return parameters;
}

int64_t model_bytes_per_token(const struct model *model) {
    const int64_t element_bytes = strcmp(model->dtype, "fp32") == 0 ? 4 : 2;
    int64_t elements = 0, rows, columns;
    for (int i = 0; i < model->node_count; i++) {
        const struct node *node = &model->nodes[i];
        if (node->op == OP_EMBED)
            elements += node->elements; // one row of the table
        else if (node_weight_shape(model, node, &rows, &columns))
            elements += rows * columns + (node->bias ? rows : 0);
    }
    return elements * element_bytes;
}
