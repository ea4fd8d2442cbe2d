#include "generator/pipeline/pipeline.h"

#include "generator/base/file.h"
#include "generator/pipeline/manifest_write.h"
#include "generator/plan/check.h"
#include "generator/plan/planner.h"
#include "runtime/clock.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SOURCE_BYTES = 256 << 20, KERNEL_DIGEST_SHOWN = 16 };

// The parts of one run of the pipeline, so that each stage is a function of one argument.
struct run {
    const struct generation_request *request;
    const struct installation *installation;
    struct generation *generation;
    struct script *script;
    struct diagnostics *diagnostics;
    struct tuning tuning;
    struct advice advice;
    struct plan_request planned; // what make_plan asked for; no model: the plan was read
};

static void progress(const struct run *run, const char *stage) {
    if (run->request->progress)
        run->request->progress(run->request->progress_context, stage);
}

static bool read_plan(struct run *run) {
    struct generation *generation = run->generation;
    const char *file = run->request->plan_file;
    size_t length = 0;
    const char *text =
        file_read(&generation->arena, file, MAX_SOURCE_BYTES, &length, run->diagnostics);
    return text && plan_read(run->script, file, text, &generation->arena, &generation->plan,
                             run->diagnostics);
}

static bool is_overridden(const struct override_list *overrides, const char *key) {
    for (int i = 0; i < overrides->count; i++)
        if (strcmp(overrides->items[i].key, key) == 0)
            return true;
    return false;
}

// Cuts target and tuning down to a device that has less. With several XCDs it is not known which of
// them are there, and what a CU may be dealt: such a device the backend refuses.
static void fit_device(struct run *run) {
    const struct generation_request *request = run->request;
    struct target *target = &run->generation->target;
    struct device_fit *fit = &run->generation->fit;
    struct text words = {0};
    if (request->device_cus > 0 && request->device_cus < target->default_cus &&
        target->xcd_count == 1 && !run->tuning.cus) {
        fit->target_cus = target->default_cus;
        run->tuning.cus = request->device_cus;
        text_format(&words, " --set cus=%d", request->device_cus);
    }
    if (request->device_memory_bytes > 0 && request->device_memory_bytes < target->memory_bytes &&
        !is_overridden(&request->overrides, "memory.bytes")) {
        fit->target_memory_bytes = target->memory_bytes;
        target->memory_bytes = request->device_memory_bytes;
        text_format(&words, " --set memory.bytes=%" PRId64, target->memory_bytes);
    }
    fit->words = arena_string(&run->generation->arena, words.bytes ? words.bytes : "");
    text_close(&words);
}

static bool make_plan(struct run *run) {
    const struct generation_request *request = run->request;
    struct generation *generation = run->generation;
    struct arena *arena = &generation->arena;
    const char *specs = run->installation->specs;
    struct override_list overrides = request->overrides;
    struct tuning *tuning = &run->tuning;
    struct advice *advice = &run->advice;
    progress(run, "model");
    if (!tuning_take(tuning, &overrides, arena, run->diagnostics) ||
        !target_load(run->script, specs, request->target, &overrides, arena, &generation->target,
                     run->diagnostics) ||
        !model_load(run->script, specs, request->spec, &overrides, arena, &generation->model,
                    run->diagnostics) ||
        !tuning_report_unknown(&overrides, run->diagnostics))
        return false;
    generation->has_model = true;
    model_print(&generation->model, &generation->model_text);
    advice->words = "";
    const struct advice_request question = {&generation->model,
                                            &generation->target,
                                            request->cache_folder,
                                            request->worker,
                                            tuning,
                                            arena};
    if (request->advise &&
        !request->advise(request->advise_context, &question, advice, run->diagnostics))
        return false;
    fit_device(run);
    progress(run, "plan");
    const char *command =
        arena_format(arena, "%s%s%s", request->command, advice->words, generation->fit.words);
    run->planned = (struct plan_request){.model = &generation->model,
                                         .target = &generation->target,
                                         .tuning = tuning,
                                         .command = command,
                                         .advice = advice};
    return plan_make(&run->planned, arena, &generation->plan, run->diagnostics);
}

// Whether mailboxes are used again safely is hard to foresee, easy to check: where the planner's
// guess cannot be proved and nobody asked for it, each stage gets a mailbox of its own.
static bool prove(struct run *run, struct plan_proof *proof) {
    struct plan_plan *plan = &run->generation->plan;
    const char *file = run->request->plan_file;
    if (!run->planned.model || run->tuning.buffers)
        return plan_check(plan, file, proof, run->diagnostics);
    struct diagnostics unsaid = {0};
    const bool proved = plan_check(plan, file, proof, &unsaid);
    diagnostics_close(&unsaid);
    if (proved)
        return true;
    run->planned.keeps_mailboxes = true;
    return plan_make(&run->planned, &run->generation->arena, plan, run->diagnostics) &&
           plan_check(plan, file, proof, run->diagnostics);
}

static bool check_plan(struct run *run) {
    struct generation *generation = run->generation;
    progress(run, "check");
    struct plan_proof proof = {0};
    if (!prove(run, &proof))
        return false;
    generation->rules_checked = proof.rules;
    generation->handoffs_checked = proof.handoffs;
    plan_print(&generation->plan, &generation->plan_text);
    digest_strings((const char *const[]){generation->plan_text.bytes}, 1, generation->plan_digest);
    plan_kernel_digest(&generation->plan, generation->kernel_digest);
    return true;
}

// An edited source is one of this very plan: the runtime fills memory as the plan says, and a
// kernel of another plan would read and write elsewhere. Its head tells what it was emitted for.
static bool check_edited_source(const struct run *run, const char *text) {
    static const char mark[] = "\n// Kernel ";
    const char *digest = strstr(text, mark), *file = run->request->source_file;
    const char *wanted = run->generation->kernel_digest;
    if (!digest) {
        diagnostic_add(run->diagnostics, DIAGNOSTIC_USER, (struct location){.file = file},
                       "the source does not say which plan it was emitted for");
        return diagnostic_note(run->diagnostics, "keep the line \"// Kernel %.*s...\" of its head",
                               KERNEL_DIGEST_SHOWN, wanted);
    }
    digest += sizeof mark - 1;
    if (strncmp(digest, wanted, KERNEL_DIGEST_SHOWN) == 0)
        return true;
    diagnostic_add(run->diagnostics, DIAGNOSTIC_USER, (struct location){.file = file},
                   "the source was emitted for kernel %.*s, this is kernel %.*s",
                   KERNEL_DIGEST_SHOWN, digest, KERNEL_DIGEST_SHOWN, wanted);
    return diagnostic_note(run->diagnostics, "emit it with the same model, target and options: %s",
                           run->generation->plan.command);
}

static bool emit_source(struct run *run) {
    struct generation *generation = run->generation;
    const char *edited = run->request->source_file;
    progress(run, "emit");
    if (edited) {
        size_t length = 0;
        const char *text =
            file_read(&generation->arena, edited, MAX_SOURCE_BYTES, &length, run->diagnostics);
        if (text)
            text_append_bytes(&generation->source, text, length);
        return text && check_edited_source(run, text);
    }
    struct value *plan = plan_to_value(&generation->arena, &generation->plan);
    value_table_set(
        &generation->arena, plan, "kernel_digest",
        value_string(&generation->arena, arena_bytes(&generation->arena, generation->kernel_digest,
                                                     KERNEL_DIGEST_SHOWN)));
    if (generation->plan.trace)
        value_table_set(&generation->arena, plan, "trace_records",
                        value_integer(&generation->arena, plan_trace_records(&generation->plan)));
    if (!render(run->script, run->installation->templates, "kernel.hip", plan, &generation->arena,
                &generation->source, &generation->map, run->diagnostics))
        return false;
    line_map_print(&generation->map, &generation->map_text);
    return true;
}

// What the object for each backend is called.
enum { OBJECT_HOST, OBJECT_CUDA, OBJECT_HIP, OBJECT_KINDS };
static const struct {
    const char *backend, *name;
} objects[OBJECT_KINDS] = {[OBJECT_HOST] = {"host", "5-kernel.so"},
                           [OBJECT_CUDA] = {"cuda", "5-kernel.cubin"},
                           [OBJECT_HIP] = {"hip", "5-kernel.co"}};

static const char *object_name(const char *backend) {
    size_t i = 0;
    while (i + 1 < OBJECT_KINDS && strcmp(objects[i].backend, backend) != 0)
        i++;
    return objects[i].name;
}

// The plan counts them; whoever compiles wants a NULL behind the last.
static const char *const *compiler_options(struct arena *arena,
                                           const struct plan_machine *machine) {
    const size_t count = (size_t)machine->compiler_options_count;
    const char **options = arena_array(arena, count + 1, sizeof *options);
    for (size_t i = 0; i < count; i++)
        options[i] = machine->compiler_options[i];
    return options;
}

static bool compile(struct run *run) {
    struct generation *generation = run->generation;
    const struct plan_machine *machine = &generation->plan.machine;
    progress(run, "compile");
    generation->object_name = object_name(machine->backend);
    const struct compile_request request = {
        .compiler = machine->compiler,
        .isa = machine->isa,
        .source_name = run->request->source_file ? run->request->source_file : "3-kernel.hip",
        .source = generation->source.bytes,
        .kernel = kernel_symbol,
        .options = compiler_options(&generation->arena, machine),
        .registers_per_lane = machine->registers_per_lane,
        .register_granule = machine->register_granule,
        .waves_per_simd_max = machine->waves_per_simd_max,
    };
    if (!compile_source(&request, run->request->cache_folder, run->request->worker,
                        generation->map.count ? &generation->map : NULL, &generation->compiled,
                        run->diagnostics))
        return false;
    manifest_write(&generation->plan, generation->plan_digest, generation->object_name,
                   &generation->compiled, &generation->manifest);
    return true;
}

bool generation_run(const struct generation_request *request,
                    const struct installation *installation, struct generation *generation,
                    struct diagnostics *diagnostics) {
    const double start = clock_seconds(CLOCK_MONOTONIC);
    *generation = (struct generation){0};
    struct run run = {.request = request,
                      .installation = installation,
                      .generation = generation,
                      .script = script_open(script_default_limits(), diagnostics),
                      .diagnostics = diagnostics};
    if (!run.script)
        return false;
    bool good = (request->plan_file ? read_plan(&run) : make_plan(&run)) && check_plan(&run) &&
                emit_source(&run);
    script_close(run.script);
    generation->source_seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    return good && (!request->compile || compile(&run));
}

// Whether the file is there and holds just that text.
static bool holds(struct arena *arena, const char *path, const struct text *text) {
    if (!file_exists(path))
        return false;
    struct diagnostics unread = {0}; // a file that cannot be read is one to write again
    size_t length = 0;
    const char *bytes = file_read(arena, path, MAX_SOURCE_BYTES, &length, &unread);
    diagnostics_close(&unread);
    return bytes && length == text->length &&
           (length == 0 || memcmp(bytes, text->bytes, length) == 0);
}

struct artefact {
    const char *name;
    const struct text *text;
    bool wanted;
};

// Of the objects, the one for this backend.
static struct artefact object_artefact(const struct generation *generation, int kind) {
    const char *name = objects[kind].name;
    return (struct artefact){name, &generation->compiled.object,
                             generation->object_name && strcmp(generation->object_name, name) == 0};
}

bool generation_write(const struct generation *generation, const char *folder,
                      struct diagnostics *diagnostics) {
    const struct artefact artefacts[] = {
        {"1-model.lua", &generation->model_text, generation->has_model},
        {"2-plan.lua", &generation->plan_text, true},
        {"3-kernel.hip", &generation->source, true},
        {"3-kernel.map", &generation->map_text, true},
        {"4-compile.log", &generation->compiled.log, true},
        object_artefact(generation, OBJECT_HOST),
        object_artefact(generation, OBJECT_CUDA),
        object_artefact(generation, OBJECT_HIP),
        {listing_name, &generation->compiled.listing, true},
        {"7-manifest.json", &generation->manifest, generation->manifest.length > 0},
    };
    enum { ARTEFACTS = sizeof artefacts / sizeof artefacts[0] };
    struct arena arena = {0};
    const char *path[ARTEFACTS];
    bool changed[ARTEFACTS], any_changed = false;
    for (size_t i = 0; i < ARTEFACTS; i++) {
        path[i] = arena_format(&arena, "%s/%s", folder, artefacts[i].name);
        changed[i] =
            artefacts[i].wanted ? !holds(&arena, path[i], artefacts[i].text) : file_exists(path[i]);
        any_changed |= changed[i];
    }
    bool good = folder_make(folder, diagnostics);
    // The old manifest goes first: until the new one is there, the folder is incomplete. What
    // another kernel left there and this one does not have goes too.
    if (good && any_changed)
        unlink(path[ARTEFACTS - 1]);
    changed[ARTEFACTS - 1] = any_changed && artefacts[ARTEFACTS - 1].wanted;
    for (size_t i = 0; i < ARTEFACTS && good; i++) {
        if (changed[i] && !artefacts[i].wanted)
            unlink(path[i]);
        else if (changed[i])
            good = file_write(path[i], artefacts[i].text->bytes ? artefacts[i].text->bytes : "",
                              artefacts[i].text->length, diagnostics);
    }
    // Not a part of a kernel either: what there was no room for takes all of it along.
    for (size_t i = 0; i < ARTEFACTS && !good; i++)
        if (changed[i] && artefacts[i].wanted)
            unlink(path[i]);
    arena_close(&arena);
    return good;
}

void generation_close(struct generation *generation) {
    text_close(&generation->model_text);
    text_close(&generation->plan_text);
    text_close(&generation->source);
    text_close(&generation->map_text);
    text_close(&generation->manifest);
    compile_result_close(&generation->compiled);
    arena_close(&generation->arena);
    *generation = (struct generation){0};
}
