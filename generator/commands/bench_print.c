// What bench prints: a table for people, JSON for programs.
#include "generator/commands/bench.h"
#include "generator/commands/report.h"
#include "runtime/backend/backend.h"

#include <inttypes.h>
#include <stdio.h>

enum { DIGEST_SHOWN = 12 };

double bench_weight_bytes(const struct bench *bench) {
    return (double)bench->kernel->generation.plan.shape.bytes_per_token;
}

// What no kernel can do without: all weights, and K and V of all positions.
static double model_bytes(const struct bench *bench) {
    return measure_model_bytes(&bench->kernel->generation.plan);
}

static double cache_bytes(const struct bench *bench) {
    const struct plan_plan *plan = &bench->kernel->generation.plan;
    return measure_kv_bytes(plan, plan->shape.context);
}

// How many times as much device memory the kernel took.
static double memory_ratio(const struct bench *bench) {
    return (double)bench->memory.most_bytes / (model_bytes(bench) + cache_bytes(bench));
}

bool bench_uses_processors(const struct bench *bench) {
    return backend_by_name(bench->kernel->generation.plan.machine.backend)->uses_processors;
}

static bool has_sweep(const struct bench *bench) { return bench->sweep.way_count > 0; }

// ---- text ---------------------------------------------------------------------------------------

static const char *percent_text(const struct bench *bench, double percent) {
    return has_sweep(bench) ? arena_format(bench->arena, "%.1f%%", percent) : "-";
}

// Of processors the time, of a GPU the energy.
static const char *last_column(const struct bench *bench, const struct bench_context *context) {
    if (bench_uses_processors(bench))
        return percent_text(bench, context->processor_share_percent);
    return context->energy.there
               ? arena_format(bench->arena, "%.3f", context->energy.joules_per_token)
               : "-";
}

static void print_contexts(const struct bench *bench) {
    struct arena *arena = bench->arena;
    printf("context  us/token     min      max  spread  tokens/s  read a token          GB/s  of "
           "sweep  %8s  text\n",
           bench_uses_processors(bench) ? "cpu time" : "J/token");
    for (int i = 0; i < bench->context_count; i++) {
        const struct bench_context *context = &bench->contexts[i];
        const char *bytes =
            arena_format(arena, "%s + %s", report_bytes(arena, bench_weight_bytes(bench)),
                         report_bytes(arena, context->kv_bytes));
        printf("%-7" PRIu32 " %9.1f %7.1f %8.1f %6.1f%% %9.2f  %-19s %6.2f  %8s  %8s  %.*s\n",
               context->positions, context->us.median, context->us.least, context->us.most,
               context->us.spread_percent, 1e6 / context->us.median, bytes, context->read_gbps,
               percent_text(bench, context->sweep_share_percent), last_column(bench, context),
               DIGEST_SHOWN, context->text_digest);
    }
}

static const char *sweep_words(const struct bench *bench) {
    const char *bytes = report_bytes(bench->arena, (double)bench->sweep.bytes);
    return bench->sweep.reads_weights
               ? arena_format(bench->arena, "threads read the %s of weights", bytes)
               : arena_format(bench->arena, "workgroups read %s", bytes);
}

static void print_sweeps(const struct bench *bench) {
    const struct sweep *sweep = &bench->sweep;
    for (int way = 0; way < sweep->way_count; way++) {
        const struct statistics *speed = &bench->sweeps[way].speed;
        printf("sweep    %s %.2f GB/s, best of %zu (median %.2f, min %.2f): %u %s\n",
               sweep->ways[way].name, speed->most, bench->sweep_count, speed->median, speed->least,
               sweep->ways[way].workgroups, sweep_words(bench));
    }
    if (!has_sweep(bench))
        printf("sweep    none: there is no template of one for device %s\n",
               bench->kernel->generation.plan.machine.backend);
}

static void print_memory(const struct bench *bench) {
    struct arena *arena = bench->arena;
    printf("memory   %s allocated, %.3f times %s of weights and %s of KV cache\n",
           report_bytes(arena, (double)bench->memory.most_bytes), memory_ratio(bench),
           report_bytes(arena, model_bytes(bench)), report_bytes(arena, cache_bytes(bench)));
}

// "64"; "?" where the peer does not say.
static const char *positions_text(const struct bench *bench, int64_t positions) {
    return positions < 0 ? "?" : arena_format(bench->arena, "%" PRId64, positions);
}

static void print_peers(const struct bench *bench) {
    if (bench->peer_count > 0)
        printf("context  us/token     max  tokens/s  ours is  peer\n");
    for (size_t i = 0; i < bench->peer_count; i++) {
        const struct bench_peer *peer = &bench->peers[i];
        printf(
            "%-7s %9.1f %7.1f %9.2f  %7s  %s\n", positions_text(bench, peer->positions),
            peer->best_us, statistics_of(peer->us_per_token, peer->runs).most, 1e6 / peer->best_us,
            peer->ours ? arena_format(bench->arena, "%.2fx", peer->speed_ratio) : "-", peer->name);
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
    print_sweeps(bench);
    print_memory(bench);
    print_peers(bench);
    if (bench->line->trace)
        traced_print(&bench->traced, bench->line->trace, stdout);
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
                    bench_uses_processors(bench) ? value_number(arena, context->processor_us.median)
                                                 : value_nil(arena));
    set_number(arena, table, "tokens_per_second", 1e6 / context->us.median);
    value_table_set(arena, table, "joules_per_token",
                    context->energy.there ? value_number(arena, context->energy.joules_per_token)
                                          : value_nil(arena));
    set_number(arena, table, "weights_bytes_per_token", bench_weight_bytes(bench));
    set_number(arena, table, "kv_bytes_per_token", context->kv_bytes);
    set_number(arena, table, "read_gbps", context->read_gbps);
    value_table_set(arena, table, "sweep_share_percent",
                    has_sweep(bench) ? value_number(arena, context->sweep_share_percent)
                                     : value_nil(arena));
    value_table_set(arena, table, "processor_share_percent",
                    has_sweep(bench) && bench_uses_processors(bench)
                        ? value_number(arena, context->processor_share_percent)
                        : value_nil(arena));
    report_set_integer(arena, table, "launches_per_repeat_count", context->launches);
    report_set_text(arena, table, "text_digest", context->text_digest);
    return table;
}

static struct value *way_value(const struct bench *bench, int way) {
    struct arena *arena = bench->arena;
    struct value *table = value_table(arena);
    const struct bench_sweep *sweep = &bench->sweeps[way];
    report_set_text(arena, table, "way", bench->sweep.ways[way].name);
    set_number(arena, table, "gbps_best", sweep->speed.most);
    set_number(arena, table, "gbps_median", sweep->speed.median);
    set_number(arena, table, "gbps_min", sweep->speed.least);
    value_table_set(arena, table, "gbps_runs",
                    numbers_value(arena, sweep->gbps, bench->sweep_count));
    report_set_integer(arena, table, "workgroups_count", bench->sweep.ways[way].workgroups);
    return table;
}

// gbps_best is what contexts are compared with.
static struct value *sweep_value(const struct bench *bench) {
    struct arena *arena = bench->arena;
    if (!has_sweep(bench))
        return value_nil(arena);
    struct value *table = value_table(arena), *ways = value_list(arena);
    set_number(arena, table, "gbps_best", bench->sweeps[bench->best_way].speed.most);
    report_set_integer(arena, table, "memory_bytes", (int64_t)bench->sweep.bytes);
    for (int way = 0; way < bench->sweep.way_count; way++)
        value_list_add(arena, ways, way_value(bench, way));
    value_table_set(arena, table, "ways", ways);
    return table;
}

static struct value *memory_value(const struct bench *bench) {
    struct arena *arena = bench->arena;
    struct value *table = value_table(arena);
    report_set_integer(arena, table, "allocated_bytes", (int64_t)bench->memory.bytes);
    report_set_integer(arena, table, "most_allocated_bytes", (int64_t)bench->memory.most_bytes);
    report_set_integer(arena, table, "weights_bytes", (int64_t)model_bytes(bench));
    report_set_integer(arena, table, "kv_bytes", (int64_t)cache_bytes(bench));
    set_number(arena, table, "most_allocated_ratio", memory_ratio(bench));
    return table;
}

static struct value *peer_value(const struct bench *bench, const struct bench_peer *peer) {
    struct arena *arena = bench->arena;
    struct value *table = value_table(arena);
    report_set_text(arena, table, "name", peer->name);
    value_table_set(arena, table, "context_positions",
                    peer->positions < 0 ? value_nil(arena) : value_integer(arena, peer->positions));
    set_number(arena, table, "us_per_token_min", peer->best_us);
    value_table_set(arena, table, "us_per_token_runs",
                    numbers_value(arena, peer->us_per_token, peer->runs));
    set_number(arena, table, "tokens_per_second", 1e6 / peer->best_us);
    value_table_set(arena, table, "compared_with_context_positions",
                    peer->ours ? value_integer(arena, peer->ours->positions) : value_nil(arena));
    value_table_set(arena, table, "speed_ratio",
                    peer->ours ? value_number(arena, peer->speed_ratio) : value_nil(arena));
    return table;
}

static void print_json(const struct bench *bench) {
    const struct generation *generation = &bench->kernel->generation;
    const struct plan_plan *plan = &generation->plan;
    struct arena *arena = bench->arena;
    struct value *result = value_table(arena), *contexts = value_list(arena);
    struct value *peers = value_list(arena);
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
    value_table_set(arena, result, "memory", memory_value(bench));
    for (int i = 0; i < bench->context_count; i++)
        value_list_add(arena, contexts, context_value(bench, &bench->contexts[i]));
    value_table_set(arena, result, "contexts", contexts);
    for (size_t i = 0; i < bench->peer_count; i++)
        value_list_add(arena, peers, peer_value(bench, &bench->peers[i]));
    value_table_set(arena, result, "peers", peers);
    value_table_set(arena, result, "trace",
                    bench->line->trace
                        ? trace_summary_value(&bench->traced.trace, &bench->traced.path, arena)
                        : value_nil(arena));
    report_value(result, true);
}

void bench_print(const struct bench *bench, bool json) {
    if (json)
        print_json(bench);
    else
        print_text(bench);
}
