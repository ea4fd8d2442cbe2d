// The rules of check.def as functions, and what they share.
#ifndef GENERATOR_PLAN_CHECK_RULES_H
#define GENERATOR_PLAN_CHECK_RULES_H

#include "generator/plan/check.h"

// Bounds that `form` ensures, so that no later sum overflows and no later loop lasts.
enum {
    CHECK_MAX_INT = 1 << 24,   // of every int; what counts memory is int64_t
    CHECK_MAX_PAIRS = 1 << 22, // of all mailboxes
    CHECK_MAX_CUS = 4096,      // as in the manifest
    CHECK_MAX_STAGES = 4096,
    CHECK_MAX_UNITS = 1 << 16,      // of one tile
    CHECK_MAX_PACKED_ROWS = 1 << 28 // of all stages together
};
#define CHECK_MAX_BYTES ((int64_t)1 << 46)

struct checking {
    const struct plan_plan *plan;
    const char *file;
    struct diagnostics *diagnostics;
    struct arena *arena;
    const char *rule; // being applied
    int violations;   // of this rule
    int64_t handoffs;

    // What names mean, once `form` holds (see resolve):
    const struct plan_body **body_of;           // [stages]
    const struct plan_partition **partition_of; // [bodies]
    const struct plan_mailbox **reads_from;     // [stages] NULL: it reads nothing
    const struct plan_mailbox **writes_to;      // [stages] NULL: it writes nothing
    int *writer_of; // [stages] the latest earlier stage that writes what the stage reads; -1: none
    int *pairs;     // [bodies] of the smallest mailbox that one of its stages writes; 0: none does
    int **owner;    // [bodies] [pairs] see access_owners; NULL: it writes nothing
    int *unowned;   // [bodies] elements that are written twice or outside of these pairs
    int64_t *bad_element; // [bodies] the first of these
};

// Adds the diagnostic "[rule] ..." (the first few of a rule, then it only counts). Returns false.
bool violation(struct checking *checking, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Fills what names mean. Requires: `form` holds.
void resolve(struct checking *checking);

// "stage 3 (attention)", in the arena.
const char *stage_name(const struct checking *checking, int stage);

// Number of a body in plan->bodies.
int body_index(const struct checking *checking, const struct plan_body *body);

bool is_op(const struct plan_body *body, const char *op);
bool has_epilogue(const struct plan_body *body, const char *epilogue);

// Parts of `form`: every field by its kind; names and references; lists and sizes.
void form_fields(struct checking *checking);
void form_names(struct checking *checking);
void form_sizes(struct checking *checking);

// Whether `name` is among `names`, which a NULL ends.
bool form_is_one_of(const char *name, const char *const *names);

// A rule a function. Each adds its violations; all but `form` require that `form` holds.
#define RULE(name, after, statement) void rule_##name(struct checking *checking);
#include "generator/plan/check.def"
#undef RULE

#endif
