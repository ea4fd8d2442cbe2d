// The planner's passes. Each takes the planning in progress, requires what earlier passes ensure,
// and returns false after adding a diagnostic.
#ifndef GENERATOR_PLAN_PASSES_H
#define GENERATOR_PLAN_PASSES_H

#include "generator/plan/engine.h"
#include "generator/plan/planner.h"

enum { STAGE_MAX_PARTS = 3 };

// What a stage takes from the graph beside its input. NULL: nothing.
struct stage_origin {
    int producer;                                 // the stage whose output it awaits, -1: none
    int value;                                    // node that it takes, -1: none of the graph
    const struct node *norm;                      // RMSNORM of its prologue
    const struct node *q_norm, *k_norm;           // RMSNORMs of attention
    const struct node *products[STAGE_MAX_PARTS]; // LINEAR or LOGITS behind each part
};

struct planning {
    const struct model *model;
    const struct target *target;
    const struct tuning *tuning;
    const struct engine *engine;
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct plan_plan *plan;
    struct stage_origin *origin; // [stages]
    const char *embed_tensor, *head_tensor;
    int splits;           // of the context in attention
    bool keeps_mailboxes; // each stage has its own
};

// Sizes, constants, machine and engine. Ensures: plan->shape, machine, engine, ropes, kv; splits.
bool pass_machine(struct planning *planning);

// How the context is split over CUs. Requires shape and machine. Ensures: kv, splits.
void lay_out_kv(struct planning *planning);

// Graph to stages: fuses norms, RoPE, gates, residuals and the argmax into the products beside
// them. Ensures: bodies (op, prologue, epilogue, rows, columns), stages in order with layer, parts,
// edges, preferred mailbox and spec line, origin[].
bool pass_fuse(struct planning *planning);

// Deals rows to CUs. Requires fuse. Ensures: tile_rows, unit_columns, units, partitions,
// max_tiles, and pass_tiles but for products.
bool pass_partition(struct planning *planning);

// Chooses how values travel. Requires partition. Ensures: mailboxes, reads, writes, names of
// mailboxes in stages, epochs, epochs_per_step.
bool pass_handoffs(struct planning *planning);

// Lays out weights, vectors and KV. Requires partition. Ensures: regions, vectors, embedding,
// offsets of stages, weight and vector bytes.
bool pass_memory(struct planning *planning);

// Lays out LDS. Requires handoffs. Ensures: lds, pass_tiles of products.
bool pass_lds(struct planning *planning);

// Predicts and decides what prediction decides. Requires all others. Ensures: cost, unroll.
bool pass_cost(struct planning *planning);

// Records a decision with its reason. `alternatives`: NULL-terminated, may be NULL.
void choice_add(struct planning *planning, const char *name, const char *value,
                const char *const *alternatives, const char *reason_format, ...)
    __attribute__((format(printf, 5, 6)));

// The mutable body of a stage.
struct plan_body *body_of_stage(struct planning *planning, const struct plan_stage *stage);

#endif
