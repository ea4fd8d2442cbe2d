// Evaluate: the value of one node, from those of its inputs.
#ifndef GENERATOR_REFERENCE_EVALUATE_H
#define GENERATOR_REFERENCE_EVALUATE_H

#include "generator/model/model.h"
#include "generator/reference/matrix.h"

// The keys and values of an ATTENTION so far.
struct history {
    float *keys, *values; // [capacity][kv_heads * head_dim] each
    size_t capacity;
};

// What a node has besides what the model says of it.
struct node_state {
    struct matrix matrix; // EMBED, LINEAR, LOGITS
    float *bias;          // LINEAR, LOGITS: [elements], NULL: none
    float *weight;        // RMSNORM: [group], `add` added
    struct history history;
    float *value; // [elements]
};

// One token.
struct evaluation {
    const struct model *model;
    struct node_state *states; // [node_count]
    uint32_t token, position;
    bool kv_bf16;
    float *rotations[MODEL_MAX_ROPES]; // [dims / 2][2] cosines and sines of the position
    double *room;                      // [room_count] for whatever a node sums up
    size_t room_count;                 // at least the elements of any node, and position + 1
};

// Computes states[node].value; ATTENTION also extends its history.
// Requires: the values of its inputs are there.
void evaluate_node(struct evaluation *evaluation, int node);

#endif
