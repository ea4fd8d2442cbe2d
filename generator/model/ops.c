#include "generator/model/graph.h"

#include <stdlib.h>
#include <string.h>

const struct op_row op_rows[OP_COUNT] = {
#define OP(identifier, name, inputs, weight, arguments, meaning)                                   \
    {name, inputs, weight, arguments, meaning},
#include "generator/model/ops.def"
#undef OP
};

const char *op_name(enum op op) { return op_rows[op].name; }

bool node_weight_shape(const struct model *model, const struct node *node, int64_t *rows,
                       int64_t *columns) {
    if (!op_rows[node->op].weight)
        return false;
    *rows = node->op == OP_EMBED ? model->vocab : node->elements;
    *columns = node->op == OP_EMBED ? node->elements : node->op == OP_RMSNORM ? 1 : node->columns;
    return true;
}

static int compare_tensors(const void *left, const void *right) {
    const struct node *a = *(const struct node *const *)left;
    const struct node *b = *(const struct node *const *)right;
    int order = strcmp(a->tensor, b->tensor);
    return order ? order : (a > b) - (a < b);
}

const struct node **nodes_by_tensor(struct arena *arena, const struct node *nodes, int count,
                                    int *weights) {
    const struct node **sorted = arena_array(arena, (size_t)count + 1, sizeof(const struct node *));
    int used = 0;
    for (int i = 0; i < count; i++)
        if (nodes[i].tensor)
            sorted[used++] = &nodes[i];
    qsort(sorted, (size_t)used, sizeof(const struct node *), compare_tensors);
    *weights = used;
    return sorted;
}

int64_t model_parameters(const struct model *model) {
    struct arena arena = {0};
    int count;
    const struct node **sorted = nodes_by_tensor(&arena, model->nodes, model->node_count, &count);
    int64_t parameters = 0, rows, columns;
    for (int i = 0; i < count; i++)
        if ((i == 0 || strcmp(sorted[i]->tensor, sorted[i - 1]->tensor) != 0) &&
            node_weight_shape(model, sorted[i], &rows, &columns))
            parameters += rows * columns;
    arena_close(&arena);
    return parameters;
}

int64_t model_bytes_per_token(const struct model *model) {
    const int64_t element_bytes = 2; // bf16, the only dtype so far
    int64_t elements = 0, rows, columns;
    for (int i = 0; i < model->node_count; i++) {
        const struct node *node = &model->nodes[i];
        if (node->op == OP_EMBED)
            elements += node->elements; // one row of the table
        else if (node_weight_shape(model, node, &rows, &columns))
            elements += rows * columns;
    }
    return elements * element_bytes;
}
