#include "generator/commands/sweep_device.h"

#include "generator/base/file.h"
#include "generator/commands/report.h"
#include "generator/compile/scratch.h"
#include "runtime/backend/backend.h"
#include "runtime/clock.h"
#include "runtime/random_weights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// The launch and its end take some 10 us: below a part in 500 of the time that so many bytes take.
#define LAUNCH_BYTES ((uint64_t)16 << 30)
enum { FILL_BYTES = 16 << 20 };
static const char object_name[] = "sweep.object";

// How each way is launched. 2048 threads fill a CU.
static const struct way {
    const char *name, *symbol, *threads_field,
        *workgroups_field; // fields of the template's `plan.sweep`
    unsigned threads, workgroups_per_cu;
    bool all_lds;
} ways[SWEEP_DEVICE_WAYS] = {
    [SWEEP_PLAIN] = {"plain loads", "sweep_plain", "plain_threads", "plain_workgroups_per_cu", 1024,
                     2, false},
    [SWEEP_BULK] = {"bulk copies", "sweep_bulk", "bulk_threads", "bulk_workgroups_per_cu", 32, 1,
                    true},
};

// As the template has them.
struct sweep_arguments {
    uint64_t memory, result, bytes;
    uint32_t passes, unused;
};
struct sweep_result {
    uint64_t bytes;
    uint32_t check, unused;
};

// ---- the object ---------------------------------------------------------------------------------

static const char *template_name(struct arena *arena, const struct plan_machine *machine) {
    return arena_format(arena, "sweep/%s.hip", machine->prelude);
}

bool sweep_device_exists(const struct plan_machine *machine,
                         const struct installation *installation) {
    struct arena arena = {0};
    const bool exists = file_exists(
        arena_format(&arena, "%s/%s", installation->templates, template_name(&arena, machine)));
    arena_close(&arena);
    return exists;
}

static struct value *template_value(struct arena *arena, const struct plan_plan *plan) {
    struct value *value = plan_to_value(arena, plan), *sweep = value_table(arena);
    for (int i = 0; i < SWEEP_DEVICE_WAYS; i++) {
        value_table_set(arena, sweep, ways[i].threads_field, value_integer(arena, ways[i].threads));
        value_table_set(arena, sweep, ways[i].workgroups_field,
                        value_integer(arena, ways[i].workgroups_per_cu));
    }
    value_table_set(arena, value, "sweep", sweep);
    return value;
}

bool sweep_device_compile(const struct plan_plan *plan, const struct installation *installation,
                          const char *cache_folder, struct compile_result *compiled,
                          struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct text source = {0};
    struct line_map map = {0};
    const struct plan_machine *machine = &plan->machine;
    *compiled = (struct compile_result){0};
    struct script *script = script_open(script_default_limits(), diagnostics);
    bool good = script && render(script, installation->templates, template_name(&arena, machine),
                                 template_value(&arena, plan), &arena, &source, &map, diagnostics);
    script_close(script);
    if (good) {
        const struct compile_request request = {.compiler = machine->compiler,
                                                .isa = machine->isa,
                                                .source_name = "sweep.hip",
                                                .source = source.bytes,
                                                .kernel = ways[SWEEP_PLAIN].symbol};
        good = compile_source(&request, cache_folder, NULL, &map, compiled, diagnostics);
    }
    text_close(&source);
    arena_close(&arena);
    return good;
}

// ---- the devices --------------------------------------------------------------------------------

// A backend's device is one kernel, so there is one for each way; a memory of one is there for all,
// as they are on one GPU in one process.
struct sweep_device {
    const struct backend *backend;
    struct device *devices[SWEEP_DEVICE_WAYS];
    struct manifest manifests[SWEEP_DEVICE_WAYS];
    struct device_memory memory, result; // of the first device
};

static struct manifest manifest_of(const struct plan_machine *machine, const struct way *way) {
    const uint32_t cus = (uint32_t)machine->cus;
    return (struct manifest){
        .target = {.name = machine->name,
                   .backend = machine->backend,
                   .isa = machine->isa,
                   .cus = cus,
                   .xcds = (uint32_t)machine->xcds_count},
        .kernel = {.object = object_name,
                   .symbol = way->symbol,
                   .workgroups = cus * way->workgroups_per_cu,
                   .threads_per_workgroup = way->threads,
                   .lds_bytes = way->all_lds ? (size_t)machine->lds_capacity_bytes : 0,
                   .argument_block_bytes = sizeof(struct sweep_arguments)},
    };
}

static bool load(struct sweep_device *sweep, const struct text *object,
                 struct diagnostics *diagnostics) {
    char folder[SCRATCH_PATH_BYTES];
    struct arena arena = {0};
    struct monogen_error error = {0};
    if (!scratch_make(NULL, "monogen-sweep-", folder))
        return environment_error(diagnostics, "cannot make a temporary folder");
    bool good = file_write(arena_format(&arena, "%s/%s", folder, object_name), object->bytes,
                           object->length, diagnostics);
    for (int i = 0; good && i < SWEEP_DEVICE_WAYS; i++) {
        sweep->devices[i] = sweep->backend->open(&sweep->manifests[i], folder, 0, &error);
        good = sweep->devices[i] || report_runtime_error(&error, diagnostics);
    }
    scratch_remove(folder); // an opened kernel needs no files
    arena_close(&arena);
    return good;
}

static bool allocate(struct sweep_device *sweep, size_t bytes, struct diagnostics *diagnostics) {
    struct monogen_error error = {0};
    struct device *device = sweep->devices[0];
    const struct backend *backend = sweep->backend;
    while (!backend->allocate(device, bytes, MEMORY_STREAMED, &sweep->memory, &error)) {
        sweep->memory = (struct device_memory){0};
        if (bytes / 2 < SWEEP_DEVICE_LEAST_BYTES)
            return report_runtime_error(&error, diagnostics);
        bytes /= 2;
    }
    return backend->allocate(device, sizeof(struct sweep_result), MEMORY_DEVICE, &sweep->result,
                             &error) ||
           report_runtime_error(&error, diagnostics);
}

// Numbers like those of weights: what memory is full of zeros moves with less power.
static bool fill(struct sweep_device *sweep, struct diagnostics *diagnostics) {
    const size_t bytes = sweep->memory.bytes, piece_bytes = bytes < FILL_BYTES ? bytes : FILL_BYTES;
    struct arena arena = {0};
    struct monogen_error error = {0};
    void *piece = arena_alloc(&arena, piece_bytes);
    random_weights_fill(random_weights_key(0, "sweep"), 1, WEIGHT_BF16, 0,
                        piece_bytes / weight_dtype_bytes(WEIGHT_BF16), piece);
    bool good = true;
    for (size_t at = 0; good && at < bytes; at += piece_bytes)
        good = sweep->backend->upload(sweep->devices[0], &sweep->memory, at, piece, piece_bytes,
                                      &error) ||
               report_runtime_error(&error, diagnostics);
    arena_close(&arena);
    return good;
}

struct sweep_device *sweep_device_open(const struct plan_machine *machine,
                                       const struct text *object, size_t most_bytes,
                                       struct diagnostics *diagnostics) {
    struct sweep_device *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        memory_exhausted(sizeof *sweep);
    sweep->backend = backend_by_name(machine->backend);
    for (int i = 0; i < SWEEP_DEVICE_WAYS; i++)
        sweep->manifests[i] = manifest_of(machine, &ways[i]);
    if (load(sweep, object, diagnostics) && allocate(sweep, most_bytes, diagnostics) &&
        fill(sweep, diagnostics))
        return sweep;
    sweep_device_close(sweep);
    return NULL;
}

void sweep_device_close(struct sweep_device *sweep) {
    if (!sweep)
        return;
    if (sweep->memory.bytes)
        sweep->backend->release(sweep->devices[0], &sweep->memory);
    if (sweep->result.bytes)
        sweep->backend->release(sweep->devices[0], &sweep->result);
    for (int i = 0; i < SWEEP_DEVICE_WAYS; i++)
        sweep->backend->close(sweep->devices[i]);
    free(sweep);
}

// ---- measuring ----------------------------------------------------------------------------------

// From the launch to its end. The kernel bounds its own waits.
static bool launch(const struct sweep_device *sweep, int way, uint32_t passes, double *seconds,
                   struct monogen_error *error) {
    const struct sweep_arguments arguments = {.memory = sweep->memory.device_address,
                                              .result = sweep->result.device_address,
                                              .bytes = sweep->memory.bytes,
                                              .passes = passes};
    struct device *device = sweep->devices[way];
    enum launch_state state = LAUNCH_RUNNING;
    const double start = clock_seconds(CLOCK_MONOTONIC);
    if (!sweep->backend->launch(device, &arguments, sizeof arguments, error))
        return false;
    while (state == LAUNCH_RUNNING)
        state = sweep->backend->poll(device, error);
    *seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    return state == LAUNCH_DONE;
}

bool sweep_device_run(struct sweep_device *sweep, int way, struct swept *swept,
                      struct diagnostics *diagnostics) {
    const struct backend *backend = sweep->backend;
    struct monogen_error error = {0};
    struct sweep_result result = {0};
    const uint64_t bytes = sweep->memory.bytes, passes = (LAUNCH_BYTES + bytes - 1) / bytes;
    if (!backend->zero(sweep->devices[0], &sweep->result, &error) ||
        !launch(sweep, way, (uint32_t)passes, &swept->seconds, &error) ||
        !backend->download(sweep->devices[0], &result, &sweep->result, 0, sizeof result, &error))
        return report_runtime_error(&error, diagnostics);
    swept->bytes = result.bytes;
    swept->check = result.check;
    return result.bytes == bytes * passes ||
           environment_error(diagnostics,
                             "the sweep with %s read %" PRIu64 " of %" PRIu64
                             " bytes: its time means nothing",
                             ways[way].name, result.bytes, bytes * passes);
}

const char *sweep_device_way_name(int way) { return ways[way].name; }

unsigned sweep_device_workgroups(const struct sweep_device *sweep, int way) {
    return sweep->manifests[way].kernel.workgroups;
}

size_t sweep_device_bytes(const struct sweep_device *sweep) { return sweep->memory.bytes; }
