#include "tests/support/made_plan.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

struct override_list overrides_of(struct arena *arena, const char *set) {
    struct override_list list = {0};
    list.items = arena_array(arena, strlen(set) + 1, sizeof *list.items);
    while (*set) {
        const size_t length = strcspn(set, " ");
        char *key = arena_bytes(arena, set, length);
        char *equals = strchr(key, '=');
        if (!equals)
            fail_msg("'%s' is not KEY=VALUE", key);
        else
            *equals = '\0';
        list.items[list.count++] = (struct override){.key = key, .value = equals ? equals + 1 : ""};
        set += length;
        set += strspn(set, " ");
    }
    return list;
}

bool made_plan_try(struct made_plan *made, const char *specs, const char *spec, const char *target,
                   const char *set) {
    *made = (struct made_plan){0};
    struct diagnostics *diagnostics = &made->diagnostics;
    struct override_list overrides = overrides_of(&made->arena, set);
    made->script = script_open(script_default_limits(), diagnostics);
    if (!made->script)
        return false;
    const struct plan_request request = {.model = &made->model,
                                         .target = &made->target,
                                         .tuning = &made->tuning,
                                         .command = "monogen generate"};
    return tuning_take(&made->tuning, &overrides, &made->arena, diagnostics) &&
           target_load(made->script, "specs", target, &overrides, &made->arena, &made->target,
                       diagnostics) &&
           model_load(made->script, specs, spec, &overrides, &made->arena, &made->model,
                      diagnostics) &&
           tuning_report_unknown(&overrides, diagnostics) &&
           plan_make(&request, &made->arena, &made->plan, diagnostics);
}

void made_plan_open(struct made_plan *made, const char *spec, const char *target, const char *set) {
    if (!made_plan_try(made, "specs", spec, target, set))
        fail_msg("no plan of %s for %s with '%s': %s", spec, target, set,
                 printed_diagnostics(&made->diagnostics));
}

void made_plan_close(struct made_plan *made) {
    script_close(made->script);
    diagnostics_close(&made->diagnostics);
    arena_close(&made->arena);
    *made = (struct made_plan){0};
}

const struct plan_stage *need_stage(const struct plan_plan *plan, const char *name, int layer) {
    for (int i = 0; i < plan->stages_count; i++)
        if (strcmp(plan->stages[i].body, name) == 0 && plan->stages[i].layer == layer)
            return &plan->stages[i];
    fail_msg("the plan has no stage %s of layer %d", name, layer);
    return NULL;
}

const struct plan_body *need_body(const struct plan_plan *plan, const char *name) {
    const struct plan_body *body = plan_body_named(plan, name);
    if (!body)
        fail_msg("the plan has no body %s", name);
    return body;
}

const struct plan_choice *need_choice(const struct plan_plan *plan, const char *name) {
    for (int i = 0; i < plan->choices_count; i++)
        if (strcmp(plan->choices[i].name, name) == 0)
            return &plan->choices[i];
    fail_msg("the plan has no choice '%s'", name);
    return NULL;
}

const struct plan_lds *need_lds(const struct plan_plan *plan, const char *name) {
    for (int i = 0; i < plan->lds_count; i++)
        if (strcmp(plan->lds[i].name, name) == 0)
            return &plan->lds[i];
    fail_msg("the plan has no LDS array %s", name);
    return NULL;
}
