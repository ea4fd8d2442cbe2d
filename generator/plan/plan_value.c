// The plan as values: descriptors made from plan.def, printing, reading, digest, lookups.
#include "generator/plan/plan.h"

#include "runtime/kernel_trace.h"

#include <string.h>

#define RECORD(name) static const struct record_field name##_fields[] = {
#define END(name)                                                                                  \
    }                                                                                              \
    ;                                                                                              \
    static const struct record_type name##_type = {                                                \
        #name, sizeof(struct plan_##name), name##_fields,                                          \
        sizeof name##_fields / sizeof name##_fields[0]};
#define PLACE(record, field) offsetof(struct plan_##record, field)
#define SCALAR(record, field, kind) {#field, kind, PLACE(record, field), 0, NULL},
#define LIST(record, field, kind, type)                                                            \
    {#field, kind, PLACE(record, field), PLACE(record, field##_count), type},
#define INT(record, field) SCALAR(record, field, HOLDS_INT)
#define INT64(record, field) SCALAR(record, field, HOLDS_INT64)
#define DOUBLE(record, field) SCALAR(record, field, HOLDS_DOUBLE)
#define BOOL(record, field) SCALAR(record, field, HOLDS_BOOL)
#define STRING(record, field) SCALAR(record, field, HOLDS_STRING)
#define INT_LIST(record, field) LIST(record, field, HOLDS_INT_LIST, NULL)
#define INT64_LIST(record, field) LIST(record, field, HOLDS_INT64_LIST, NULL)
#define DOUBLE_LIST(record, field) LIST(record, field, HOLDS_DOUBLE_LIST, NULL)
#define STRING_LIST(record, field) LIST(record, field, HOLDS_STRING_LIST, NULL)
#define RECORD_FIELD(record, field, type)                                                          \
    {#field, HOLDS_RECORD, PLACE(record, field), 0, &type##_type},
#define RECORD_LIST(record, field, type) LIST(record, field, HOLDS_RECORD_LIST, &type##_type)
#include "generator/plan/plan.def"

struct value *plan_to_value(struct arena *arena, const struct plan_plan *plan) {
    return record_to_value(arena, &plan_type, plan);
}

void plan_print(const struct plan_plan *plan, struct text *out) {
    struct arena arena = {0};
    text_append(out, "plan ");
    value_print_lua(out, plan_to_value(&arena, plan), 2);
    text_append(out, "\n");
    arena_close(&arena);
}

bool plan_read(struct script *script, const char *file, const char *source, struct arena *arena,
               struct plan_plan *plan, struct diagnostics *diagnostics) {
    static const char *const constructors[] = {"plan"};
    const char *constructor = NULL;
    struct value *value = NULL;
    if (!script_read(script, file, source, constructors, 1, arena, &constructor, &value,
                     diagnostics))
        return false;
    *plan = (struct plan_plan){0};
    return record_from_value(arena, &plan_type, value, plan, file, diagnostics);
}

void plan_digest(const struct plan_plan *plan, char digest[DIGEST_TEXT_BYTES]) {
    struct text text = {0};
    plan_print(plan, &text);
    digest_strings((const char *const[]){text.bytes}, 1, digest);
    text_close(&text);
}

void plan_kernel_digest(const struct plan_plan *plan, char digest[DIGEST_TEXT_BYTES]) {
    struct arena arena = {0};
    struct plan_plan kernel = *plan;
    kernel.command = kernel.tuning = kernel.spec_file = "";
    kernel.choices_count = 0;
    kernel.cost = (struct plan_cost){0};
    kernel.stages = arena_array(&arena, (size_t)plan->stages_count, sizeof *kernel.stages);
    for (int s = 0; s < plan->stages_count; s++) {
        kernel.stages[s] = plan->stages[s];
        kernel.stages[s].spec_file = "";
        kernel.stages[s].spec_line = 0;
        kernel.stages[s].predicted_us_low = kernel.stages[s].predicted_us_high = 0;
    }
    kernel.constants_count = 0; // the shape has them, too
    plan_digest(&kernel, digest);
    arena_close(&arena);
}

#define FIND_BY_NAME(list)                                                                         \
    for (int i = 0; i < plan->list##_count; i++)                                                   \
        if (plan->list[i].name && name && strcmp(plan->list[i].name, name) == 0)                   \
            return &plan->list[i];                                                                 \
    return NULL;

const struct plan_body *plan_body_named(const struct plan_plan *plan, const char *name) {
    FIND_BY_NAME(bodies)
}

const struct plan_partition *plan_partition_named(const struct plan_plan *plan, const char *name) {
    FIND_BY_NAME(partitions)
}

const struct plan_mailbox *plan_mailbox_named(const struct plan_plan *plan, const char *name) {
    FIND_BY_NAME(mailboxes)
}

const struct plan_region *plan_region_named(const struct plan_plan *plan, const char *name) {
    FIND_BY_NAME(regions)
}

const struct plan_choice *plan_choice_named(const struct plan_plan *plan, const char *name) {
    FIND_BY_NAME(choices)
}

int plan_tiles_of(const struct plan_partition *partition, int cu) {
    return partition->first_tile[cu + 1] - partition->first_tile[cu];
}

int dtype_bytes(const char *dtype) {
    return strcmp(dtype, "bf16") == 0 || strcmp(dtype, "fp16") == 0 ? 2
           : strcmp(dtype, "fp32") == 0                             ? 4
                                                                    : 0;
}

bool plan_in_roles(const struct plan_partition *partition) {
    return strcmp(partition->name, "select") != 0 && strcmp(partition->name, "every_cu") != 0;
}

int plan_role_bytes(const struct plan_plan *plan) {
    int partitions = 0, regions = 0;
    for (int i = 0; i < plan->partitions_count; i++)
        partitions += plan_in_roles(&plan->partitions[i]);
    for (int i = 0; i < plan->regions_count; i++)
        regions += strcmp(plan->regions[i].layout, "tiles") == 0;
    return (partitions + 1) / 2 * 8 + regions * 8;
}

int plan_lds_type_bytes(const struct plan_plan *plan, const char *type) {
#define LDS_TYPE(name, bytes)                                                                      \
    if (strcmp(type, #name) == 0)                                                                  \
        return bytes;
#include "generator/plan/lds_types.def"
#undef LDS_TYPE
    return 0;
}

int plan_query_parts(const struct plan_plan *plan) {
    enum { PARTS = 2, HEADS = 8, PADDING = 8 };
    return PARTS * HEADS * (plan->shape.head_dim + PADDING);
}

int64_t plan_tile_bytes(const struct plan_plan *plan, const struct plan_body *body) {
    return (int64_t)body->units * plan->engine.unit_bytes;
}

int64_t plan_lds_bytes(const struct plan_plan *plan) {
    int64_t alone = 0, shared = 0;
    for (int i = 0; i < plan->lds_count; i++) {
        const char *group = plan->lds[i].shared;
        int64_t together = 0;
        for (int j = 0; j < plan->lds_count; j++) {
            const struct plan_lds *array = &plan->lds[j];
            // Arrays start at a multiple of 16.
            const int64_t bytes = ((int64_t)array->elements * array->element_bytes + 15) / 16 * 16;
            if (!group && i == j)
                alone += bytes;
            if (group && array->shared && strcmp(group, array->shared) == 0)
                together += bytes;
        }
        shared = together > shared ? together : shared;
    }
    return alone + shared;
}

double plan_tolerance(const struct plan_plan *plan) {
    double tolerance = 0;
    for (int i = 0; i < plan->bodies_count; i++)
        if (plan->bodies[i].tolerance > tolerance)
            tolerance = plan->bodies[i].tolerance;
    return tolerance;
}

int plan_trace_logs(const struct plan_plan *plan) {
    return plan->machine.handoff_waves > 0 ? 2 : 1;
}

// A stage ends once, and begins to do something else up to four times each round: a tile of
// attention or of the merge, a pass of a product.
int plan_trace_records(const struct plan_plan *plan) {
    int64_t records = 2; // begins, over
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_body *body = plan_body_named(plan, plan->stages[s].body);
        const bool passes = strcmp(body->op, "linear") == 0;
        const int rounds =
            passes ? (body->max_tiles + body->pass_tiles - 1) / body->pass_tiles : body->max_tiles;
        records += 1 + 4 * (int64_t)(rounds > 1 ? rounds : 1);
    }
    return records < KERNEL_TRACE_MOST_RECORDS ? (int)records : KERNEL_TRACE_MOST_RECORDS;
}
