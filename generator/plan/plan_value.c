// The plan as values: descriptors made from plan.def, printing, reading, digest, lookups.
#include "generator/plan/plan.h"

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

int plan_source_row(int j, int pair_span) {
    if (pair_span == 0)
        return j;
    return j / pair_span * pair_span + j % pair_span / 2 + j % 2 * (pair_span / 2);
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

int64_t plan_tile_bytes(const struct plan_plan *plan, const struct plan_body *body) {
    return (int64_t)body->units * plan->engine.unit_bytes;
}
