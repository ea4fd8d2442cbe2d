#include "generator/commands/cache_folder.h"
#include "generator/commands/checkpoint.h"
#include "generator/commands/commands.h"
#include "generator/commands/report.h"
#include "generator/commands/request.h"
#include "generator/commands/tuned.h"
#include "generator/model/names.h"

#include <inttypes.h>
#include <string.h>

// The folder that the artefacts go to. NULL after a usage error.
static const char *output_folder(const struct command_line *line,
                                 const struct generation *generation, struct arena *arena,
                                 struct diagnostics *diagnostics) {
    if (line->output)
        return line->output;
    const char *model = generation->plan.model, *target = generation->plan.machine.name;
    if (name_is_plain(model) && name_is_plain(target))
        return arena_format(arena, "out/%s-%s", model, target);
    usage_error(diagnostics, "-o DIR is needed: \"%.64s\" for \"%.64s\" names no folder", model,
                target);
    return NULL;
}

// ---- text ---------------------------------------------------------------------------------------

static void print_line(const char *stage, const char *text) { printf("%-9s%s\n", stage, text); }

static const char *count_text(struct arena *arena, double count) {
    if (count < 1e6)
        return arena_format(arena, "%.1f K", count / 1e3);
    return count < 1e9 ? arena_format(arena, "%.1f M", count / 1e6)
                       : arena_format(arena, "%.2f B", count / 1e9);
}

static int reads_of_scope(const struct plan_plan *plan, const struct plan_stage *stage,
                          const char *scope) {
    const struct plan_body *body = plan_body_named(plan, stage->body);
    int count = 0;
    for (int i = 0; body && i < body->reads_count; i++)
        count += !scope || strcmp(body->reads[i].scope, scope) == 0;
    return count;
}

static void print_model(const struct plan_plan *plan, struct arena *arena) {
    const struct plan_shape *shape = &plan->shape;
    printf("%s -> %s   %s parameters, %s a token, context %d (kv %s, %s)\n", plan->model,
           plan->machine.name, count_text(arena, (double)shape->parameters),
           report_bytes(arena, (double)shape->bytes_per_token), shape->context, shape->kv_dtype,
           report_bytes(arena, (double)plan->kv.bytes));
}

static void print_plan(const struct plan_plan *plan, struct arena *arena) {
    const struct plan_machine *machine = &plan->machine;
    int all = 0, across = 0, iods = 0;
    for (int i = 0; i < plan->stages_count; i++) {
        all += reads_of_scope(plan, &plan->stages[i], NULL);
        across += reads_of_scope(plan, &plan->stages[i], "across XCDs");
    }
    for (int i = 0; i < machine->xcds_count; i++)
        if (machine->xcds[i].iod >= iods)
            iods = machine->xcds[i].iod + 1;
    const char *where = machine->xcds_count > 1
                            ? arena_format(arena, "%d CUs on %d XCDs on %d IODs", machine->cus,
                                           machine->xcds_count, iods)
                            : arena_format(arena, "%d CUs", machine->cus);
    print_line("plan", arena_format(arena, "%d stages, %d hand-offs a token (%d across XCDs), %s",
                                    plan->stages_count, all, across, where));
}

static int line_count(const struct text *text) {
    int lines = 0;
    for (size_t i = 0; i < text->length; i++)
        lines += text->bytes[i] == '\n';
    return lines;
}

// plan_lds: what a workgroup has in all. The object's share is smaller where the launch brings LDS.
static const char *resource_text(struct arena *arena, const struct kernel_resources *resources,
                                 int64_t plan_lds) {
    struct text text = {0};
    const long in_object = resources->lds_bytes;
    if (resources->vgpr >= 0)
        text_format(&text, "%ld VGPR, ", resources->vgpr);
    if (resources->agpr > 0)
        text_format(&text, "%ld AGPR, ", resources->agpr);
    if (resources->sgpr >= 0)
        text_format(&text, "%ld SGPR, ", resources->sgpr);
    if (in_object >= 0)
        text_format(&text, "%s LDS, ",
                    report_bytes(arena, (double)(plan_lds > in_object ? plan_lds : in_object)));
    if (resources->vgpr_spills >= 0 && resources->sgpr_spills >= 0)
        text_format(&text, "%ld spills, ", resources->vgpr_spills + resources->sgpr_spills);
    if (resources->code_bytes >= 0)
        text_format(&text, "%s code, ", report_bytes(arena, (double)resources->code_bytes));
    if (resources->waves_per_simd >= 0)
        text_format(&text, "%ld waves a SIMD, ", resources->waves_per_simd);
    const char *copy =
        arena_bytes(arena, text.bytes ? text.bytes : "", text.length > 2 ? text.length - 2 : 0);
    text_close(&text);
    return copy;
}

static const char *layers_text(const struct plan_plan *plan, struct arena *arena) {
    return arena_format(arena, "%d layers %s", plan->shape.layers,
                        strcmp(plan->unroll, "inline") == 0 ? "written out" : "as a loop");
}

static void print_stages(const struct generation *generation, const char *folder,
                         struct arena *arena) {
    const struct plan_plan *plan = &generation->plan;
    const struct compile_result *compiled = &generation->compiled;
    const struct plan_cost *cost = &plan->cost;
    print_model(plan, arena);
    print_plan(plan, arena);
    const char *tuning = tuned_text(plan, arena);
    if (tuning)
        print_line("tuning", tuning);
    print_line("check", arena_format(arena, "%d rules, %d hand-offs, no hazard",
                                     generation->rules_checked, generation->handoffs_checked));
    print_line("emit", arena_format(arena, "%s/3-kernel.hip   %d lines, %s", folder,
                                    line_count(&generation->source), layers_text(plan, arena)));
    const char *took =
        compiled->from_cache ? "cached" : arena_format(arena, "%.1f s", compiled->seconds);
    print_line("compile",
               arena_format(arena, "%s   %s   %s", compiled->compiler_version, took,
                            resource_text(arena, &compiled->resources, plan_lds_bytes(plan))));
    print_line("predict",
               arena_format(arena,
                            "%s us a token (memory %s, hand-offs %.0f): a prediction, "
                            "not a measurement",
                            report_range(arena, cost->total_us_low, cost->total_us_high),
                            report_range(arena, cost->memory_us_low, cost->memory_us_high),
                            cost->handoff_us));
}

// ---- JSON ---------------------------------------------------------------------------------------

static struct value *paths_value(const struct generation *generation, const char *folder,
                                 struct arena *arena) {
    const struct {
        const char *name, *file;
    } paths[] = {{"model", "1-model.lua"},    {"plan", "2-plan.lua"},
                 {"source", "3-kernel.hip"},  {"line_map", "3-kernel.map"},
                 {"log", "4-compile.log"},    {"object", generation->object_name},
                 {"listing", "6-kernel.isa"}, {"manifest", "7-manifest.json"}};
    struct value *table = value_table(arena);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (generation->has_model || i > 0)
            report_set_text(arena, table, paths[i].name,
                            arena_format(arena, "%s/%s", folder, paths[i].file));
    return table;
}

static void print_json(const struct generation *generation, const char *folder,
                       struct arena *arena) {
    const struct compile_result *compiled = &generation->compiled;
    struct value *result = value_table(arena), *seconds = value_table(arena),
                 *predicted = value_table(arena);
    report_set_text(arena, result, "model", generation->plan.model);
    report_set_text(arena, result, "target", generation->plan.machine.name);
    report_set_text(arena, result, "folder", folder);
    value_table_set(arena, result, "paths", paths_value(generation, folder, arena));
    report_set_text(arena, result, "plan_digest", generation->plan_digest);
    report_set_text(arena, result, "tuning", generation->plan.tuning);
    report_set_text(arena, result, "compiler", compiled->compiler_version);
    value_table_set(arena, result, "cached", value_boolean(arena, compiled->from_cache));
    value_table_set(arena, result, "resources", report_resources(arena, &compiled->resources));
    value_table_set(arena, seconds, "source", value_number(arena, generation->source_seconds));
    value_table_set(arena, seconds, "compile", value_number(arena, compiled->seconds));
    value_table_set(arena, result, "seconds", seconds);
    value_table_set(arena, predicted, "low",
                    value_number(arena, generation->plan.cost.total_us_low));
    value_table_set(arena, predicted, "high",
                    value_number(arena, generation->plan.cost.total_us_high));
    value_table_set(arena, result, "predicted_us_a_token", predicted);
    report_value(result, true);
}

// ---- the command --------------------------------------------------------------------------------

static bool check_line(const struct command_line *line, struct diagnostics *diagnostics) {
    if (!line->plan && line->argument_count == 0) {
        usage_error(diagnostics, "generate needs a SPEC, an HF_DIR or --plan FILE");
        return diagnostic_note(diagnostics, "for example: monogen generate austen-3m");
    }
    static const char *const decided[] = {"--target", "--context", "--kv",
                                          "--set",    "--tuning",  "--no-tuning"};
    const char *excess = line->argument_count ? line->arguments[0] : NULL;
    for (size_t i = 0; i < sizeof decided / sizeof *decided && !excess; i++)
        if (command_line_given(line, decided[i]))
            excess = decided[i];
    if (line->plan && excess) {
        usage_error(diagnostics, "--plan and %s: the plan already holds what it would decide",
                    excess);
        return diagnostic_note(diagnostics, "edit the plan, or generate it anew");
    }
    return true;
}

static bool generate(const struct command_line *line, struct arena *arena,
                     struct generation *generation, struct diagnostics *diagnostics) {
    struct installation installation;
    struct generation_request request;
    char problem[512];
    if (!check_line(line, diagnostics) || !installation_find(arena, &installation, diagnostics) ||
        !request_make(line, &installation, line->target, arena, &request, diagnostics))
        return false;
    request.cache_folder = cache_folder_find(line->cache, arena, problem, sizeof problem);
    if (problem[0] && !request.cache_folder)
        report_note("%s; the compiled kernel is not kept for the next time", problem);
    if (!request_run(&request, &installation, generation, diagnostics))
        return false;
    const char *folder = output_folder(line, generation, arena, diagnostics);
    if (!folder || !generation_write(generation, folder, diagnostics))
        return false;
    const char *weights =
        request.spec ? checkpoint_of_spec(&installation, request.spec, arena) : NULL;
    if (weights)
        checkpoint_note_unused(weights, &generation->model);
    if (line->json)
        print_json(generation, folder, arena);
    else
        print_stages(generation, folder, arena);
    if (generation->compiled.cache_note[0])
        report_note("%s", generation->compiled.cache_note);
    return true;
}

bool generate_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct generation generation = {0};
    const bool generated = generate(line, &arena, &generation, diagnostics);
    generation_close(&generation);
    arena_close(&arena);
    return generated;
}
