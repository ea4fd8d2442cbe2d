#include "generator/plan/planner.h"

#include "generator/base/version.h"
#include "generator/plan/passes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void choice_add(struct planning *planning, const char *name, const char *value,
                const char *const *alternatives, const char *reason_format, ...) {
    char reason[1024];
    va_list arguments;
    va_start(arguments, reason_format);
    vsnprintf(reason, sizeof reason, reason_format, arguments);
    va_end(arguments);
    struct plan_plan *plan = planning->plan;
    struct arena *arena = planning->arena;
    plan->choices =
        arena_grow(arena, plan->choices, (size_t)plan->choices_count, sizeof *plan->choices);
    struct plan_choice *choice = &plan->choices[plan->choices_count++];
    *choice = (struct plan_choice){.name = arena_string(arena, name),
                                   .value = arena_string(arena, value),
                                   .reason = arena_string(arena, reason)};
    int count = 0;
    while (alternatives && alternatives[count])
        count++;
    choice->alternatives = arena_array(arena, (size_t)count + 1, sizeof *choice->alternatives);
    for (int i = 0; i < count; i++)
        choice->alternatives[i] = arena_string(arena, alternatives[i]);
    choice->alternatives_count = count;
}

struct plan_body *body_of_stage(struct planning *planning, const struct plan_stage *stage) {
    struct plan_plan *plan = planning->plan;
    for (int i = 0; i < plan->bodies_count; i++)
        if (strcmp(plan->bodies[i].name, stage->body) == 0)
            return &plan->bodies[i];
    return NULL;
}

bool plan_make(const struct plan_request *request, struct arena *arena, struct plan_plan *plan,
               struct diagnostics *diagnostics) {
    *plan = (struct plan_plan){.format = 1, .generator = MONOGEN_VERSION};
    struct planning planning = {
        .model = request->model,
        .target = request->target,
        .tuning = request->tuning,
        .arena = arena,
        .diagnostics = diagnostics,
        .plan = plan,
        .keeps_mailboxes = request->keeps_mailboxes,
    };
    plan->command = arena_string(arena, request->command);
    if (request->advice && request->advice->reason)
        choice_add(&planning, "tuning", request->advice->value, NULL, "%s",
                   request->advice->reason);
    static bool (*const passes[])(struct planning *) = {
        pass_machine, pass_fuse, pass_partition, pass_handoffs, pass_memory, pass_lds, pass_cost,
    };
    for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++)
        if (!passes[i](&planning))
            return false;
    return true;
}
