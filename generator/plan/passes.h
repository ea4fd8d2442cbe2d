// The planner's passes. Each takes the planning in progress, requires what earlier passes ensure,
// and returns false after adding a diagnostic.
#ifndef GENERATOR_PLAN_PASSES_H
#define GENERATOR_PLAN_PASSES_H

#include "generator/plan/engine.h"
#include "generator/plan/planner.h"

struct planning {
    const struct model *model;
    const struct target *target;
    const struct tuning *tuning;
    const struct engine *engine;
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct plan_plan *plan;
    // Of each stage, what the plan says only through names:
    int *producer;     // [stages] the stage whose output it awaits, -1: none
    const char **norm; // [stages] tensor of its norm weights, NULL: none
    const char *embed_tensor, *head_tensor;
};

// Sizes, constants, machine and engine. Ensures: plan->shape, machine, engine, rope, kv.
bool pass_machine(struct planning *planning);

// Graph to stages: fuses norms, RoPE, gates, residuals and the argmax into the products beside
// them. Ensures: bodies (op, prologue, epilogue, rows, columns, writes by row), stages in order
// with layer, parts and spec line, producer[], norm[].
bool pass_fuse(struct planning *planning);

// Deals rows to CUs. Requires fuse. Ensures: tile_rows, unit_columns, units, partitions,
// max_tiles, pass_tiles.
bool pass_partition(struct planning *planning);

// Chooses how values travel. Requires partition. Ensures: mailboxes, reads, writes by name,
// epochs, epochs_per_step.
bool pass_handoffs(struct planning *planning);

// Lays out weights, vectors and KV. Requires partition. Ensures: regions, vectors, embedding,
// offsets of stages, weight and vector bytes.
bool pass_memory(struct planning *planning);

// Lays out LDS. Requires handoffs. Ensures: lds.
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
