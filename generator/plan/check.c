#include "generator/plan/check.h"

#include "generator/plan/access.h"
#include "generator/plan/check_rules.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_OF_A_RULE = 3 };

enum after { NOTHING, FORM, ALL };

static const struct rule {
    const char *name;
    enum after after;
    void (*apply)(struct checking *checking);
} rules[] = {
#define RULE(name, after, statement) {#name, after, rule_##name},
#include "generator/plan/check.def"
#undef RULE
};
enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

bool violation(struct checking *checking, const char *format, ...) {
    if (checking->violations++ >= SHOWN_OF_A_RULE)
        return false;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return diagnostic_add(checking->diagnostics, DIAGNOSTIC_USER,
                          (struct location){.file = checking->file}, "[%s] %s", checking->rule,
                          message);
}

const char *stage_name(const struct checking *checking, int stage) {
    return arena_format(checking->arena, "stage %d (%s)", stage,
                        checking->plan->stages[stage].body);
}

int body_index(const struct checking *checking, const struct plan_body *body) {
    return (int)(body - checking->plan->bodies);
}

bool is_op(const struct plan_body *body, const char *op) { return strcmp(body->op, op) == 0; }

bool has_epilogue(const struct plan_body *body, const char *epilogue) {
    return strcmp(body->epilogue, epilogue) == 0;
}

static void resolve_stages(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const size_t stages = (size_t)plan->stages_count;
    checking->body_of = arena_array(checking->arena, stages, sizeof(const struct plan_body *));
    checking->reads_from =
        arena_array(checking->arena, stages, sizeof(const struct plan_mailbox *));
    checking->writes_to = arena_array(checking->arena, stages, sizeof(const struct plan_mailbox *));
    checking->writer_of = arena_array(checking->arena, stages, sizeof(int));
    int *latest = arena_array(checking->arena, (size_t)plan->mailboxes_count, sizeof *latest);
    for (int i = 0; i < plan->mailboxes_count; i++)
        latest[i] = -1;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        checking->body_of[s] = plan_body_named(plan, stage->body);
        checking->reads_from[s] = plan_mailbox_named(plan, stage->reads_from);
        checking->writes_to[s] = plan_mailbox_named(plan, stage->writes_to);
        checking->writer_of[s] = -1;
        if (checking->reads_from[s])
            checking->writer_of[s] = latest[checking->reads_from[s] - plan->mailboxes];
        if (checking->writes_to[s])
            latest[checking->writes_to[s] - plan->mailboxes] = s;
    }
}

static void resolve_bodies(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const size_t bodies = (size_t)plan->bodies_count;
    checking->partition_of =
        arena_array(checking->arena, bodies, sizeof(const struct plan_partition *));
    checking->pairs = arena_array(checking->arena, bodies, sizeof *checking->pairs);
    checking->owner = arena_array(checking->arena, bodies, sizeof *checking->owner);
    checking->unowned = arena_array(checking->arena, bodies, sizeof *checking->unowned);
    checking->bad_element = arena_array(checking->arena, bodies, sizeof *checking->bad_element);
    for (int s = 0; s < plan->stages_count; s++) {
        int *pairs = &checking->pairs[body_index(checking, checking->body_of[s])];
        const struct plan_mailbox *mailbox = checking->writes_to[s];
        if (mailbox && (*pairs == 0 || mailbox->pairs < *pairs))
            *pairs = mailbox->pairs;
    }
    for (int b = 0; b < plan->bodies_count; b++) {
        const int pairs = checking->pairs[b];
        checking->partition_of[b] = plan_partition_named(plan, plan->bodies[b].partition);
        if (pairs == 0)
            continue;
        checking->owner[b] = arena_array(checking->arena, (size_t)pairs, sizeof(int));
        checking->unowned[b] = access_owners(plan, &plan->bodies[b], pairs, checking->owner[b],
                                             &checking->bad_element[b]);
    }
}

void resolve(struct checking *checking) {
    resolve_stages(checking);
    resolve_bodies(checking);
}

void rule_form(struct checking *checking) {
    form_fields(checking);
    if (checking->violations == 0)
        form_sizes(checking);
    if (checking->violations == 0)
        form_names(checking);
}

static void apply(struct checking *checking, const struct rule *rule) {
    checking->rule = rule->name;
    checking->violations = 0;
    rule->apply(checking);
    if (checking->violations > SHOWN_OF_A_RULE)
        diagnostic_note(checking->diagnostics, "and %d more like this",
                        checking->violations - SHOWN_OF_A_RULE);
}

bool plan_check(const struct plan_plan *plan, const char *file, struct plan_proof *proof,
                struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct checking checking = {
        .plan = plan, .file = file, .diagnostics = diagnostics, .arena = &arena};
    int broken = 0;
    bool form = true;
    *proof = (struct plan_proof){0};
    for (int i = 0; i < RULE_COUNT; i++) {
        const struct rule *rule = &rules[i];
        if ((rule->after == FORM && !form) || (rule->after == ALL && broken > 0))
            continue;
        if (rule->after == FORM && !checking.body_of)
            resolve(&checking);
        apply(&checking, rule);
        broken += checking.violations > 0;
        form = form && (rule->after != NOTHING || checking.violations == 0);
        proof->rules += checking.violations == 0;
    }
    proof->handoffs = checking.handoffs < INT_MAX ? (int)checking.handoffs : INT_MAX;
    arena_close(&arena);
    return broken == 0;
}
