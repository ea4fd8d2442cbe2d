// What the parts of the fusing pass share: fuse.c walks the graph, fuse_products.c and
// fuse_attention.c make stages of products and of attention.
#ifndef GENERATOR_PLAN_FUSE_H
#define GENERATOR_PLAN_FUSE_H

#include "generator/plan/passes.h"

struct fusing {
    struct planning *planning;
    const struct model *model;
    int *uses;       // [nodes] how many nodes take its value
    bool *fused;     // [nodes]
    int *stage_of;   // [nodes] the stage that publishes its value, -1: none
    int stream;      // node of the newest residual value
    bool everywhere; // each CU keeps the whole residual, not only its rows
};

// Says that no stage computes the node, at its line of the family. Returns false.
bool cannot(const struct fusing *fusing, const struct node *node, const char *why);

const struct node *node_at(const struct fusing *fusing, int index);

// Adds a stage at a node's place, of the body of that name and shape (made where there is none; a
// second shape gets "<name>_2"). mailbox: what it would be called, NULL where nothing is published.
// Returns its index.
int stage_add(struct fusing *fusing, struct plan_body body, const struct node *node,
              const char *mailbox, struct stage_origin origin);

// What a stage publishes: value `node` from element `first` on.
void edge_add(struct fusing *fusing, int stage, int node, int first);

// What a product multiplies its weights with.
struct source {
    const char *input, *prologue; // of the body
    const struct node *norm;      // NULL: none
    double scale;                 // after the norm
    int value;                    // node that is handed over, or that is the residual
    int producer;                 // stage, -1: the residual
};

// Finds where node `input` comes from: a handed value or the residual, through a norm and a scale.
// Makes a stage of a product that nobody has asked for before.
bool source_of(struct fusing *fusing, int input, struct source *source);

// A product with what can be done to its rows one by one.
struct product {
    int linear;             // node
    double scale;           // of the rows, 1: none
    const char *activation; // after the scale, "none"
};

// Whether node `index` is such a chain, its inner values without another use.
bool product_of(const struct fusing *fusing, int index, struct product *product);

// Makes the stage of a product whose top is node `top`, and fills stage_of[top].
// epilogue: "rows", or "residual" where `top` is what is added to the residual.
bool fuse_product(struct fusing *fusing, int top, const struct product *product,
                  const char *epilogue, const char *name, const char *mailbox);

// What fills the parts and the origin of a stage of products, [count] of them, packed one after the
// other or row by row in turn.
void products_set(struct fusing *fusing, int stage, const int *linears, int count,
                  bool interleaved);

// Whether the node's weight has a bias.
bool has_bias(const struct fusing *fusing, const int *linears, int count);

// Makes the stages of these nodes.
bool fuse_gate(struct fusing *fusing, int index);
bool fuse_attention(struct fusing *fusing, int index);

#endif
