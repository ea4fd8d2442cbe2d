// Pass: the arrays of a workgroup's LDS. Where one wave hands off, products and attention never
// need theirs at the same time: what a CU does in one is over when it begins the other, so that
// these lie over each other. Several waves are not always in the same stage; but between the two
// barriers of a product or of attention they are, and what is written there alone may still share
// its place: the partial sums of products and the waves' parts of attention.
#include "generator/plan/passes.h"

#include <string.h>

// LDS for the partial sums of one pass, where there is room.
enum { PASS_PARTIAL_BYTES = 8192 };

static void lds_add(struct planning *planning, const char *name, const char *type, int elements,
                    const char *shared, const char *holds) {
    enum { ARRAY_ALIGNMENT = 16 };
    struct plan_plan *plan = planning->plan;
    const int element_bytes = plan_lds_type_bytes(plan, type);
    plan->lds = arena_grow(planning->arena, plan->lds, (size_t)plan->lds_count, sizeof *plan->lds);
    const int granule = ARRAY_ALIGNMENT / element_bytes > 0 ? ARRAY_ALIGNMENT / element_bytes : 1;
    const int whole = elements > 0 ? (elements + granule - 1) / granule * granule : granule;
    plan->lds[plan->lds_count++] =
        (struct plan_lds){name, type, whole, element_bytes, shared, holds};
}

static int larger(int a, int b) { return a > b ? a : b; }
static int smaller(int a, int b) { return a < b ? a : b; }

// Elements of the arrays that depend on bodies.
struct needs {
    int activation, residual, summand, merge, attended;
};

static struct needs needs_of(const struct plan_plan *plan) {
    const struct plan_shape *shape = &plan->shape;
    const int group = shape->heads / shape->kv_heads;
    struct needs needs = {.attended =
                              plan->engine.attending_waves * group * (plan->kv.row_elements + 2)};
    for (int i = 0; i < plan->bodies_count; i++) {
        const struct plan_body *body = &plan->bodies[i];
        if (strcmp(body->op, "linear") == 0)
            needs.activation = larger(needs.activation, body->units * body->unit_columns);
        if (strcmp(body->op, "embed") == 0)
            needs.residual = strcmp(plan->residual, "everywhere") == 0
                                 ? shape->hidden
                                 : body->max_tiles * body->tile_rows;
        if (strcmp(body->op, "residual") == 0 && strcmp(body->prologue, "rmsnorm") == 0)
            needs.summand = shape->hidden;
        if (strcmp(body->op, "merge") == 0)
            needs.merge =
                larger(1, plan->machine.handoff_waves) * body->splits * (body->tile_rows + 2);
    }
    return needs;
}

// As many tiles in a pass as have room for their partial sums.
static int partial_elements(struct planning *planning, int room_bytes) {
    struct plan_plan *plan = planning->plan;
    const int waves = plan->machine.streaming_waves;
    int partial = 0;
    for (int i = 0; i < plan->bodies_count; i++) {
        struct plan_body *body = &plan->bodies[i];
        if (strcmp(body->op, "linear") != 0)
            continue;
        const int row_bytes = waves * body->tile_rows * (int)sizeof(float);
        const int most = larger(1, smaller(PASS_PARTIAL_BYTES, room_bytes) / row_bytes);
        body->pass_tiles = smaller(body->max_tiles, most);
        partial = larger(partial, body->pass_tiles * waves * body->tile_rows);
    }
    return partial;
}

// Parts start half a bank row apart from each other, so that one load of a wave finds two of them
// in different banks.
static void add_activation(struct planning *planning, int columns, const char *shared) {
    enum { BANK_ROW_BYTES = 128 };
    const int parts = planning->plan->engine.activation_parts;
    if (parts == 1) {
        lds_add(planning, "activation", "float", columns, shared, "input of the product");
        return;
    }
    const int row = BANK_ROW_BYTES / 2;
    lds_add(planning, "activation", "u16", parts * ((columns + row - 1) / row * row + row / 2),
            shared, "[part][column]: input of the product");
}

// The ring takes what is left.
static bool add_ring(struct planning *planning) {
    enum { BARRIER_BYTES = 8 };
    struct plan_plan *plan = planning->plan;
    const int fewest = plan->machine.streaming_waves; // each may be at another place
    const int copy_bytes = plan->engine.copy_bytes;
    const int room = plan->machine.lds_capacity_bytes - (int)plan_lds_bytes(plan) - 32; // rounding
    const int copies = smaller(ENGINE_MAX_RING_COPIES, room / (copy_bytes + 2 * BARRIER_BYTES));
    if (copies < fewest)
        return usage_error(planning->diagnostics,
                           "engine %s has %d bytes of LDS left for its ring, of %d on %s: needs %d",
                           plan->engine.name, room, plan->machine.lds_capacity_bytes,
                           plan->machine.name, fewest * (copy_bytes + 2 * BARRIER_BYTES));
    plan->engine.ring_copies = copies;
    // A wait tells two rounds of a place apart, no more: no copy begins before the last one in its
    // place is known to have landed.
    plan->engine.prefetch_units = smaller(plan->engine.prefetch_units, copies);
    lds_add(planning, "ring", "u32x4", copies * (copy_bytes / 16), NULL, "weights: [copy]");
    // First, where LDS is aligned best: copies to an odd place are slow.
    const struct plan_lds ring = plan->lds[plan->lds_count - 1];
    memmove(plan->lds + 1, plan->lds, (size_t)(plan->lds_count - 1) * sizeof *plan->lds);
    plan->lds[0] = ring;
    lds_add(planning, "filled", "u64", copies, NULL, "[copy]: barrier, its weights are there");
    lds_add(planning, "freed", "u64", copies, NULL, "[copy]: barrier, all waves are done with it");
    return true;
}

bool pass_lds(struct planning *planning) {
    struct plan_plan *plan = planning->plan;
    const struct plan_shape *shape = &plan->shape;
    const struct needs needs = needs_of(plan);
    int rope = 0;
    for (int i = 0; i < plan->ropes_count; i++)
        rope += 2 * plan->ropes[i].pairs;
    lds_add(planning, "residual", "float", needs.residual, NULL,
            strcmp(plan->residual, "everywhere") == 0 ? "the residual"
                                                      : "this CU's rows of the residual");
    lds_add(planning, "rope", "float", rope, NULL,
            "[table][pair][2]: cosine, sine of the position");
    lds_add(planning, "token", "unsigned", 4, NULL,
            "token, whether the loop ends, whether a wave gave up, role");
    lds_add(planning, "role", "Role", 2, NULL, "this CU's row of ROLES, and the next");
    const bool alone = plan->machine.handoff_waves > 1;
    const char *attention = alone ? NULL : "attention", *product = alone ? NULL : "product";
    lds_add(planning, "squares", "float", larger(1, plan->machine.handoff_waves), NULL,
            "of what each wave took of a vector that is normed");
    lds_add(planning, "candidates", "unsigned",
            2 * larger(plan->machine.cus, plan->machine.handoff_waves), NULL,
            "[CU, or wave][2]: score and token");
    if (needs.summand > 0)
        lds_add(planning, "summand", "float", needs.summand, product,
                "what is normed and added to the residual");
    lds_add(planning, "query", "float", shape->heads / shape->kv_heads * shape->head_dim, attention,
            "[query head of the group][dim]");
    if (strcmp(plan->engine.attention, "fragments") == 0) {
        lds_add(planning, "query_parts", "u16", plan_query_parts(plan), attention,
                "[part][query head][dim], scaled");
        lds_add(planning, "fresh", "u16", 2 * plan->kv.row_elements, attention,
                "key and value of this position");
    }
    lds_add(planning, "key", "float", shape->head_dim, attention,
            "of this position, before it goes to the cache");
    lds_add(planning, "attended", "float", needs.attended, "attention",
            "[wave][query head]: maximum, sum, [dim] of each wave's positions");
    if (needs.merge > 0)
        lds_add(planning, "merged", "float", needs.merge, attention,
                "[wave]: [split][2] maximum and sum, [split][row]");
    add_activation(planning, needs.activation, product);
    const int room = plan->machine.lds_capacity_bytes - (int)plan_lds_bytes(plan);
    lds_add(planning, "partial", "float", partial_elements(planning, room), "product",
            "[tile][wave][row]: sums of each streaming wave");
    if (plan->engine.copy_bytes > 0 && !add_ring(planning))
        return false;
    const int bytes = (int)plan_lds_bytes(plan);
    if (bytes < plan->machine.lds_minimum_bytes)
        lds_add(planning, "padding", "unsigned", (plan->machine.lds_minimum_bytes - bytes) / 4,
                NULL, "unused: so much LDS that no CU receives two workgroups");
    return true;
}
