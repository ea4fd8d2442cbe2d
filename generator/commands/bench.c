// bench: the speed of a kernel, and of the machine that it runs on, in one run.
#include "generator/base/statistics.h"
#include "generator/commands/checkpoint.h"
#include "generator/commands/commands.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/kernel.h"
#include "generator/commands/measure.h"
#include "generator/commands/report.h"
#include "runtime/backend/backend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONTEXTS = 32, DIGEST_SHOWN = 12 };

// Everything at one context.
struct bench_context {
    uint32_t positions;                            // that the KV cache holds before the first token
    double *us_per_token, *processor_us_per_token; // [repeats]
    struct statistics us, processor_us;
    double kv_bytes, read_gbps;
    double sweep_share_percent, processor_share_percent; // where there is a sweep
    uint32_t launches;
    char text_digest[DIGEST_TEXT_BYTES];
};

struct bench {
    const struct command_line *line;
    struct arena *arena;
    struct kernel *kernel;
    struct diagnostics *diagnostics;
    struct bench_context contexts[MAX_CONTEXTS];
    int context_count;
    uint32_t tokens;
    size_t repeats;
    double *sweep_gbps, *sweep_processor_gbps; // [repeats + 1]
    size_t sweeps;                             // 0: the device has none
    size_t sweep_bytes;
    struct statistics sweep, processor_sweep;
};

// ---- what to measure ----------------------------------------------------------------------------

// Reads "64,1024". False after a usage error.
static bool read_contexts(struct bench *bench, const char *list) {
    const char *at = list;
    for (;;) {
        char *end = NULL;
        errno = 0;
        const long positions = strtol(at, &end, 10);
        if (errno || end == at || (*end && *end != ',') || positions < 0 || positions > 1 << 24)
            return usage_error(bench->diagnostics,
                               "--context %s: must be whole numbers from 0 to %d, with commas "
                               "between",
                               list, 1 << 24);
        if (bench->context_count == MAX_CONTEXTS)
            return usage_error(bench->diagnostics, "--context: at most %d of them", MAX_CONTEXTS);
        bench->contexts[bench->context_count++] =
            (struct bench_context){.positions = (uint32_t)positions};
        if (!*end)
            return true;
        at = end + 1;
    }
}

static uint32_t longest_context(const struct bench *bench) {
    uint32_t longest = 0;
    for (int i = 0; i < bench->context_count; i++)
        if (bench->contexts[i].positions > longest)
            longest = bench->contexts[i].positions;
    return longest;
}

// The kernel with a KV cache just large enough, opened with its weights.
static bool open_kernel(struct bench *bench, const struct installation *installation) {
    struct command_line line = *bench->line;
    const char *weights;
    line.context = (int64_t)longest_context(bench) + bench->tokens;
    return checkpoint_find(installation, line.arguments[0], line.weights, bench->arena, &weights,
                           bench->diagnostics) &&
           kernel_open(&line, installation, weights, bench->kernel, bench->diagnostics);
}

// ---- measuring ----------------------------------------------------------------------------------

static bool run_sweep(struct bench *bench) {
    struct measured_sweep sweep;
    if (!measure_sweep(bench->kernel->model, &sweep, bench->diagnostics))
        return false;
    if (sweep.there) {
        const double gigabytes = (double)sweep.bytes * 1e-9;
        bench->sweep_bytes = sweep.bytes;
        bench->sweep_gbps[bench->sweeps] = gigabytes / sweep.seconds;
        bench->sweep_processor_gbps[bench->sweeps++] = gigabytes / sweep.processor_seconds;
    }
    return true;
}

// repeat -1: the warm-up.
static bool run_context(struct bench *bench, struct bench_context *context, int repeat) {
    const struct measure_request request = {
        .context_positions = context->positions,
        .tokens = bench->tokens,
        .first_token = measure_first_token(&bench->kernel->generation.plan),
        .seed = (uint64_t)bench->line->seed};
    struct measured_launch launch;
    if (!measure_launch(bench->kernel->model, &request, &launch, bench->diagnostics))
        return false;
    if (repeat < 0) {
        memcpy(context->text_digest, launch.text_digest, sizeof context->text_digest);
        context->launches = launch.launches;
        return true;
    }
    context->us_per_token[repeat] = launch.us_per_token;
    context->processor_us_per_token[repeat] = launch.processor_us_per_token;
    return strcmp(context->text_digest, launch.text_digest) == 0 ||
           diagnostic_add(bench->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                          "context %" PRIu32 ": repeat %d generated other tokens than the warm-up: "
                          "the kernel's result depends on chance",
                          context->positions, repeat + 1);
}

// Contexts and sweeps take turns, so that what else the machine does falls on all alike.
static bool measure(struct bench *bench) {
    bool good = measure_prepare(bench->kernel->model, longest_context(bench),
                                (uint64_t)bench->line->seed, bench->diagnostics);
    for (int repeat = -1; good && repeat < (int)bench->repeats; repeat++) {
        if (repeat < 0)
            report_progress("measuring: warm-up ...");
        else
            report_progress("measuring: repeat %d of %zu ...", repeat + 1, bench->repeats);
        good = run_sweep(bench);
        for (int i = 0; good && i < bench->context_count; i++)
            good = run_context(bench, &bench->contexts[i], repeat);
    }
    report_stage_end();
    return good;
}

static double weight_bytes(const struct bench *bench) {
    return (double)bench->kernel->generation.plan.shape.bytes_per_token;
}

static bool uses_processors(const struct bench *bench) {
    return backend_by_name(bench->kernel->generation.plan.machine.backend)->uses_processors;
}

// One processor's time per token is compared with what one processor reads: the sweep's threads and
// the kernel's share the work alike.
static void evaluate(struct bench *bench) {
    if (bench->sweeps > 0) {
        bench->sweep = statistics_of(bench->sweep_gbps, bench->sweeps);
        bench->processor_sweep = statistics_of(bench->sweep_processor_gbps, bench->sweeps);
    }
    for (int i = 0; i < bench->context_count; i++) {
        struct bench_context *context = &bench->contexts[i];
        context->us = statistics_of(context->us_per_token, bench->repeats);
        context->processor_us = statistics_of(context->processor_us_per_token, bench->repeats);
        // The positions that a token sees, its own included, on average.
        const double seen = context->positions + (bench->tokens + 1) / 2.0;
        context->kv_bytes = measure_kv_bytes(&bench->kernel->generation.plan, seen);
        const double bytes = weight_bytes(bench) + context->kv_bytes;
        context->read_gbps = bytes / context->us.median * 1e-3;
        if (bench->sweeps == 0)
            continue;
        context->sweep_share_percent = 100 * context->read_gbps / bench->sweep.most;
        context->processor_share_percent =
            100 * bytes / context->processor_us.median * 1e-3 / bench->processor_sweep.most;
    }
}

// ---- text ---------------------------------------------------------------------------------------

static const char *percent_text(const struct bench *bench, double percent) {
    return bench->sweeps > 0 ? arena_format(bench->arena, "%.1f%%", percent) : "-";
}

static void print_contexts(const struct bench *bench) {
    struct arena *arena = bench->arena;
    printf(
        "context  us/token     min      max  spread  tokens/s  read a token          GB/s  of sweep"
        "  cpu time  text\n");
    for (int i = 0; i < bench->context_count; i++) {
        const struct bench_context *context = &bench->contexts[i];
        const char *bytes = arena_format(arena, "%s + %s", report_bytes(arena, weight_bytes(bench)),
                                         report_bytes(arena, context->kv_bytes));
        printf("%-7" PRIu32 " %9.1f %7.1f %8.1f %6.1f%% %9.2f  %-19s %6.2f  %8s  %8s  %.*s\n",
               context->positions, context->us.median, context->us.least, context->us.most,
               context->us.spread_percent, 1e6 / context->us.median, bytes, context->read_gbps,
               percent_text(bench, context->sweep_share_percent),
               uses_processors(bench) ? percent_text(bench, context->processor_share_percent) : "-",
               DIGEST_SHOWN, context->text_digest);
    }
}

static void print_text(const struct bench *bench) {
    const struct plan_plan *plan = &bench->kernel->generation.plan;
    printf("%s on %s, %d CUs, %s weights (%s), kv %s, engine %s, tuning %s\n", plan->model,
           plan->machine.name, plan->machine.cus, bench->line->weights, plan->shape.weight_dtype,
           plan->shape.kv_dtype, plan->engine.name, plan->tuning);
    printf("%" PRIu32
           " tokens a launch, %zu repeats; a token's time is the launch over its tokens\n",
           bench->tokens, bench->repeats);
    print_contexts(bench);
    if (bench->sweeps > 0)
        printf("sweep    %.2f GB/s, best of %zu (median %.2f, min %.2f): %d threads read the %s of "
               "weights\n",
               bench->sweep.most, bench->sweeps, bench->sweep.median, bench->sweep.least,
               plan->machine.workgroups, report_bytes(bench->arena, (double)bench->sweep_bytes));
    else
        printf("sweep    none: device %s has no bandwidth sweep yet\n", plan->machine.backend);
}

// ---- JSON ---------------------------------------------------------------------------------------

static void set_number(struct arena *arena, struct value *table, const char *name, double number) {
    value_table_set(arena, table, name, value_number(arena, number));
}

static struct value *numbers_value(struct arena *arena, const double *numbers, size_t count) {
    struct value *list = value_list(arena);
    for (size_t i = 0; i < count; i++)
        value_list_add(arena, list, value_number(arena, numbers[i]));
    return list;
}

static struct value *context_value(const struct bench *bench, const struct bench_context *context) {
    struct arena *arena = bench->arena;
    struct value *table = value_table(arena);
    report_set_integer(arena, table, "context_positions", context->positions);
    set_number(arena, table, "us_per_token_median", context->us.median);
    set_number(arena, table, "us_per_token_min", context->us.least);
    set_number(arena, table, "us_per_token_max", context->us.most);
    set_number(arena, table, "spread_percent", context->us.spread_percent);
    value_table_set(arena, table, "us_per_token_repeats",
                    numbers_value(arena, context->us_per_token, bench->repeats));
    value_table_set(arena, table, "processor_us_per_token_median",
                    uses_processors(bench) ? value_number(arena, context->processor_us.median)
                                           : value_nil(arena));
    set_number(arena, table, "tokens_per_second", 1e6 / context->us.median);
    set_number(arena, table, "weights_bytes_per_token", weight_bytes(bench));
    set_number(arena, table, "kv_bytes_per_token", context->kv_bytes);
    set_number(arena, table, "read_gbps", context->read_gbps);
    value_table_set(arena, table, "sweep_share_percent",
                    bench->sweeps > 0 ? value_number(arena, context->sweep_share_percent)
                                      : value_nil(arena));
    value_table_set(arena, table, "processor_share_percent",
                    bench->sweeps > 0 && uses_processors(bench)
                        ? value_number(arena, context->processor_share_percent)
                        : value_nil(arena));
    report_set_integer(arena, table, "launches_per_repeat_count", context->launches);
    report_set_text(arena, table, "text_digest", context->text_digest);
    return table;
}

static struct value *sweep_value(const struct bench *bench) {
    struct arena *arena = bench->arena;
    if (bench->sweeps == 0)
        return value_nil(arena);
    struct value *table = value_table(arena);
    set_number(arena, table, "gbps_best", bench->sweep.most);
    set_number(arena, table, "gbps_median", bench->sweep.median);
    set_number(arena, table, "gbps_min", bench->sweep.least);
    value_table_set(arena, table, "gbps_runs",
                    numbers_value(arena, bench->sweep_gbps, bench->sweeps));
    report_set_integer(arena, table, "read_bytes", (int64_t)bench->sweep_bytes);
    report_set_integer(arena, table, "workgroups_count",
                       bench->kernel->generation.plan.machine.workgroups);
    return table;
}

static void print_json(const struct bench *bench) {
    const struct generation *generation = &bench->kernel->generation;
    const struct plan_plan *plan = &generation->plan;
    struct arena *arena = bench->arena;
    struct value *result = value_table(arena), *contexts = value_list(arena);
    char machine[512];
    backend_by_name(plan->machine.backend)->probe(NULL, machine, sizeof machine);
    report_set_text(arena, result, "model", plan->model);
    report_set_text(arena, result, "target", plan->machine.name);
    report_set_text(arena, result, "device", plan->machine.backend);
    report_set_text(arena, result, "machine", machine);
    report_set_text(arena, result, "compiler", generation->compiled.compiler_version);
    report_set_text(arena, result, "generator", plan->generator);
    report_set_text(arena, result, "plan_digest", generation->plan_digest);
    report_set_text(arena, result, "tuning", plan->tuning);
    report_set_text(arena, result, "engine", plan->engine.name);
    report_set_integer(arena, result, "cus_count", plan->machine.cus);
    report_set_text(arena, result, "weights", bench->line->weights);
    report_set_integer(arena, result, "seed_number", bench->line->seed);
    report_set_text(arena, result, "weight_dtype", plan->shape.weight_dtype);
    report_set_text(arena, result, "kv_dtype", plan->shape.kv_dtype);
    report_set_integer(arena, result, "kv_cache_positions", plan->shape.context);
    report_set_integer(arena, result, "launch_tokens", bench->tokens);
    report_set_integer(arena, result, "repeats_count", (int64_t)bench->repeats);
    value_table_set(arena, result, "sweep", sweep_value(bench));
    for (int i = 0; i < bench->context_count; i++)
        value_list_add(arena, contexts, context_value(bench, &bench->contexts[i]));
    value_table_set(arena, result, "contexts", contexts);
    report_value(result, true);
}

// ---- the command --------------------------------------------------------------------------------

static double *doubles(struct bench *bench, size_t count) {
    return arena_array(bench->arena, count, sizeof(double));
}

static void allocate(struct bench *bench) {
    bench->sweep_gbps = doubles(bench, bench->repeats + 1);
    bench->sweep_processor_gbps = doubles(bench, bench->repeats + 1);
    for (int i = 0; i < bench->context_count; i++) {
        bench->contexts[i].us_per_token = doubles(bench, bench->repeats);
        bench->contexts[i].processor_us_per_token = doubles(bench, bench->repeats);
    }
}

bool bench_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct installation installation;
    struct kernel kernel = {0};
    struct bench bench = {.line = line,
                          .arena = &arena,
                          .kernel = &kernel,
                          .diagnostics = diagnostics,
                          .tokens = (uint32_t)line->max_tokens,
                          .repeats = (size_t)line->repeats};
    bool good = read_contexts(&bench, line->contexts) &&
                installation_find(&arena, &installation, diagnostics) &&
                open_kernel(&bench, &installation);
    if (good) {
        allocate(&bench);
        good = measure(&bench);
    }
    if (good) {
        evaluate(&bench);
        if (line->json)
            print_json(&bench);
        else
            print_text(&bench);
    }
    kernel_close(&kernel);
    arena_close(&arena);
    return good;
}
