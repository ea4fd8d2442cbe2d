// Graphs that use all that stages can do, with weights of a checkpoint, on the CPU against a plain
// evaluation of the graph's nodes in double precision: however the plan deals, splits and keeps.
#include "generator/base/file.h"
#include "runtime/float_formats.h"
#include "runtime/monogen.h"
#include "tests/support/drafts.h"
#include "tests/support/generated.h"
#include "tests/support/kernel_folder.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POSITIONS = 40, MOST_TENSORS = 64 };

// ---- weights ------------------------------------------------------------------------------------

struct tensor_data {
    const char *name;
    int rows, columns; // columns 0: a vector
    uint16_t *bf16;    // of a matrix
    float *f32;
};
struct weights {
    struct arena *arena;
    struct tensor_data list[MOST_TENSORS];
    int count;
};

// Uniform in -1 .. 1, of the name and the index.
static float chance(const char *name, int index) {
    uint64_t state = 1469598103934665603U + (uint64_t)index * 0x9e3779b97f4a7c15U;
    for (; *name; name++)
        state = (state ^ (unsigned char)*name) * 1099511628211U;
    state = (state ^ state >> 30) * 0xbf58476d1ce4e5b9U;
    return (float)(state >> 40) / (float)(1 << 23) - 1;
}

static const struct tensor_data *tensor_named(struct weights *weights, const char *name, int rows,
                                              int columns, bool norm) {
    for (int i = 0; i < weights->count; i++)
        if (strcmp(weights->list[i].name, name) == 0)
            return &weights->list[i];
    assert_true(weights->count < MOST_TENSORS);
    struct tensor_data *tensor = &weights->list[weights->count++];
    const size_t elements = (size_t)rows * (size_t)(columns ? columns : 1);
    *tensor = (struct tensor_data){name, rows, columns,
                                   arena_array(weights->arena, elements, sizeof(uint16_t)),
                                   arena_array(weights->arena, elements, sizeof(float))};
    for (int i = 0; i < (int)elements; i++) {
        const float x = chance(name, i);
        tensor->bf16[i] = bf16_from_f32(x * 2 / sqrtf((float)(columns ? columns : 1)));
        tensor->f32[i] = columns ? f32_from_bf16(tensor->bf16[i]) : norm ? 1 + x / 2 : x / 4;
    }
    return tensor;
}

static void write_weights(const struct weights *weights, const char *folder) {
    struct kernel_folder to = {0};
    struct tensor_to_write tensors[MOST_TENSORS];
    char shapes[MOST_TENSORS][32];
    snprintf(to.path, sizeof to.path, "%s", folder);
    for (int i = 0; i < weights->count; i++) {
        const struct tensor_data *tensor = &weights->list[i];
        const size_t elements =
            (size_t)tensor->rows * (size_t)(tensor->columns ? tensor->columns : 1);
        const bool matrix = tensor->columns > 0;
        snprintf(shapes[i], sizeof shapes[i], matrix ? "[%d,%d]" : "[%d]", tensor->rows,
                 tensor->columns);
        tensors[i] = (struct tensor_to_write){
            tensor->name, matrix ? "BF16" : "F32", shapes[i],
            matrix ? (const void *)tensor->bf16 : (const void *)tensor->f32,
            elements * (matrix ? sizeof(uint16_t) : sizeof(float))};
    }
    kernel_folder_write_tensors(&to, "model.safetensors", tensors, (size_t)weights->count);
}

// ---- the reference ------------------------------------------------------------------------------

struct reference {
    const struct model *model;
    struct weights weights;
    double **value; // [nodes] of this position
    double **past;  // [nodes] [POSITIONS][elements] of what attention reads
};

static const float *vector_of(struct reference *reference, const char *name, int elements,
                              bool norm) {
    return tensor_named(&reference->weights, name, elements, 0, norm)->f32;
}

static void multiply(struct reference *reference, const struct node *node, const double *x,
                     double *y) {
    const struct tensor_data *tensor =
        tensor_named(&reference->weights, node->tensor, node->tensor_rows, node->columns, false);
    const float *bias =
        node->bias ? vector_of(reference, node->bias, node->tensor_rows, false) : NULL;
    for (int r = 0; r < node->elements; r++) {
        const float *row = tensor->f32 + (size_t)(node->tensor_first + r) * (size_t)node->columns;
        y[r] = bias ? (double)bias[node->tensor_first + r] : 0;
        for (int c = 0; c < node->columns; c++)
            y[r] += (double)row[c] * x[c];
    }
}

static void norm(struct reference *reference, const struct node *node, const double *x, double *y) {
    const float *weight = vector_of(reference, node->tensor, node->group, true);
    for (int first = 0; first < node->elements; first += node->group) {
        double squares = 0;
        for (int i = 0; i < node->group; i++)
            squares += x[first + i] * x[first + i];
        const double scale = 1 / sqrt(squares / node->group + reference->model->norm_eps);
        for (int i = 0; i < node->group; i++)
            y[first + i] = x[first + i] * scale * (double)(float)((double)weight[i] + node->add);
    }
}

static void rotate(const struct model *model, const struct node *node, int position,
                   const double *x, double *y) {
    const struct model_rope *rope = &model->ropes[node->rope];
    memcpy(y, x, (size_t)node->elements * sizeof *y);
    for (int first = 0; first < node->elements; first += model->head_dim)
        for (int i = 0; i < rope->dims / 2; i++) {
            const float angle = (float)position * (float)rope->inverse_frequencies[i];
            const double c = cos((double)angle) * rope->amplitude;
            const double s = sin((double)angle) * rope->amplitude;
            const double a = x[first + i], b = x[first + i + rope->dims / 2];
            y[first + i] = a * c - b * s;
            y[first + i + rope->dims / 2] = b * c + a * s;
        }
}

static double capped(double x, double cap) { return cap > 0 ? cap * tanh(x / cap) : x; }

static void attend(struct reference *reference, const struct node *node, int position, double *y) {
    const struct model *model = reference->model;
    const int dim = model->head_dim, group = model->heads / model->kv_heads;
    const int width = model->kv_heads * dim;
    const double *q = reference->value[node->inputs[0]];
    const double *keys = reference->past[node->inputs[1]];
    const double *values = reference->past[node->inputs[2]];
    const int first = node->window && position >= node->window ? position - node->window + 1 : 0;
    for (int h = 0; h < model->heads; h++) {
        double weight[POSITIONS], sum = 0, highest = -INFINITY;
        for (int p = first; p <= position; p++) {
            weight[p] = 0;
            for (int d = 0; d < dim; d++)
                weight[p] += q[h * dim + d] * keys[p * width + h / group * dim + d];
            weight[p] = capped(weight[p] * node->scale, node->softcap);
            highest = fmax(highest, weight[p]);
        }
        for (int p = first; p <= position; p++)
            sum += weight[p] = exp(weight[p] - highest);
        for (int d = 0; d < dim; d++) {
            y[h * dim + d] = 0;
            for (int p = first; p <= position; p++)
                y[h * dim + d] += weight[p] / sum * values[p * width + h / group * dim + d];
        }
    }
}

static double element(const struct node *node, double a, double b) {
    switch (node->op) {
    case OP_SILU:
        return a / (1 + exp(-a));
    case OP_GELU:
        return a * (1 + erf(a / sqrt(2))) / 2;
    case OP_GELU_TANH:
        return a * (1 + tanh(sqrt(2 / M_PI) * (a + 0.044715 * a * a * a))) / 2;
    case OP_SCALE:
        return a * node->factor;
    case OP_MULTIPLY:
        return a * b;
    case OP_ADD:
        return a + b;
    default:
        fail_msg("no element-wise op %s", op_name(node->op));
        return 0;
    }
}

static void evaluate(struct reference *reference, int index, uint32_t token, int position) {
    const struct model *model = reference->model;
    const struct node *node = &model->nodes[index];
    double *y = reference->value[index];
    const double *x = reference->value[node->inputs[0]];
    const double *x2 = node->input_count > 1 ? reference->value[node->inputs[1]] : x;
    if (node->op == OP_EMBED) {
        const struct tensor_data *table =
            tensor_named(&reference->weights, node->tensor, model->vocab, node->elements, false);
        for (int i = 0; i < node->elements; i++)
            y[i] = (double)table->f32[token * (uint32_t)node->elements + (uint32_t)i];
    } else if (node->op == OP_LINEAR || node->op == OP_LOGITS) {
        multiply(reference, node, x, y);
    } else if (node->op == OP_RMSNORM) {
        norm(reference, node, x, y);
    } else if (node->op == OP_ROPE) {
        rotate(model, node, position, x, y);
    } else if (node->op == OP_ATTENTION) {
        attend(reference, node, position, y);
    } else {
        for (int i = 0; i < node->elements; i++)
            y[i] = element(node, x[i], x2[i]);
    }
    for (int i = 0; i < node->elements && node->op == OP_LOGITS; i++)
        y[i] = capped(y[i], node->softcap);
    memcpy(reference->past[index] + (size_t)position * (size_t)node->elements, y,
           (size_t)node->elements * sizeof *y);
}

static void reference_open(struct reference *reference, struct made_plan *made) {
    struct arena *arena = &made->arena;
    const size_t nodes = (size_t)made->model.node_count;
    *reference = (struct reference){.model = &made->model,
                                    .weights = {.arena = arena},
                                    .value = arena_array(arena, nodes, sizeof(double *)),
                                    .past = arena_array(arena, nodes, sizeof(double *))};
    for (size_t i = 0; i < nodes; i++) {
        const size_t elements = (size_t)made->model.nodes[i].elements;
        reference->value[i] = arena_array(arena, elements, sizeof(double));
        reference->past[i] = arena_array(arena, elements * POSITIONS, sizeof(double));
    }
}

// ---- the comparison -----------------------------------------------------------------------------

static uint32_t token_at(int position, int vocab) {
    return (uint32_t)((position * 7919 + 13) % vocab);
}

static struct monogen *open_kernel(const struct made_plan *made, struct generated *generated,
                                   const char *folder) {
    struct monogen_error error = {0};
    generated_open_plan(generated, &made->plan, NULL, true);
    generated_write(generated, folder);
    struct monogen *opened = monogen_open(&(struct monogen_options){.kernel_folder = folder,
                                                                    .weights_folder = folder,
                                                                    .handoff_timeout_seconds = 120},
                                          &error);
    if (!opened)
        fail_msg("%s: %s", folder, error.message);
    return opened;
}

static double relative_rmse(const float *got, const double *expected, int count) {
    double squares = 0, norm_of_expected = 0;
    for (int i = 0; i < count; i++) {
        squares += ((double)got[i] - expected[i]) * ((double)got[i] - expected[i]);
        norm_of_expected += expected[i] * expected[i];
    }
    return sqrt(squares / norm_of_expected);
}

static void expect_draft(void (*build)(struct draft *draft), const char *name, const char *set) {
    skip_without_compiler("cxx");
    struct made_plan made;
    struct generated generated;
    struct reference reference;
    made_plan_of_open(&made, build, "host", set);
    reference_open(&reference, &made);
    const int vocab = made.model.vocab;
    double *expected = arena_array(&made.arena, (size_t)(POSITIONS * vocab), sizeof *expected);
    float *logits = arena_array(&made.arena, (size_t)(POSITIONS * vocab), sizeof *logits);
    uint32_t tokens[POSITIONS];
    for (int p = 0; p < POSITIONS; p++) {
        tokens[p] = token_at(p, vocab);
        for (int i = 0; i < made.model.node_count; i++)
            evaluate(&reference, i, tokens[p], p);
        memcpy(expected + p * vocab, reference.value[made.model.node_count - 1],
               (size_t)vocab * sizeof *expected);
    }
    const char *folder = arena_format(&made.arena, "%s/%s %s", temporary_folder(), name, set);
    struct monogen_error error = {0};
    assert_true(folder_make(folder, &made.diagnostics));
    write_weights(&reference.weights, folder);
    struct monogen *opened = open_kernel(&made, &generated, folder);
    if (!monogen_logits(opened, tokens, POSITIONS, logits, &error))
        fail_msg("%s '%s': %s", name, set, error.message);
    double worst = 0;
    for (int p = 0; p < POSITIONS; p++) {
        const double distance = relative_rmse(logits + p * vocab, expected + p * vocab, vocab);
        worst = fmax(worst, distance);
        if (!(distance <= 2e-5))
            fail_msg("%s '%s': position %d: relative RMSE %.3g", name, set, p, distance);
    }
    print_message("%s '%s': %d positions, worst %.2g\n", name, set, POSITIONS, worst);
    monogen_close(opened);
    generated_close(&generated);
    made_plan_close(&made);
}

static void test_owned(void **state) {
    (void)state;
    expect_draft(build_rich_owned, "owned", "kv=fp32 cus=3");
    expect_draft(build_rich_owned, "owned", "kv=fp32 cus=7 kv_splits=3 buffers=unshared");
}

static void test_owned_graph_with_the_residual_everywhere(void **state) {
    (void)state;
    expect_draft(build_rich_owned, "owned", "kv=fp32 cus=3 residual=everywhere");
}

static void test_everywhere(void **state) {
    (void)state;
    expect_draft(build_rich_everywhere, "everywhere", "kv=fp32 cus=3");
    expect_draft(build_rich_everywhere, "everywhere", "kv=fp32 cus=40 kv_splits=2");
}

static void test_values_that_are_there_at_once(void **state) {
    (void)state;
    expect_draft(build_side_by_side, "two MLPs", "kv=fp32 cus=3");
    expect_draft(build_side_by_side, "two MLPs", "kv=fp32 cus=3 residual=everywhere");
    expect_draft(build_older_residual, "older residual", "kv=fp32 cus=3");
    expect_draft(build_chain, "chain", "kv=fp32 cus=3");
    expect_draft(build_chain, "chain", "kv=fp32 cus=3 residual=everywhere");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owned),
        cmocka_unit_test(test_owned_graph_with_the_residual_everywhere),
        cmocka_unit_test(test_everywhere),
        cmocka_unit_test(test_values_that_are_there_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
