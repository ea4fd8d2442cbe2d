#include "generator/reference/evaluate.h"

#include "runtime/float_formats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- element by element -------------------------------------------------------------------------

static double silu(double x) { return x / (1 + exp(-x)); }

// x * (1 + erf(x / sqrt(2))) / 2, where 1 + erf would lose the digits of a large negative x.
static double gelu(double x) { return x * erfc(-x / sqrt(2)) / 2; }

static double gelu_tanh(double x) {
    const double pi = acos(-1);
    return x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))) / 2;
}

static double capped(double x, double cap) { return cap > 0 ? cap * tanh(x / cap) : x; }

static double elementwise(const struct node *node, double x, double y) {
    switch (node->op) {
    case OP_SILU:
        return silu(x);
    case OP_GELU:
        return gelu(x);
    case OP_GELU_TANH:
        return gelu_tanh(x);
    case OP_SCALE:
        return x * node->factor;
    case OP_MULTIPLY:
        return x * y;
    default: // OP_ADD
        return x + y;
    }
}

static void evaluate_elements(const struct evaluation *evaluation, const struct node *node,
                              float *value) {
    const float *x = evaluation->states[node->inputs[0]].value;
    const float *y = node->input_count > 1 ? evaluation->states[node->inputs[1]].value : x;
    for (int i = 0; i < node->elements; i++)
        value[i] = (float)elementwise(node, (double)x[i], (double)y[i]);
}

// ---- weights ------------------------------------------------------------------------------------

static void evaluate_embed(const struct evaluation *evaluation, const struct node *node,
                           const struct node_state *state) {
    float *room = (float *)(void *)evaluation->room; // [2][elements] floats fit as many doubles
    memcpy(state->value, matrix_row(&state->matrix, evaluation->token, room),
           (size_t)node->elements * sizeof *state->value);
}

static void evaluate_product(const struct evaluation *evaluation, const struct node *node,
                             const struct node_state *state) {
    double *product = evaluation->room;
    matrix_times(&state->matrix, evaluation->states[node->inputs[0]].value, product);
    for (int i = 0; i < node->elements; i++) {
        const double biased = product[i] + (state->bias ? (double)state->bias[i] : 0);
        state->value[i] = (float)capped(biased, node->op == OP_LOGITS ? node->softcap : 0);
    }
}

static void evaluate_norm(const struct evaluation *evaluation, const struct node *node,
                          const struct node_state *state) {
    for (int first = 0; first < node->elements; first += node->group) {
        const float *x = evaluation->states[node->inputs[0]].value + first;
        double squares = 0;
        for (int i = 0; i < node->group; i++)
            squares += (double)x[i] * (double)x[i];
        const double scale = 1 / sqrt(squares / node->group + evaluation->model->norm_eps);
        for (int i = 0; i < node->group; i++)
            state->value[first + i] = (float)((double)x[i] * scale * (double)state->weight[i]);
    }
}

// ---- positions ----------------------------------------------------------------------------------

static void evaluate_rope(const struct evaluation *evaluation, const struct node *node,
                          float *value) {
    const int half = evaluation->model->ropes[node->rope].dims / 2;
    const float *rotation = evaluation->rotations[node->rope];
    const float *x = evaluation->states[node->inputs[0]].value;
    memcpy(value, x, (size_t)node->elements * sizeof *value);
    for (int head = 0; head < node->elements; head += evaluation->model->head_dim)
        for (int i = 0; i < half; i++) {
            const double a = (double)x[head + i], b = (double)x[head + half + i];
            const double cosine = (double)rotation[2 * i], sine = (double)rotation[2 * i + 1];
            value[head + i] = (float)(a * cosine - b * sine);
            value[head + half + i] = (float)(b * cosine + a * sine);
        }
}

static void *resized(void *memory, size_t count, size_t bytes) {
    void *grown = count <= SIZE_MAX / bytes ? realloc(memory, count * bytes) : NULL;
    if (!grown)
        memory_exhausted(count <= SIZE_MAX / bytes ? count * bytes : SIZE_MAX);
    return grown;
}

static void keep(const struct evaluation *evaluation, const float *from, size_t count, float *to) {
    for (size_t i = 0; i < count; i++)
        to[i] = evaluation->kv_bf16 ? f32_from_bf16(bf16_from_f32(from[i])) : from[i];
}

static void extend_history(const struct evaluation *evaluation, const struct node *node,
                           struct history *history) {
    const struct model *model = evaluation->model;
    const int key = node->inputs[1], value = node->inputs[2];
    const size_t count = (size_t)model->nodes[key].elements, position = evaluation->position;
    if (position >= history->capacity) {
        history->capacity = position < 8 ? 16 : 2 * position;
        history->keys = resized(history->keys, history->capacity * count, sizeof(float));
        history->values = resized(history->values, history->capacity * count, sizeof(float));
    }
    keep(evaluation, evaluation->states[key].value, count, history->keys + position * count);
    keep(evaluation, evaluation->states[value].value, count, history->values + position * count);
}

// Of one head: query [head_dim], keys and values of its KV head, `row` elements a position.
static void attend(const struct evaluation *evaluation, const struct node *node, const float *query,
                   const float *keys, const float *values, size_t row, float *to) {
    const int dims = evaluation->model->head_dim;
    const size_t end = (size_t)evaluation->position + 1;
    const size_t window = (size_t)node->window;
    const size_t begin = window > 0 && end > window ? end - window : 0;
    double *weights = evaluation->room, highest = -INFINITY, sum = 0;
    for (size_t p = begin; p < end; p++) {
        double score = 0;
        for (int d = 0; d < dims; d++)
            score += (double)query[d] * (double)keys[p * row + (size_t)d];
        weights[p] = capped(score * node->scale, node->softcap);
        highest = weights[p] > highest ? weights[p] : highest;
    }
    for (size_t p = begin; p < end; p++)
        sum += weights[p] = exp(weights[p] - highest);
    for (int d = 0; d < dims; d++) {
        double mixed = 0;
        for (size_t p = begin; p < end; p++)
            mixed += weights[p] * (double)values[p * row + (size_t)d];
        to[d] = (float)(mixed / sum);
    }
}

static void evaluate_attention(const struct evaluation *evaluation, const struct node *node,
                               struct node_state *state) {
    const int dims = evaluation->model->head_dim;
    const int row = evaluation->model->nodes[node->inputs[1]].elements;
    const int heads = node->elements / dims, kv_heads = row / dims;
    const float *query = evaluation->states[node->inputs[0]].value;
    extend_history(evaluation, node, &state->history);
    for (int head = 0; head < heads; head++) {
        const int kv = head / (heads / kv_heads) * dims;
        attend(evaluation, node, query + head * dims, state->history.keys + kv,
               state->history.values + kv, (size_t)row, state->value + head * dims);
    }
}

void evaluate_node(struct evaluation *evaluation, int index) {
    const struct node *node = &evaluation->model->nodes[index];
    struct node_state *state = &evaluation->states[index];
    switch (node->op) {
    case OP_EMBED:
        evaluate_embed(evaluation, node, state);
        return;
    case OP_RMSNORM:
        evaluate_norm(evaluation, node, state);
        return;
    case OP_LINEAR:
    case OP_LOGITS:
        evaluate_product(evaluation, node, state);
        return;
    case OP_ROPE:
        evaluate_rope(evaluation, node, state->value);
        return;
    case OP_ATTENTION:
        evaluate_attention(evaluation, node, state);
        return;
    case OP_SILU:
    case OP_GELU:
    case OP_GELU_TANH:
    case OP_SCALE:
    case OP_MULTIPLY:
    case OP_ADD:
        evaluate_elements(evaluation, node, state->value);
        return;
    case OP_COUNT:
        return;
    }
}
