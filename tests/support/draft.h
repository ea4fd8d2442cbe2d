// Graphs of ops written in C, for what a test wants of the planner without a family in Lua.
#ifndef TESTS_SUPPORT_DRAFT_H
#define TESTS_SUPPORT_DRAFT_H

#include "tests/support/made_plan.h"

struct draft {
    struct arena *arena;
    struct model *model;
    int layer; // of the nodes that are added next, -1 outside the layers
};

// Each adds a node and returns its index. Tensors are named "<layer>.<name>" inside the layers.
int draft_embed(struct draft *draft);
int draft_norm(struct draft *draft, int x, const char *name); // of all elements; the plain weight
int draft_head_norm(struct draft *draft, int x, const char *name);
int draft_linear(struct draft *draft, int x, const char *name, int rows);
// Rows first .. first + rows - 1 of a tensor of tensor_rows.
int draft_slice(struct draft *draft, int x, const char *name, int rows, int first, int tensor_rows);
int draft_rope(struct draft *draft, int x, int rope);
int draft_attention(struct draft *draft, int q, int k, int v);
int draft_activation(struct draft *draft, enum op op, int x);
int draft_scale(struct draft *draft, int x, double factor);
int draft_multiply(struct draft *draft, int x, int y);
int draft_add(struct draft *draft, int x, int y);
int draft_logits(struct draft *draft, int x); // "head", or the embedding where the model ties them

// The node, to be given what the calls above do not: a bias, a window, a softcap ...
struct node *draft_node(struct draft *draft, int index);

// A bias for a product: the tensor "<weight>.bias".
void draft_bias(struct draft *draft, int linear);

// Makes a plan of a graph of a small model: hidden 64, 2 layers, vocabulary 200, MLP 96, 4 heads
// and 2 KV heads of 16, context 64, two tables of RoPE (16 and 8 dimensions), untied. `build` may
// change the sizes of draft->model before it adds the first node. Returns false where it is
// refused.
bool made_plan_of(struct made_plan *made, void (*build)(struct draft *draft), const char *target,
                  const char *set);

// The same with failure as the test's.
void made_plan_of_open(struct made_plan *made, void (*build)(struct draft *draft),
                       const char *target, const char *set);

#endif
