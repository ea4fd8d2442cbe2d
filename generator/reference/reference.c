#include "generator/reference/reference.h"

#include "generator/reference/evaluate.h"
#include "runtime/rope_table.h"

#include <stdlib.h>
#include <string.h>

struct reference {
    struct arena arena;             // owns all but the histories, the room and the checkpoint
    struct safetensors *checkpoint; // NULL: random weights
    struct evaluation evaluation;
};

// ---- opening ------------------------------------------------------------------------------------

static bool dtype_of(const struct model *model, enum weight_dtype *dtype,
                     struct monogen_error *error) {
    static const char *const names[] = {
        [WEIGHT_BF16] = "bf16", [WEIGHT_F16] = "fp16", [WEIGHT_F32] = "fp32"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(model->dtype, names[i]) == 0) {
            *dtype = (enum weight_dtype)i;
            return true;
        }
    return monogen_fail(error, MONOGEN_BAD_INPUT,
                        "the reference cannot make random weights of dtype \"%s\", only bf16, "
                        "fp16 and fp32",
                        model->dtype);
}

static bool open_norm(struct reference *reference, const struct tensor_source *source,
                      const struct node *node, struct node_state *state,
                      struct monogen_error *error) {
    const size_t count = (size_t)node->group;
    state->weight = arena_array(&reference->arena, count, sizeof *state->weight);
    if (!vector_read(source, node->tensor, count, 0, count, (float)(1 - node->add), state->weight,
                     error))
        return false;
    // as the model was trained: the sum is rounded
    for (size_t i = 0; i < count; i++)
        state->weight[i] = (float)((double)state->weight[i] + node->add);
    return true;
}

static bool open_product(struct reference *reference, const struct tensor_source *source,
                         const struct node *node, struct node_state *state,
                         struct monogen_error *error) {
    const uint64_t first = (uint64_t)node->tensor_first, tensor_rows = (uint64_t)node->tensor_rows;
    const size_t rows = (size_t)node->elements;
    if (!matrix_open(source, node->tensor, tensor_rows, first, rows, (uint64_t)node->columns,
                     &state->matrix, error))
        return false;
    if (!node->bias)
        return true;
    state->bias = arena_array(&reference->arena, rows, sizeof *state->bias);
    return vector_read(source, node->bias, tensor_rows, first, rows, 0, state->bias, error);
}

static bool open_node(struct reference *reference, const struct tensor_source *source,
                      const struct node *node, struct node_state *state,
                      struct monogen_error *error) {
    const uint64_t vocab = (uint64_t)reference->evaluation.model->vocab;
    state->value = arena_array(&reference->arena, (size_t)node->elements, sizeof *state->value);
    switch (node->op) {
    case OP_EMBED:
        return matrix_open(source, node->tensor, vocab, 0, vocab, (uint64_t)node->elements,
                           &state->matrix, error);
    case OP_RMSNORM:
        return open_norm(reference, source, node, state, error);
    case OP_LINEAR:
    case OP_LOGITS:
        return open_product(reference, source, node, state, error);
    default:
        return true;
    }
}

static bool open_nodes(struct reference *reference, const struct tensor_source *source,
                       struct monogen_error *error) {
    struct evaluation *evaluation = &reference->evaluation;
    const struct model *model = evaluation->model;
    const size_t count = (size_t)model->node_count;
    evaluation->states = arena_array(&reference->arena, count, sizeof *evaluation->states);
    for (size_t i = 0; i < count; i++)
        if (!open_node(reference, source, &model->nodes[i], &evaluation->states[i], error))
            return false;
    for (int i = 0; i < model->rope_count; i++)
        evaluation->rotations[i] =
            arena_array(&reference->arena, (size_t)model->ropes[i].dims, sizeof(float));
    return true;
}

struct reference *reference_open(const struct reference_options *options,
                                 struct monogen_error *error) {
    struct reference *reference = calloc(1, sizeof *reference);
    if (!reference)
        memory_exhausted(sizeof *reference);
    reference->evaluation =
        (struct evaluation){.model = options->model, .kv_bf16 = options->kv_bf16};
    struct tensor_source source = {.random_seed = options->random_seed};
    bool good = options->checkpoint || dtype_of(options->model, &source.random_dtype, error);
    if (options->checkpoint) {
        reference->checkpoint = safetensors_open_checkpoint(options->checkpoint, error);
        source.checkpoint = reference->checkpoint;
        good = reference->checkpoint != NULL;
    }
    if (good && open_nodes(reference, &source, error))
        return reference;
    reference_close(reference);
    return NULL;
}

void reference_close(struct reference *reference) {
    if (!reference)
        return;
    struct evaluation *evaluation = &reference->evaluation;
    for (int i = 0; evaluation->states && i < evaluation->model->node_count; i++) {
        free(evaluation->states[i].history.keys);
        free(evaluation->states[i].history.values);
    }
    free(evaluation->room);
    safetensors_close(reference->checkpoint);
    arena_close(&reference->arena);
    free(reference);
}

// ---- one token ----------------------------------------------------------------------------------

static void make_room(struct evaluation *evaluation) {
    size_t needed = (size_t)evaluation->position + 1;
    for (int i = 0; i < evaluation->model->node_count; i++)
        if ((size_t)evaluation->model->nodes[i].elements > needed)
            needed = (size_t)evaluation->model->nodes[i].elements;
    if (needed <= evaluation->room_count)
        return;
    evaluation->room_count = 2 * needed;
    free(evaluation->room);
    evaluation->room = calloc(evaluation->room_count, sizeof *evaluation->room);
    if (!evaluation->room)
        memory_exhausted(evaluation->room_count * sizeof *evaluation->room);
}

// By the code that makes the kernels' tables, so that both turn by the same angles.
static void turn_to(struct evaluation *evaluation) {
    for (int i = 0; i < evaluation->model->rope_count; i++) {
        const struct model_rope *rope = &evaluation->model->ropes[i];
        const struct manifest_rope row = {.rows = 1,
                                          .inverse_frequencies = rope->inverse_frequencies,
                                          .pair_count = (size_t)rope->dims / 2,
                                          .amplitude = rope->amplitude};
        rope_table_fill(&row, evaluation->position, 1, evaluation->rotations[i]);
    }
}

void reference_step(struct reference *reference, uint32_t token, uint32_t position) {
    struct evaluation *evaluation = &reference->evaluation;
    evaluation->token = token;
    evaluation->position = position;
    make_room(evaluation);
    turn_to(evaluation);
    for (int i = 0; i < evaluation->model->node_count; i++)
        evaluate_node(evaluation, i);
}

const float *reference_value(const struct reference *reference, int node) {
    return reference->evaluation.states[node].value;
}
