#include "generator/commands/kernel.h"

#include "generator/base/file.h"
#include "generator/commands/cache_folder.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/report.h"
#include "generator/commands/request.h"
#include "generator/compile/scratch.h"
#include "generator/model/names.h"
#include "runtime/backend/backend.h"

#include <string.h>

enum { DIGEST_SHOWN = 16, PROBLEM_BYTES = 512 };

// ---- device and target --------------------------------------------------------------------------

const char *kernel_device(const char *wanted, struct diagnostics *diagnostics) {
    char line[512];
    const bool automatic = strcmp(wanted, "auto") == 0;
    const struct backend *backend = automatic ? &backend_hip : backend_by_name(wanted);
    if (backend && backend->probe(NULL, line, sizeof line))
        return backend->name;
    if (automatic)
        return backend_host.name;
    // Before anything is compiled for it.
    environment_error(diagnostics, "device %s cannot be used: %s", wanted,
                      backend ? line : "there is no such device");
    return NULL;
}

const char *kernel_target(const struct installation *installation, const char *device,
                          struct arena *arena, struct diagnostics *diagnostics) {
    struct script *script = script_open(script_default_limits(), diagnostics);
    if (!script)
        return NULL;
    const char *folder = arena_format(arena, "%s/targets", installation->specs), *found = NULL;
    size_t count = 0;
    const char *const *names = names_in(arena, folder, &count);
    struct override_list none = {0};
    bool readable = true;
    for (size_t i = 0; i < count && !found && readable; i++) {
        struct target target = {0};
        readable =
            target_load(script, installation->specs, names[i], &none, arena, &target, diagnostics);
        if (readable && strcmp(target.backend, device) == 0)
            found = names[i];
    }
    script_close(script);
    if (!found && readable)
        environment_error(diagnostics, "no target under %s is for device %s", folder, device);
    return found;
}

// ---- the folder that the runtime opens ----------------------------------------------------------

static bool file_equals(const char *folder, const char *name, const struct text *text) {
    struct arena arena = {0};
    struct diagnostics quiet = {0};
    size_t length = 0;
    const char *bytes = file_read(&arena, arena_format(&arena, "%s/%s", folder, name), text->length,
                                  &length, &quiet);
    const bool equal = bytes && length == text->length && memcmp(bytes, text->bytes, length) == 0;
    diagnostics_close(&quiet);
    arena_close(&arena);
    return equal;
}

// What is there is used only if it is byte for byte what was generated.
static bool is_complete(const struct generation *generation, const char *folder) {
    return file_equals(folder, "7-manifest.json", &generation->manifest) &&
           file_equals(folder, generation->object_name, &generation->compiled.object);
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

static bool open_model(const char *folder, const char *weights, uint64_t seed,
                       struct kernel *kernel, struct diagnostics *diagnostics) {
    struct monogen_error error = {0};
    const struct monogen_options options = {
        .kernel_folder = folder, .weights_folder = weights, .random_seed = seed};
    kernel->model = monogen_open(&options, &error);
    return kernel->model || report_runtime_error(&error, diagnostics);
}

// Opens the kernel from a folder that is gone afterwards: an opened kernel needs no files.
static bool open_from_scratch(const char *weights, uint64_t seed, struct kernel *kernel,
                              struct diagnostics *diagnostics) {
    char folder[SCRATCH_PATH_BYTES];
    if (!scratch_make(NULL, "monogen-kernel-", folder))
        return environment_error(diagnostics, "cannot make a temporary folder");
    const bool opened = generation_write(&kernel->generation, folder, diagnostics) &&
                        open_model(folder, weights, seed, kernel, diagnostics);
    scratch_remove(folder);
    return opened;
}

bool kernel_open(const struct command_line *line, const struct installation *installation,
                 const char *weights, struct kernel *kernel, struct diagnostics *diagnostics) {
    struct generation_request request;
    struct arena arena = {0};
    char problem[PROBLEM_BYTES] = "";
    const char *device = kernel_device(line->device, diagnostics), *folder = NULL;
    const char *target = device ? kernel_target(installation, device, &arena, diagnostics) : NULL;
    bool good = target && request_make(line, installation, target, &arena, &request, diagnostics);
    if (good) {
        request.cache_folder = cache_folder_find(line->cache, &arena, problem, sizeof problem);
        good = request_run(&request, installation, &kernel->generation, diagnostics);
    }
    if (good) {
        if (request.cache_folder)
            folder = place_in_cache(&kernel->generation, request.cache_folder, &arena, problem);
        if (problem[0])
            report_note("%s; the kernel is not kept for the next time", problem);
        const uint64_t seed = (uint64_t)line->seed;
        good = folder ? open_model(folder, weights, seed, kernel, diagnostics)
                      : open_from_scratch(weights, seed, kernel, diagnostics);
    }
    arena_close(&arena);
    return good && !interrupted();
}

void kernel_close(struct kernel *kernel) {
    monogen_close(kernel->model);
    generation_close(&kernel->generation);
    *kernel = (struct kernel){0};
}
