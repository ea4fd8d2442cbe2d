// Views of the kernel as a whole: overview, files, resources, choices.
#include "generator/commands/report.h"
#include "generator/commands/views.h"

#include <string.h>

// ---- resources ----------------------------------------------------------------------------------

static const char *resources_text(struct arena *arena, const struct kernel_resources *resources) {
    struct text text = {0};
#define KERNEL_RESOURCE(name, meaning)                                                             \
    if (resources->name < 0)                                                                       \
        text_format(&text, "%-15s %9s   %s (not told by this compiler)\n", #name, "-", meaning);   \
    else                                                                                           \
        text_format(&text, "%-15s %9ld   %s\n", #name, resources->name, meaning);
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
    const char *copy = arena_string(arena, text.bytes);
    text_close(&text);
    return copy;
}

bool view_resources(const struct artefacts *artefacts, const char *which,
                    struct view_result *result) {
    struct manifest_facts facts;
    (void)which;
    if (!artefacts_manifest(artefacts, &facts))
        return false;
    result->value = report_resources(artefacts->arena, &facts.resources);
    result->text = resources_text(artefacts->arena, &facts.resources);
    return true;
}

// ---- choices ------------------------------------------------------------------------------------

static struct value *choice_value(struct arena *arena, const struct plan_choice *choice) {
    struct value *table = value_table(arena), *alternatives = value_list(arena);
    report_set_text(arena, table, "name", choice->name);
    report_set_text(arena, table, "value", choice->value);
    report_set_text(arena, table, "reason", choice->reason);
    for (int i = 0; i < choice->alternatives_count; i++)
        value_list_add(arena, alternatives, value_string(arena, choice->alternatives[i]));
    value_table_set(arena, table, "alternatives", alternatives);
    return table;
}

static const char *choice_text(struct arena *arena, const struct plan_choice *choice) {
    struct text text = {0};
    text_format(&text, "%s = %s\n  because       %s\n", choice->name, choice->value,
                choice->reason);
    for (int i = 0; i < choice->alternatives_count; i++)
        text_format(&text, "  %-13s %s\n", i == 0 ? "alternatives" : "", choice->alternatives[i]);
    const char *copy = arena_string(arena, text.bytes);
    text_close(&text);
    return copy;
}

static bool report_choice(const struct artefacts *artefacts, const struct plan_plan *plan,
                          const char *name) {
    const char **names =
        arena_array(artefacts->arena, (size_t)plan->choices_count + 1, sizeof *names);
    for (int i = 0; i < plan->choices_count; i++)
        names[i] = plan->choices[i].name;
    const char *nearest = nearest_name(name, names, (size_t)plan->choices_count);
    usage_error(artefacts->diagnostics, "the plan has no choice '%s'", name);
    if (nearest)
        diagnostic_note(artefacts->diagnostics, "did you mean '%s'?", nearest);
    return diagnostic_note(artefacts->diagnostics, "monogen inspect %s choice lists them",
                           artefacts->folder);
}

static struct value *choices_value(struct arena *arena, const struct plan_plan *plan) {
    struct value *list = value_list(arena);
    for (int i = 0; i < plan->choices_count; i++)
        value_list_add(arena, list, choice_value(arena, &plan->choices[i]));
    return list;
}

// The names, values and reasons, without the alternatives.
static void append_choices(struct text *text, const struct plan_plan *plan, const char *indent) {
    int widest = 0, widest_value = 0;
    for (int i = 0; i < plan->choices_count; i++) {
        const int name = (int)strlen(plan->choices[i].name);
        const int value = (int)strlen(plan->choices[i].value);
        widest = name > widest ? name : widest;
        widest_value = value > widest_value ? value : widest_value;
    }
    for (int i = 0; i < plan->choices_count; i++)
        text_format(text, "%s%-*s  %-*s  %s\n", indent, widest, plan->choices[i].name, widest_value,
                    plan->choices[i].value, plan->choices[i].reason);
}

bool view_choice(const struct artefacts *artefacts, const char *which, struct view_result *result) {
    struct plan_plan plan;
    struct text text = {0};
    if (!artefacts_plan(artefacts, &plan))
        return false;
    if (!which) {
        result->value = choices_value(artefacts->arena, &plan);
        append_choices(&text, &plan, "");
        result->text = arena_string(artefacts->arena, text.bytes ? text.bytes : "");
        text_close(&text);
        return true;
    }
    for (int i = 0; i < plan.choices_count; i++)
        if (strcmp(plan.choices[i].name, which) == 0) {
            result->value = choice_value(artefacts->arena, &plan.choices[i]);
            result->text = choice_text(artefacts->arena, &plan.choices[i]);
            return true;
        }
    return report_choice(artefacts, &plan, which);
}

// ---- files --------------------------------------------------------------------------------------

bool view_plan(const struct artefacts *artefacts, const char *which, struct view_result *result) {
    struct plan_plan plan;
    (void)which;
    if (!artefacts_plan(artefacts, &plan))
        return false;
    result->value = plan_to_value(artefacts->arena, &plan);
    result->text = artefacts_text(artefacts, "2-plan.lua");
    return result->text != NULL;
}

static bool view_file(const struct artefacts *artefacts, const char *name,
                      struct view_result *result) {
    result->text = artefacts_text(artefacts, name);
    if (!result->text)
        return false;
    result->value = value_table(artefacts->arena);
    report_set_text(artefacts->arena, result->value, "file", name);
    report_set_text(artefacts->arena, result->value, "text", result->text);
    return true;
}

bool view_source(const struct artefacts *artefacts, const char *which, struct view_result *result) {
    (void)which;
    return view_file(artefacts, "3-kernel.hip", result);
}

bool view_isa(const struct artefacts *artefacts, const char *which, struct view_result *result) {
    (void)which;
    if (!view_file(artefacts, "6-kernel.isa", result))
        return false;
    return *result->text || environment_error(artefacts->diagnostics,
                                              "%s/6-kernel.isa is empty: the compiler gave no "
                                              "listing",
                                              artefacts->folder);
}

// ---- overview -----------------------------------------------------------------------------------

static struct value *overview_value(struct arena *arena, const struct plan_plan *plan,
                                    const char *digest, const struct manifest_facts *facts) {
    struct value *table = value_table(arena);
    report_set_text(arena, table, "model", plan->model);
    report_set_text(arena, table, "target", plan->machine.name);
    report_set_text(arena, table, "isa", plan->machine.isa);
    report_set_text(arena, table, "generator", plan->generator);
    report_set_text(arena, table, "command", plan->command);
    report_set_text(arena, table, "tuning", plan->tuning);
    report_set_text(arena, table, "plan_digest", digest);
    value_table_set(arena, table, "plan_edited",
                    value_boolean(arena, strcmp(digest, facts->plan_digest) != 0));
    report_set_integer(arena, table, "parameters", plan->shape.parameters);
    report_set_integer(arena, table, "bytes_per_token", plan->shape.bytes_per_token);
    report_set_integer(arena, table, "context", plan->shape.context);
    report_set_text(arena, table, "kv", plan->shape.kv_dtype);
    report_set_integer(arena, table, "kv_bytes", plan->kv.bytes);
    report_set_integer(arena, table, "stages", plan->stages_count);
    report_set_integer(arena, table, "cus", plan->machine.cus);
    report_set_integer(arena, table, "xcds", plan->machine.xcds_count);
    report_set_text(arena, table, "object", facts->object);
    report_set_text(arena, table, "compiler", facts->compiler);
    value_table_set(arena, table, "resources", report_resources(arena, &facts->resources));
    value_table_set(arena, table, "choices", choices_value(arena, plan));
    return table;
}

static const char *overview_text(const struct artefacts *artefacts, const struct plan_plan *plan,
                                 const char *digest, const struct manifest_facts *facts) {
    struct arena *arena = artefacts->arena;
    const bool edited = strcmp(digest, facts->plan_digest) != 0;
    struct text text = {0};
    text_format(&text, "%s on %s (%s), %d CUs on %d XCDs\n", plan->model, plan->machine.name,
                plan->machine.isa, plan->machine.cus, plan->machine.xcds_count);
    text_format(&text, "made by   %s\n", plan->command);
    text_format(&text, "plan      %.16s, %s, tuning %s%s\n", digest, plan->generator, plan->tuning,
                edited ? "; EDITED since the kernel was made" : "");
    text_format(&text,
                "model     %.1f M parameters, %s of weights a token, context %d, kv %s (%s)\n",
                (double)plan->shape.parameters / 1e6,
                report_bytes(arena, (double)plan->shape.bytes_per_token), plan->shape.context,
                plan->shape.kv_dtype, report_bytes(arena, (double)plan->kv.bytes));
    text_format(&text, "schedule  %d stages of %d bodies, layers %s\n", plan->stages_count,
                plan->bodies_count,
                strcmp(plan->unroll, "inline") == 0 ? "written out" : "as a loop");
    text_format(&text, "object    %s, by %s\n", facts->object, facts->compiler);
    text_append(&text, "\nresources\n");
    text_append(&text, resources_text(arena, &facts->resources));
    text_append(&text, "\nchoices\n");
    append_choices(&text, plan, "");
    const char *copy = arena_string(arena, text.bytes);
    text_close(&text);
    return copy;
}

bool view_overview(const struct artefacts *artefacts, const char *which,
                   struct view_result *result) {
    struct plan_plan plan;
    struct manifest_facts facts;
    char digest[DIGEST_TEXT_BYTES];
    (void)which;
    if (!artefacts_plan(artefacts, &plan) || !artefacts_manifest(artefacts, &facts))
        return false;
    plan_digest(&plan, digest);
    result->value = overview_value(artefacts->arena, &plan, digest, &facts);
    result->text = overview_text(artefacts, &plan, digest, &facts);
    return true;
}
