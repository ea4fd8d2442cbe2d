// bench: the speed of a kernel, and of the machine that it runs on, in one run.
#include "generator/commands/bench.h"
#include "generator/commands/checkpoint.h"
#include "generator/commands/commands.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/measure.h"
#include "generator/commands/peer.h"
#include "generator/commands/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
        if (bench->context_count == BENCH_MAX_CONTEXTS)
            return usage_error(bench->diagnostics, "--context: at most %d of them",
                               BENCH_MAX_CONTEXTS);
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

static bool run_sweeps(struct bench *bench) {
    for (int way = 0; way < bench->sweep.way_count; way++) {
        struct sweep_speed speed;
        if (!sweep_run(&bench->sweep, way, &speed, bench->diagnostics))
            return false;
        bench->sweeps[way].gbps[bench->sweep_count] = speed.gbps;
        bench->sweeps[way].processor_gbps[bench->sweep_count] = speed.processor_gbps;
    }
    bench->sweep_count++;
    return true;
}

static struct measure_request request_of(const struct bench *bench,
                                         const struct bench_context *context) {
    return (struct measure_request){.context_positions = context->positions,
                                    .tokens = bench->tokens,
                                    .first_token =
                                        measure_first_token(&bench->kernel->generation.plan),
                                    .seed = (uint64_t)bench->line->seed};
}

// repeat -1: the warm-up.
static bool run_context(struct bench *bench, struct bench_context *context, int repeat) {
    const struct measure_request request = request_of(bench, context);
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

// The counter of energy lags by up to a tenth of a second: a twentieth of this time.
static const double ENERGY_SECONDS = 2;

static bool run_energy(struct bench *bench) {
    bool good = true;
    report_progress("measuring: energy ...");
    for (int i = 0; good && i < bench->context_count; i++) {
        const struct measure_request request = request_of(bench, &bench->contexts[i]);
        good = measure_energy(bench->kernel->model, &request, ENERGY_SECONDS,
                              &bench->contexts[i].energy, bench->diagnostics);
    }
    return good;
}

// One launch more, at the first context, whose last token is traced.
static bool run_traced(struct bench *bench) {
    const struct measure_request request = request_of(bench, &bench->contexts[0]);
    struct measured_launch launch;
    return !bench->line->trace ||
           (measure_launch(bench->kernel->model, &request, &launch, bench->diagnostics) &&
            traced_take(bench->kernel, bench->arena, &bench->traced, bench->diagnostics));
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
        good = run_sweeps(bench);
        for (int i = 0; good && i < bench->context_count; i++)
            good = run_context(bench, &bench->contexts[i], repeat);
    }
    good = good && run_energy(bench) && run_traced(bench);
    report_stage_end();
    return good;
}

static void evaluate_sweeps(struct bench *bench) {
    for (int way = 0; way < bench->sweep.way_count; way++) {
        struct bench_sweep *sweep = &bench->sweeps[way];
        sweep->speed = statistics_of(sweep->gbps, bench->sweep_count);
        sweep->processor_speed = statistics_of(sweep->processor_gbps, bench->sweep_count);
        if (sweep->speed.most > bench->sweeps[bench->best_way].speed.most)
            bench->best_way = way;
    }
}

// One processor's time per token is compared with what one processor reads: the sweep's threads and
// the kernel's share the work alike.
static void evaluate(struct bench *bench) {
    const struct bench_sweep *best = &bench->sweeps[bench->best_way];
    for (int i = 0; i < bench->context_count; i++) {
        struct bench_context *context = &bench->contexts[i];
        context->us = statistics_of(context->us_per_token, bench->repeats);
        context->processor_us = statistics_of(context->processor_us_per_token, bench->repeats);
        // The positions that a token sees, its own included, on average.
        const double seen = context->positions + (bench->tokens + 1) / 2.0;
        context->kv_bytes = measure_kv_bytes(&bench->kernel->generation.plan, seen);
        const double bytes = bench_weight_bytes(bench) + context->kv_bytes;
        context->read_gbps = bytes / context->us.median * 1e-3;
        if (bench->sweep.way_count > 0)
            context->sweep_share_percent = 100 * context->read_gbps / best->speed.most;
        if (bench->sweep.way_count > 0 && bench_uses_processors(bench))
            context->processor_share_percent =
                100 * bytes / context->processor_us.median * 1e-3 / best->processor_speed.most;
    }
}

// ---- the peer -----------------------------------------------------------------------------------

static struct bench_peer *peer_row(struct bench *bench, const struct peer_figure *figure) {
    for (size_t i = 0; i < bench->peer_count; i++)
        if (bench->peers[i].positions == figure->positions &&
            strcmp(bench->peers[i].name, figure->name) == 0)
            return &bench->peers[i];
    bench->peers = arena_grow(bench->arena, bench->peers, bench->peer_count, sizeof *bench->peers);
    bench->peers[bench->peer_count] =
        (struct bench_peer){.name = figure->name, .positions = figure->positions};
    return &bench->peers[bench->peer_count++];
}

// Runs the peer, if there is one, for the run-th time (from 1). It has the device for itself: the
// kernel is not open.
static bool run_peer(struct bench *bench, const char *when, int run) {
    const struct command_line *line = bench->line;
    const struct peer_request request = {line->peer, line->arguments[0], line->contexts,
                                         bench->tokens};
    struct peer_figures figures;
    if (!line->peer)
        return true;
    report_progress("measuring: the peer, %s ...", when);
    const bool good = peer_run(&request, bench->arena, &figures, bench->diagnostics);
    report_stage_end();
    for (size_t i = 0; good && i < figures.count; i++) {
        struct bench_peer *row = peer_row(bench, &figures.items[i]);
        if (row->newest_run != run) // of figures told twice in a run the first one
            row->us_per_token[row->runs++] = figures.items[i].us_per_token;
        row->newest_run = run;
    }
    return good;
}

// A peer counts with its best run, so that chance does not speak for us.
static void evaluate_peers(struct bench *bench) {
    for (size_t i = 0; i < bench->peer_count; i++) {
        struct bench_peer *peer = &bench->peers[i];
        peer->best_us = statistics_of(peer->us_per_token, peer->runs).least;
        for (int k = bench->context_count - 1; k >= 0; k--)
            if (peer->positions < 0 || bench->contexts[k].positions == peer->positions)
                peer->ours = &bench->contexts[k];
        if (peer->ours)
            peer->speed_ratio = peer->best_us / peer->ours->us.median;
    }
}

// ---- the command --------------------------------------------------------------------------------

static double *doubles(struct bench *bench, size_t count) {
    return arena_array(bench->arena, count, sizeof(double));
}

static void allocate(struct bench *bench) {
    for (int way = 0; way < bench->sweep.way_count; way++)
        bench->sweeps[way] =
            (struct bench_sweep){.gbps = doubles(bench, bench->repeats + 1),
                                 .processor_gbps = doubles(bench, bench->repeats + 1)};
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
                run_peer(&bench, "before", 1) && open_kernel(&bench, &installation) &&
                sweep_open(&kernel, &installation, line->cache, &bench.sweep, diagnostics);
    if (good) {
        allocate(&bench);
        good = measure(&bench);
    }
    if (good)
        bench.memory = monogen_memory(kernel.model);
    sweep_close(&bench.sweep);
    kernel_unload(&kernel);
    good = good && run_peer(&bench, "after", 2) &&
           (!line->trace || traced_write(&bench.traced, line->trace, diagnostics));
    if (good) {
        evaluate_sweeps(&bench);
        evaluate(&bench);
        evaluate_peers(&bench);
        bench_print(&bench, line->json);
    }
    kernel_close(&kernel);
    arena_close(&arena);
    return good;
}
