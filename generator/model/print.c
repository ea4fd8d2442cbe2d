// Print: the model as it was understood, in the looks of a family file.
#include "generator/model/graph.h"

#include <inttypes.h>
#include <string.h>

static void print_tokens(struct text *out, const char *name, const int32_t *tokens, int count) {
    if (count == 0)
        return;
    text_format(out, "  %s = ", name);
    if (count == 1) {
        text_format(out, "%" PRId32 ",\n", tokens[0]);
        return;
    }
    for (int i = 0; i < count; i++)
        text_format(out, "%s%" PRId32, i ? ", " : "{ ", tokens[i]);
    text_append(out, " },\n");
}

static void print_numbers(const struct model *model, struct text *out) {
    text_format(out, "model {\n  name = \"%s\", family = \"%s\", dtype = \"%s\",\n", model->name,
                model->family, model->dtype);
    text_format(out, "  hidden = %d, layers = %d, vocab = %d, mlp = %d,\n", model->hidden,
                model->layers, model->vocab, model->mlp);
    text_format(out, "  heads = %d, kv_heads = %d, head_dim = %d,\n", model->heads, model->kv_heads,
                model->head_dim);
    text_format(out, "  norm_eps = %.15g, tie_embeddings = %s, context = %d,\n", model->norm_eps,
                model->tie_embeddings ? "true" : "false", model->context);
    const struct value *rope = value_get(model->spec, "rope");
    if (rope) {
        text_append(out, "  rope = ");
        value_print_lua(out, rope, 0);
        text_append(out, ",\n");
    }
    print_tokens(out, "bos", model->bos, model->bos_count);
    print_tokens(out, "eos", model->eos, model->eos_count);
    text_append(out, "}\n");
}

static void print_frequencies(const struct model_rope *rope, struct text *out) {
    text_format(out, "\n-- %s: radians a position of each pair, amplitude %.9g\n-- ", rope->name,
                rope->amplitude);
    for (int i = 0; i < rope->dims / 2; i++)
        text_format(out, "%s%.9g",
                    i == 0  ? ""
                    : i % 8 ? ", "
                            : ",\n-- ",
                    rope->inverse_frequencies[i]);
    text_append(out, "\n");
}

// One argument of the op's Lua function: a size, a tensor or the next input.
static void print_argument(const struct node *node, const char *name, int *input,
                           struct text *out) {
    if (strcmp(name, "tensor") == 0)
        text_format(out, "\"%s\"", node->tensor);
    else if (strcmp(name, "rows") == 0 && node->op == OP_EMBED)
        text_append(out, "vocab");
    else if (strcmp(name, "rows") == 0 || strcmp(name, "columns") == 0)
        text_format(out, "%d", node->elements);
    else if (strcmp(name, "factor") == 0)
        text_number(out, node->factor);
    else
        text_format(out, "n%d", node->inputs[(*input)++]);
}

static void print_node(const struct model *model, int index, struct text *out) {
    const struct node *node = &model->nodes[index];
    struct text line = {0};
    text_format(&line, "n%-4d = ", index);
    if (node->op == OP_ADD || node->op == OP_MULTIPLY) {
        text_format(&line, "n%d %s n%d", node->inputs[0], op_name(node->op), node->inputs[1]);
    } else {
        int input = 0;
        text_format(&line, "%s(", op_name(node->op));
        for (const char *at = op_rows[node->op].arguments; *at;) {
            char name[16];
            size_t length = strcspn(at, ",");
            memcpy(name, at, length);
            name[length] = '\0';
            print_argument(node, name, &input, &line);
            at += length;
            at += strspn(at, ", ");
            text_append(&line, *at ? ", " : "");
        }
        text_append(&line, ")");
    }
    text_format(out, "%-72s -- [%d]", line.bytes, node->elements);
    text_close(&line);
    int64_t rows, columns;
    if (node_weight_shape(model, node, &rows, &columns)) {
        if (columns == 1)
            text_format(out, ", weight [%" PRId64 "]", rows);
        else
            text_format(out, ", weight [%" PRId64 "][%" PRId64 "]", rows, columns);
    }
    text_format(out, "   %s:%d\n", node->file, node->line);
}

void model_print(const struct model *model, struct text *out) {
    text_format(out, "-- %s, as it was understood from %s\n", model->name, model->spec_file);
    text_format(out, "-- %" PRId64 " parameters, %" PRId64 " bytes of weights read for a token\n\n",
                model_parameters(model), model_bytes_per_token(model));
    print_numbers(model, out);
    for (int i = 0; i < model->rope_count; i++)
        print_frequencies(&model->ropes[i], out);
    int layer = -1;
    text_append(out, "\n-- before the layers\n");
    for (int i = 0; i < model->node_count; i++) {
        if (model->nodes[i].layer != layer) {
            layer = model->nodes[i].layer;
            if (layer >= 0)
                text_format(out, "\n-- layer %d\n", layer);
            else
                text_append(out, "\n-- after the layers\n");
        }
        print_node(model, i, out);
    }
}
