#include "generator/commands/kernel.h"

#include "generator/base/file.h"
#include "generator/commands/cache_folder.h"
#include "generator/commands/checkpoint.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/report.h"
#include "generator/commands/request.h"
#include "generator/compile/scratch.h"
#include "generator/model/names.h"
#include "generator/pipeline/manifest_write.h"

#include <inttypes.h>
#include <string.h>

enum { DIGEST_SHOWN = 16, PROBLEM_BYTES = 512 };

// ---- device and target --------------------------------------------------------------------------

struct search {
    const struct installation *installation;
    struct arena *arena;
    struct kernel_place place; // the best so far
    uint64_t memory_bytes;     // of its target
    bool there;                // a target for the device that was asked for
    char line[512];            // why the latest such device cannot be used
};

// Whether the target describes the device better than the one that was taken, which comes before
// it by name and is for the same backend.
static bool is_nearer(const struct search *search, const struct target *target) {
    const uint64_t there = search->place.size.memory_bytes, has = (uint64_t)target->memory_bytes;
    const uint64_t taken = search->memory_bytes;
    return there > 0 && (taken > there ? has < taken : has <= there && has > taken);
}

// Takes the target if its kernels run here on the device `wanted` (NULL: a GPU).
static void try_target(struct search *search, const char *name, const struct target *target,
                       const char *wanted) {
    const struct backend *backend = backend_by_name(wanted ? wanted : target->backend);
    struct kernel_place *place = &search->place;
    if (!backend || !backend_runs(backend, target->backend) ||
        (!wanted && backend == &backend_host) ||
        (place->device && (place->device != backend->name || !is_nearer(search, target))))
        return;
    search->there = true;
    if (!backend->probe(target->isa, search->line, sizeof search->line))
        return;
    *place = (struct kernel_place){.device = backend->name, .target = name};
    search->memory_bytes = (uint64_t)target->memory_bytes;
    if (backend->measure && !backend->measure(&place->size))
        place->size = (struct device_size){0};
}

// The best target that try_target takes. False: none, perhaps after a diagnostic.
static bool find_target(struct search *search, struct script *script, const char *wanted,
                        struct diagnostics *diagnostics) {
    const char *specs = search->installation->specs;
    size_t count = 0;
    const char *const *names =
        names_in(search->arena, arena_format(search->arena, "%s/targets", specs), &count);
    struct override_list none = {0};
    for (size_t i = 0; i < count; i++) {
        struct target target = {0};
        if (!target_load(script, specs, names[i], &none, search->arena, &target, diagnostics))
            return false;
        try_target(search, names[i], &target, wanted);
    }
    return search->place.target != NULL;
}

bool kernel_place(const struct installation *installation, const char *wanted, struct arena *arena,
                  struct kernel_place *place, struct diagnostics *diagnostics) {
    struct search search = {.installation = installation, .arena = arena};
    struct script *script = script_open(script_default_limits(), diagnostics);
    if (!script)
        return false;
    const bool automatic = strcmp(wanted, "auto") == 0;
    const size_t before = diagnostics->count;
    bool found =
        (automatic && find_target(&search, script, NULL, diagnostics)) ||
        (diagnostics->count == before &&
         find_target(&search, script, automatic ? backend_host.name : wanted, diagnostics));
    script_close(script);
    *place = search.place;
    if (found || diagnostics->count > before)
        return found;
    if (!search.there)
        return environment_error(diagnostics, "no target under %s/targets is for device %s",
                                 installation->specs, wanted);
    return environment_error(diagnostics, "device %s cannot be used: %s", wanted, search.line);
}

// ---- the folder that the runtime opens ----------------------------------------------------------

static bool file_equals(const char *folder, const char *name, const struct text *text) {
    struct arena arena = {0};
    struct diagnostics quiet = {0};
    size_t length = 0;
    const char *bytes = file_read(&arena, arena_format(&arena, "%s/%s", folder, name), text->length,
                                  &length, &quiet);
    const bool equal =
        bytes && length == text->length && (length == 0 || memcmp(bytes, text->bytes, length) == 0);
    diagnostics_close(&quiet);
    arena_close(&arena);
    return equal;
}

// What is there is used only if it is byte for byte what was generated.
static bool is_complete(const struct generation *generation, const char *folder) {
    return file_equals(folder, "7-manifest.json", &generation->manifest) &&
           file_equals(folder, generation->object_name, &generation->compiled.object) &&
           file_equals(folder, listing_name, &generation->compiled.listing);
}

// <cache>/kernels/<model>-<target>-<digest of plan, source and compiler>
static const char *cached_folder(const struct generation *generation, const char *cache,
                                 struct arena *arena) {
    char digest[DIGEST_TEXT_BYTES];
    const char *const parts[] = {generation->plan_digest, generation->source.bytes,
                                 generation->compiled.compiler_version};
    digest_strings(parts, sizeof parts / sizeof *parts, digest);
    return arena_format(arena, "%s/kernels/%s-%s-%.*s", cache, generation->plan.model,
                        generation->plan.machine.name, DIGEST_SHOWN, digest);
}

// The folder in the cache, written where it is not complete. NULL: it cannot be, see `problem`.
static const char *place_in_cache(const struct generation *generation, const char *cache,
                                  struct arena *arena, char *problem) {
    const char *folder = cached_folder(generation, cache, arena);
    if (is_complete(generation, folder))
        return folder;
    struct diagnostics trial = {0};
    const bool written = generation_write(generation, folder, &trial);
    if (!written)
        snprintf(problem, PROBLEM_BYTES, "%s", trial.items[0].message);
    diagnostics_close(&trial);
    return written ? folder : NULL;
}

// What opens a kernel of a folder.
struct opening {
    const char *device, *weights;
    uint64_t seed;
};

static bool open_model(const char *folder, const struct opening *opening, struct kernel *kernel,
                       struct diagnostics *diagnostics) {
    struct monogen_error error = {0};
    const struct monogen_options options = {.kernel_folder = folder,
                                            .weights_folder = opening->weights,
                                            .random_seed = opening->seed,
                                            .device = opening->device,
                                            .device_seed = opening->seed};
    kernel->model = monogen_open(&options, &error);
    return kernel->model || report_runtime_error(&error, diagnostics);
}

// Opens the kernel from a folder that is gone afterwards: an opened kernel needs no files.
static bool open_from_scratch(const struct opening *opening, struct kernel *kernel,
                              struct diagnostics *diagnostics) {
    char folder[SCRATCH_PATH_BYTES];
    if (!scratch_make(NULL, "monogen-kernel-", folder))
        return environment_error(diagnostics, "cannot make a temporary folder");
    const bool opened = generation_write(&kernel->generation, folder, diagnostics) &&
                        open_model(folder, opening, kernel, diagnostics);
    scratch_remove(folder);
    return opened;
}

static void note_fit(const struct generation *generation, const struct device_size *size) {
    const struct device_fit *fit = &generation->fit;
    const double gb = 1e9;
    if (fit->target_cus > 0)
        report_note("planned for %d of the target's %d %s: the device has %" PRIu32,
                    generation->plan.machine.cus, fit->target_cus, size->cus_name, size->cus);
    if (fit->target_memory_bytes > 0)
        report_note("planned for %.1f GB of memory, the device's, not the target's %.1f GB",
                    (double)size->memory_bytes / gb, (double)fit->target_memory_bytes / gb);
}

bool kernel_open(const struct command_line *line, const struct installation *installation,
                 const char *weights, struct kernel *kernel, struct diagnostics *diagnostics) {
    struct generation_request request;
    struct arena arena = {0};
    char problem[PROBLEM_BYTES] = "";
    const char *folder = NULL;
    struct kernel_place place;
    bool good = kernel_place(installation, line->device, &arena, &place, diagnostics) &&
                request_make(line, installation, place.target, &arena, &request, diagnostics);
    if (good) {
        request.cache_folder = cache_folder_find(line->cache, &arena, problem, sizeof problem);
        request.device_cus = (int)place.size.cus;
        request.device_memory_bytes = (int64_t)place.size.memory_bytes;
        good = request_run(&request, installation, &kernel->generation, diagnostics);
    }
    if (good) {
        note_fit(&kernel->generation, &place.size);
        if (request.cache_folder)
            folder = place_in_cache(&kernel->generation, request.cache_folder, &arena, problem);
        if (problem[0] && !folder)
            report_note("%s; the kernel is not kept for the next time", problem);
        const struct opening opening = {place.device, weights, (uint64_t)line->seed};
        good = folder ? open_model(folder, &opening, kernel, diagnostics)
                      : open_from_scratch(&opening, kernel, diagnostics);
        if (good && weights)
            checkpoint_note_unused(weights, &kernel->generation.model);
    }
    arena_close(&arena);
    return good && !interrupted();
}

void kernel_unload(struct kernel *kernel) {
    monogen_close(kernel->model);
    kernel->model = NULL;
}

void kernel_close(struct kernel *kernel) {
    kernel_unload(kernel);
    generation_close(&kernel->generation);
    *kernel = (struct kernel){0};
}
