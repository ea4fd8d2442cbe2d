// Print: the model as it was understood, in the looks of a family file.
#include "generator/model/graph.h"
#include "generator/model/spec.h"

#include <inttypes.h>
#include <math.h>
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

static void print_field(struct text *out, const struct model *model, const char *name) {
    const struct value *value = value_get(model->spec, name);
    if (!value)
        return;
    text_format(out, "  %s = ", name);
    value_print_lua(out, value, 0);
    text_append(out, ",\n");
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
    print_field(out, model, "rope");
    print_field(out, model, "local_rope");
    for (size_t i = 0; i < model->spec->table.count; i++)
        if (!spec_has_field(model->spec->table.fields[i].name))
            print_field(out, model, model->spec->table.fields[i].name);
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
    else
        text_format(out, "n%d", node->inputs[(*input)++]);
}

// What parts two options, or the first from what stands before.
__attribute__((format(printf, 3, 4))) static void
print_option(struct text *options, const char *name, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_format(options, "%s%s = ", options->length > 0 ? ", " : "", name);
    text_vformat(options, format, arguments);
    va_end(arguments);
}

static void print_number_option(struct text *options, const char *name, double number) {
    print_option(options, name, "%s", "");
    text_number(options, number);
}

// The options that say something: those whose absence would mean something else.
static void print_options(const struct model *model, const struct node *node, struct text *out) {
    struct text options = {0};
    const char *rope = node->op == OP_ROPE ? model->ropes[node->rope].name : "rope";
    if (node->op == OP_RMSNORM && node->group != node->elements)
        print_option(&options, "group", "%d", node->group);
    if (node->add != 0)
        print_number_option(&options, "add", node->add);
    if (node->bias)
        print_option(&options, "bias", "\"%s\"", node->bias);
    if (node->op == OP_LINEAR && node->tensor_rows != node->elements) {
        print_option(&options, "first", "%d", node->tensor_first);
        print_option(&options, "of", "%d", node->tensor_rows);
    }
    if (strcmp(rope, "rope") != 0)
        print_option(&options, "table", "\"%s\"", rope);
    if (node->window > 0)
        print_option(&options, "window", "%d", node->window);
    if (node->op == OP_ATTENTION && node->scale != 1 / sqrt(model->head_dim))
        print_number_option(&options, "scale", node->scale);
    if (node->softcap > 0)
        print_number_option(&options, "softcap", node->softcap);
    if (options.length > 0)
        text_format(out, ", { %s }", options.bytes);
    text_close(&options);
}

static void print_node(const struct model *model, int index, struct text *out) {
    const struct node *node = &model->nodes[index];
    struct text line = {0};
    text_format(&line, "n%-4d = ", index);
    if (node->op == OP_ADD || node->op == OP_MULTIPLY) {
        text_format(&line, "n%d %s n%d", node->inputs[0], op_name(node->op), node->inputs[1]);
    } else if (node->op == OP_SCALE) {
        text_format(&line, "n%d * ", node->inputs[0]);
        text_number(&line, node->factor);
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
        print_options(model, node, &line);
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
