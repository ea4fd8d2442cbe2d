#include "generator/commands/sweep.h"

#include "generator/commands/cache_folder.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/report.h"
#include "runtime/backend/backend.h"
#include "runtime/clock.h"

enum { PROBLEM_BYTES = 512 };

static void use_host(const struct kernel *kernel, struct sweep *sweep) {
    const struct plan_machine *machine = &kernel->generation.plan.machine;
    sweep->model = kernel->model;
    sweep->way_count = 1;
    sweep->ways[0] =
        (struct sweep_way){sweep_device_way_name(SWEEP_PLAIN), (unsigned)machine->workgroups};
    sweep->bytes = (size_t)kernel->generation.plan.weight_bytes;
    sweep->reads_weights = true;
}

static bool open_device(const struct plan_plan *plan, const struct installation *installation,
                        const char *cache, struct sweep *sweep, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    char problem[PROBLEM_BYTES]; // kernel_open has told it
    struct compile_result compiled;
    const char *folder = cache_folder_find(cache, &arena, problem, sizeof problem);
    if (sweep_device_compile(plan, installation, folder, &compiled, diagnostics))
        sweep->device = sweep_device_open(&plan->machine, &compiled.object, SWEEP_DEVICE_MOST_BYTES,
                                          diagnostics);
    compile_result_close(&compiled);
    arena_close(&arena);
    if (!sweep->device)
        return false;
    sweep->bytes = sweep_device_bytes(sweep->device);
    sweep->way_count = SWEEP_DEVICE_WAYS;
    for (int i = 0; i < SWEEP_DEVICE_WAYS; i++)
        sweep->ways[i] =
            (struct sweep_way){sweep_device_way_name(i), sweep_device_workgroups(sweep->device, i)};
    return true;
}

bool sweep_open(const struct kernel *kernel, const struct installation *installation,
                const char *cache, struct sweep *sweep, struct diagnostics *diagnostics) {
    const struct plan_plan *plan = &kernel->generation.plan;
    *sweep = (struct sweep){0};
    if (backend_by_name(plan->machine.backend)->sweep)
        use_host(kernel, sweep);
    else if (sweep_device_exists(&plan->machine, installation))
        return open_device(plan, installation, cache, sweep, diagnostics);
    return true;
}

void sweep_close(struct sweep *sweep) {
    sweep_device_close(sweep->device);
    sweep->device = NULL;
}

static bool run_host(struct monogen *model, struct sweep_speed *speed,
                     struct diagnostics *diagnostics) {
    struct monogen_error error = {0};
    double seconds;
    size_t bytes;
    const double started = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (!monogen_sweep(model, &seconds, &bytes, &error))
        return report_runtime_error(&error, diagnostics);
    const double processor_seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - started;
    *speed = (struct sweep_speed){.gbps = (double)bytes * 1e-9 / seconds,
                                  .processor_gbps = (double)bytes * 1e-9 / processor_seconds};
    return true;
}

static bool run_device(struct sweep_device *device, int way, struct sweep_speed *speed,
                       struct diagnostics *diagnostics) {
    struct swept swept;
    if (!sweep_device_run(device, way, &swept, diagnostics))
        return false;
    *speed = (struct sweep_speed){.gbps = (double)swept.bytes * 1e-9 / swept.seconds};
    return true;
}

bool sweep_run(struct sweep *sweep, int way, struct sweep_speed *speed,
               struct diagnostics *diagnostics) {
    return (sweep->device ? run_device(sweep->device, way, speed, diagnostics)
                          : run_host(sweep->model, speed, diagnostics)) &&
           !interrupted();
}
