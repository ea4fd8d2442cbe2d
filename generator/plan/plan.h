// Plan: everything about the kernel, as data. It is the only thing that templates see, the checker
// proves it, the manifest is a part of it. plan.def lists its records and fields; each becomes
// `struct plan_<record>`, and a list field `x` comes with `int x_count`.
#ifndef GENERATOR_PLAN_PLAN_H
#define GENERATOR_PLAN_PLAN_H

#include "generator/base/digest.h"
#include "generator/base/record.h"
#include "generator/script/script.h"

#include <stdbool.h>
#include <stdint.h>

#define RECORD(name) struct plan_##name {
#define END(name)                                                                                  \
    }                                                                                              \
    ;
#define INT(record, field) int field;
#define INT64(record, field) int64_t field;
#define DOUBLE(record, field) double field;
#define BOOL(record, field) bool field;
#define STRING(record, field) const char *field;
#define INT_LIST(record, field)                                                                    \
    int *field;                                                                                    \
    int field##_count;
#define INT64_LIST(record, field)                                                                  \
    int64_t *field;                                                                                \
    int field##_count;
#define DOUBLE_LIST(record, field)                                                                 \
    double *field;                                                                                 \
    int field##_count;
#define STRING_LIST(record, field)                                                                 \
    const char **field;                                                                            \
    int field##_count;
#define RECORD_FIELD(record, field, type) struct plan_##type field;
#define RECORD_LIST(record, field, type)                                                           \
    struct plan_##type *field;                                                                     \
    int field##_count;
#include "generator/plan/plan.def"
#undef RECORD
#undef END
#undef INT
#undef INT64
#undef DOUBLE
#undef BOOL
#undef STRING
#undef INT_LIST
#undef INT64_LIST
#undef DOUBLE_LIST
#undef STRING_LIST
#undef RECORD_FIELD
#undef RECORD_LIST

// The plan as a value: what templates see and what prints. Arena-owned.
struct value *plan_to_value(struct arena *arena, const struct plan_plan *plan);

// Prints as `plan { ... }`, Lua that plan_read reads back equal.
void plan_print(const struct plan_plan *plan, struct text *out);

// Reads what plan_print wrote, perhaps edited since. Says what is wrong with its form only; whether
// it makes sense is the checker's business (check.h).
bool plan_read(struct script *script, const char *file, const char *source, struct arena *arena,
               struct plan_plan *plan, struct diagnostics *diagnostics);

// Digest of the printed form.
void plan_digest(const struct plan_plan *plan, char digest[DIGEST_TEXT_BYTES]);

// The same without what only tells how the plan came about (command, tuning, choices, costs): plans
// that agree in it have the same kernel, up to comments.
void plan_kernel_digest(const struct plan_plan *plan, char digest[DIGEST_TEXT_BYTES]);

// Lookups by name; NULL where there is none.
const struct plan_body *plan_body_named(const struct plan_plan *plan, const char *name);
const struct plan_partition *plan_partition_named(const struct plan_plan *plan, const char *name);
const struct plan_mailbox *plan_mailbox_named(const struct plan_plan *plan, const char *name);
const struct plan_region *plan_region_named(const struct plan_plan *plan, const char *name);
const struct plan_choice *plan_choice_named(const struct plan_plan *plan, const char *name);

// Number of tiles that CU `cu` owns.
int plan_tiles_of(const struct plan_partition *partition, int cu);

// Bytes of an element of "bf16", "fp16" or "fp32"; 0 for any other name.
int dtype_bytes(const char *dtype);

// Whether CUs look their tiles up in the table of roles: all partitions but the select stage's,
// which is CU 0's, and the one that deals one tile to every CU.
bool plan_in_roles(const struct plan_partition *partition);

// Bytes of the emitted struct Role: an int a partition in it, an 8-byte offset a streamed region.
int plan_role_bytes(const struct plan_plan *plan);

// Bytes of an element of an LDS array of that type (lds_types.def); 0 for any other name.
int plan_lds_type_bytes(const struct plan_plan *plan, const char *type);

// Elements of LDS that hold a KV head's queries in two parts, [2][8][head_dim + 8]: rows start in
// different banks.
int plan_query_parts(const struct plan_plan *plan);

// Bytes of LDS that the arrays of plan->lds take, those that lie over each other counted once.
int64_t plan_lds_bytes(const struct plan_plan *plan);

// The relative error of logits that the products of the plan are entitled to together: the largest.
double plan_tolerance(const struct plan_plan *plan);

// Of a plan that traces: logs of a CU, and records that have room in a log: as many as a position
// makes, but at most what the runtime takes.
int plan_trace_logs(const struct plan_plan *plan);
int plan_trace_records(const struct plan_plan *plan);

// Bytes of one tile's weights.
int64_t plan_tile_bytes(const struct plan_plan *plan, const struct plan_body *body);

#endif
