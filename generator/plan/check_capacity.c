// Rule `capacity`: LDS arrays are as long as templates index them, and everything fits its place.
#include "generator/plan/check_rules.h"

#include <string.h>

enum array {
    ACTIVATION,
    PARTIAL,
    RESIDUAL,
    ROPE,
    SQUARES,
    CANDIDATES,
    SUMMAND,
    QUERY,
    QUERY_PARTS,
    KEY,
    FRESH,
    ATTENDED,
    MERGED,
    TOKEN,
    ROLE,
    RING,
    FILLED,
    FREED,
    ARRAY_COUNT
};

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// The elements of each array that some stage touches.
static void measure(const struct checking *checking, int64_t needed[ARRAY_COUNT]) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_shape *shape = &plan->shape;
    const int64_t waves = plan->machine.streaming_waves, group = shape->heads / shape->kv_heads;
    const int64_t handoff_waves = larger(1, plan->machine.handoff_waves);
    const struct plan_engine *engine = &plan->engine;
    for (int i = 0; i < plan->ropes_count; i++)
        needed[ROPE] += 2LL * plan->ropes[i].pairs;
    needed[KEY] = shape->head_dim;
    needed[QUERY] = group * shape->head_dim;
    if (strcmp(engine->attention, "fragments") == 0) {
        needed[QUERY_PARTS] = plan_query_parts(plan);
        needed[FRESH] = 2LL * plan->kv.row_elements;
    }
    needed[ATTENDED] = plan->engine.attending_waves * group * (plan->kv.row_elements + 2);
    needed[TOKEN] = 4;
    needed[ROLE] = 2;
    needed[SQUARES] = handoff_waves;
    needed[CANDIDATES] = 2 * larger(plan->machine.cus, handoff_waves);
    needed[RING] = (int64_t)engine->ring_copies * engine->copy_bytes / 16;
    needed[FILLED] = needed[FREED] = engine->ring_copies;
    for (int b = 0; b < plan->bodies_count; b++) {
        const struct plan_body *body = &plan->bodies[b];
        const struct plan_partition *partition = checking->partition_of[b];
        if (strcmp(plan->residual, "everywhere") == 0)
            needed[RESIDUAL] = shape->hidden;
        for (int cu = 0; cu < plan->machine.cus; cu++)
            if (is_op(body, "embed") || has_epilogue(body, "residual"))
                needed[RESIDUAL] = larger(needed[RESIDUAL],
                                          (int64_t)plan_tiles_of(partition, cu) * body->tile_rows);
        if (is_op(body, "merge"))
            needed[MERGED] =
                larger(needed[MERGED], handoff_waves * body->splits * (body->tile_rows + 2));
        if (is_op(body, "residual") && strcmp(body->prologue, "rmsnorm") == 0)
            needed[SUMMAND] = shape->hidden;
        if (!is_op(body, "linear"))
            continue;
        needed[ACTIVATION] = larger(needed[ACTIVATION], (int64_t)body->units * body->unit_columns);
        needed[ACTIVATION] = larger(needed[ACTIVATION], body->columns);
        needed[PARTIAL] =
            larger(needed[PARTIAL], (int64_t)body->pass_tiles * body->tile_rows * waves);
    }
    needed[ACTIVATION] *= engine->activation_parts;
}

static const struct plan_lds *lds_named(const struct plan_plan *plan, const char *name) {
    for (int i = 0; i < plan->lds_count; i++)
        if (strcmp(plan->lds[i].name, name) == 0)
            return &plan->lds[i];
    return NULL;
}

static void check_arrays(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    // Several waves that hand off may be in different stages: nothing shares its place.
    const bool alone = plan->machine.handoff_waves > 1, split = plan->engine.activation_parts > 1;
    const char *attention = alone ? NULL : "attention", *product = alone ? NULL : "product";
    const struct {
        const char *name, *type;
        const char *shared; // what may use its place while nobody needs it
    } wanted[ARRAY_COUNT] = {
        [ACTIVATION] = {"activation", split ? "u16" : "float", product},
        [PARTIAL] = {"partial", "float", "product"},
        [SUMMAND] = {"summand", "float", product},
        [SQUARES] = {"squares", "float", NULL},
        [CANDIDATES] = {"candidates", "unsigned", NULL},
        [MERGED] = {"merged", "float", attention},
        [RING] = {"ring", "u32x4", NULL},
        [FILLED] = {"filled", "u64", NULL},
        [FREED] = {"freed", "u64", NULL},
        [RESIDUAL] = {"residual", "float", NULL},
        [ROPE] = {"rope", "float", NULL},
        [QUERY] = {"query", "float", attention},
        [QUERY_PARTS] = {"query_parts", "u16", attention},
        [FRESH] = {"fresh", "u16", attention},
        [KEY] = {"key", "float", attention},
        [ATTENDED] = {"attended", "float", "attention"},
        [TOKEN] = {"token", "unsigned", NULL},
        [ROLE] = {"role", "Role", NULL},
    };
    int64_t needed[ARRAY_COUNT] = {0};
    measure(checking, needed);
    for (int i = 0; i < ARRAY_COUNT; i++) {
        const struct plan_lds *array = lds_named(plan, wanted[i].name);
        if (!array && needed[i] == 0)
            continue;
        if (!array || array->elements < needed[i] || strcmp(array->type, wanted[i].type) != 0)
            violation(checking,
                      "LDS array %s is %d elements of type %s; stages use %lld of type %s",
                      wanted[i].name, array ? array->elements : 0, array ? array->type : "none",
                      (long long)needed[i], wanted[i].type);
        else if (array->shared &&
                 (!wanted[i].shared || strcmp(array->shared, wanted[i].shared) != 0))
            violation(checking, "LDS array %s shares its place as %s, stages use it as %s",
                      wanted[i].name, array->shared,
                      wanted[i].shared ? wanted[i].shared : "long as the kernel runs");
    }
}

static void check_lds(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_machine *machine = &plan->machine;
    for (int i = 0; i < plan->lds_count; i++) {
        const struct plan_lds *array = &plan->lds[i];
        const int type_bytes = plan_lds_type_bytes(plan, array->type);
        if (array->element_bytes != type_bytes || array->elements < 1)
            violation(checking, "LDS array %s has %d elements of %d bytes, must have some of %d",
                      array->name, array->elements, array->element_bytes, type_bytes);
    }
    const int64_t bytes = plan_lds_bytes(plan);
    if (bytes > machine->lds_capacity_bytes || bytes < machine->lds_minimum_bytes)
        violation(checking, "LDS arrays take %lld bytes, must take %d to %d", (long long)bytes,
                  machine->lds_minimum_bytes, machine->lds_capacity_bytes);
}

// What the runtime allocates on the device, but for some KiB.
static void check_memory(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const double gb = 1e9;
    double rope_bytes = 0;
    for (int i = 0; i < plan->ropes_count; i++)
        rope_bytes += 8.0 * plan->shape.context * plan->ropes[i].pairs;
    const double bytes = (double)plan->weight_bytes + (double)plan->vector_bytes +
                         (double)plan->kv.bytes + rope_bytes + 8.0 * plan->mailbox_pairs;
    if (plan->machine.memory_bytes > 0 && bytes > (double)plan->machine.memory_bytes)
        violation(checking,
                  "%.1f GB of weights and %.1f GB of KV cache for %d positions do not fit the %.0f "
                  "GB of %s: a shorter --context needs less",
                  (double)plan->weight_bytes / gb, (double)plan->kv.bytes / gb, plan->shape.context,
                  (double)plan->machine.memory_bytes / gb, plan->machine.name);
}

void rule_capacity(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_machine *machine = &plan->machine;
    const int threads = (machine->streaming_waves + machine->handoff_waves + machine->copy_waves) *
                        machine->wave_lanes;
    enum { MAX_THREADS = 1024 }; // of a workgroup
    check_arrays(checking);
    check_lds(checking);
    check_memory(checking);
    if (machine->workgroup_threads != threads || threads > MAX_THREADS)
        violation(checking,
                  "a workgroup has %d threads, its waves have %d, at most %d are possible",
                  machine->workgroup_threads, threads, MAX_THREADS);
    // One thread plays all waves of a CU whose waves have one lane.
    if (machine->wave_lanes == 1 && threads != 1)
        violation(checking, "waves of one lane are one a workgroup, not %d", threads);
    if (machine->handoff_waves == 0 && machine->streaming_waves + machine->copy_waves > 1)
        violation(checking, "without waves that hand off one wave does everything, not %d",
                  machine->streaming_waves + machine->copy_waves);
    int64_t kv_bytes = 0;
    for (int s = 0; s < plan->stages_count; s++)
        kv_bytes += is_op(checking->body_of[s], "attention") ? plan->kv.layer_bytes : 0;
    if (plan->kv.bytes != kv_bytes)
        violation(checking, "the KV cache has %lld bytes, its layers %lld",
                  (long long)plan->kv.bytes, (long long)kv_bytes);
}
