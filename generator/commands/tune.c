// tune: measures the points of a space on this machine and keeps the fastest in a signed file.
#include "generator/base/file.h"
#include "generator/commands/cache_folder.h"
#include "generator/commands/commands.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/kernel.h"
#include "generator/commands/measure.h"
#include "generator/commands/report.h"
#include "generator/commands/tuned.h"
#include "generator/compile/scratch.h"
#include "generator/model/names.h"
#include "generator/tune/search.h"
#include "generator/tune/tuning_file.h"
#include "runtime/backend/backend.h"
#include "runtime/clock.h"
#include "runtime/processors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM_UP_TOKENS = 4, MOST_LAUNCHES = 64 };

// A measurement of a small model goes on until it has taken so long.
static const double MEASUREMENT_SECONDS = 0.1;

struct tune {
    const struct command_line *line;
    struct installation installation;
    struct arena *arena;
    struct diagnostics *diagnostics;
    const char *device, *cache_folder; // the folder of compiled kernels
    char scratch[SCRATCH_PATH_BYTES];  // in its place without a cache; "": none was made
    struct measure_request request;
    struct tune_space space;
    struct tune_result *results; // [point_count]
    int best, round;             // round: that progress was told of
    // What the kernel of the planner's own choice tells of all.
    struct signature signature;
    const char *model, *target, *kv_dtype;
    char text_digest[DIGEST_TEXT_BYTES];
};

// ---- what to search -----------------------------------------------------------------------------

// "90", "90s", "5m" or "1h" to seconds; 0 where there is no budget. False after a usage error.
static bool read_budget(const struct tune *tune, double *seconds) {
    const char *budget = tune->line->budget;
    *seconds = 0;
    if (!budget)
        return true;
    char *end = NULL;
    const double number = strtod(budget, &end);
    const double unit = strcmp(end, "h") == 0 ? 3600 : strcmp(end, "m") == 0 ? 60 : 1;
    if (end == budget || !(number > 0 && number < 1e6) || (*end && !strchr("smh", *end)) ||
        (*end && end[1]))
        return usage_error(tune->diagnostics, "--budget %s: must be a time such as 90s, 5m or 1h",
                           budget);
    *seconds = number * unit;
    return true;
}

// A tuning key that is to be found must not be given.
static bool check_set(const struct tune *tune) {
    for (int i = 0; i < tune->line->set.count; i++) {
        struct override item = tune->line->set.items[i];
        struct override_list one = {&item, 1};
        struct tuning tuning = {0};
        if (!tuning_take(&tuning, &one, tune->arena, tune->diagnostics))
            return false;
        if (item.used && !tuning.kv)
            return usage_error(tune->diagnostics, "--set %s=%s: tune sets tuning keys itself",
                               item.key, item.value);
    }
    return true;
}

// The space of the device's target.
static bool open_space(struct tune *tune) {
    struct kernel_place place;
    if (!kernel_place(&tune->installation, tune->line->device, tune->arena, &place,
                      tune->diagnostics))
        return false;
    tune->device = place.device;
    if (!backend_by_name(tune->device)->uses_processors)
        return usage_error(tune->diagnostics, "tune cannot measure on device %s yet: --device host",
                           tune->device);
    struct script *script = script_open(script_default_limits(), tune->diagnostics);
    struct override_list set = {0};
    struct target target = {0};
    const bool loaded = script && target_load(script, tune->installation.specs, place.target, &set,
                                              tune->arena, &target, tune->diagnostics);
    script_close(script);
    if (loaded)
        tune->space = tune_space_of(&target, processors_count(), tune->arena);
    return loaded;
}

// Where kernels are kept from round to round.
static bool open_cache(struct tune *tune) {
    char problem[512];
    tune->cache_folder = cache_folder_find(tune->line->cache, tune->arena, problem, sizeof problem);
    if (tune->cache_folder && !problem[0])
        return true;
    if (!tune->line->output) {
        usage_error(tune->diagnostics, "there is no cache folder to keep the result in%s%s",
                    problem[0] ? ": " : "", problem);
        return diagnostic_note(tune->diagnostics, "-o FILE names another place");
    }
    if (!scratch_make(NULL, "monogen-tune-", tune->scratch))
        return environment_error(tune->diagnostics, "cannot make a temporary folder");
    tune->cache_folder = tune->scratch;
    return true;
}

// ---- measuring ----------------------------------------------------------------------------------

// The command line of run that would make the point's kernel.
static struct command_line line_of(const struct tune *tune, const struct tune_point *point) {
    struct command_line line = *tune->line;
    struct override_list set = {0};
    set.items = arena_array(tune->arena, (size_t)(line.set.count + point->key_count) + 1,
                            sizeof *set.items);
    for (int i = 0; i < line.set.count; i++)
        set.items[set.count++] = line.set.items[i];
    for (int i = 0; i < point->key_count; i++)
        set.items[set.count++] = (struct override){
            .key = point->keys[i], .value = arena_format(tune->arena, "%d", point->values[i])};
    line.set = set;
    line.context = (int64_t)tune->request.context_positions + tune->request.tokens;
    line.cache = tune->cache_folder;
    line.no_tuning = true;
    return line;
}

// What holds for all points.
static bool learn(struct tune *tune, const struct generation *generation,
                  const struct measured_launch *launch) {
    tune->model = arena_string(tune->arena, generation->plan.model);
    tune->target = arena_string(tune->arena, generation->plan.machine.name);
    tune->kv_dtype = arena_string(tune->arena, generation->plan.shape.kv_dtype);
    memcpy(tune->text_digest, launch->text_digest, sizeof tune->text_digest);
    return signature_make(&generation->model, &generation->target, tune->installation.templates,
                          NULL, tune->arena, &tune->signature, tune->diagnostics);
}

static bool measure_kernel(struct tune *tune, struct kernel *kernel, struct measured_launch *launch,
                           struct diagnostics *diagnostics) {
    struct measure_request request = tune->request;
    request.first_token = measure_first_token(&kernel->generation.plan);
    struct measure_request warm_up = request;
    if (warm_up.tokens > WARM_UP_TOKENS)
        warm_up.tokens = WARM_UP_TOKENS;
    if (!measure_prepare(kernel->model, request.context_positions, request.seed, diagnostics) ||
        !measure_launch(kernel->model, &warm_up, launch, diagnostics))
        return false;
    double us[MOST_LAUNCHES], spent_seconds = 0;
    size_t launches = 0;
    while (launches == 0 || (launches < MOST_LAUNCHES && spent_seconds < MEASUREMENT_SECONDS)) {
        if (!measure_launch(kernel->model, &request, launch, diagnostics))
            return false;
        us[launches++] = launch->us_per_token;
        spent_seconds += launch->us_per_token * request.tokens * 1e-6;
    }
    launch->us_per_token = statistics_of(us, launches).median;
    return true;
}

// Of tune_search. What is wrong with the planner's own choice is wrong with the request; another
// point that cannot be made is only left out.
static enum tune_outcome measure_point(void *context, int point, double *us_per_token,
                                       const char **why) {
    struct tune *tune = context;
    struct diagnostics trial = {0};
    struct diagnostics *diagnostics = point == 0 ? tune->diagnostics : &trial;
    struct kernel kernel = {0};
    struct measured_launch launch = {0};
    const struct command_line line = line_of(tune, &tune->space.points[point]);
    bool measured = kernel_open(&line, &tune->installation, NULL, &kernel, diagnostics) &&
                    measure_kernel(tune, &kernel, &launch, diagnostics);
    *us_per_token = launch.us_per_token;
    if (measured && point == 0 && !tune->model)
        measured = learn(tune, &kernel.generation, &launch);
    if (measured && strcmp(launch.text_digest, tune->text_digest) != 0)
        measured = diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){0},
                                  "it generates other tokens than the planner's choice");
    kernel_close(&kernel);
    if (!measured && trial.count > 0)
        *why = arena_string(tune->arena, trial.items[0].message);
    diagnostics_close(&trial);
    if (interrupted() || (!measured && point == 0))
        return TUNE_STOP;
    return measured ? TUNE_MEASURED : TUNE_IMPOSSIBLE;
}

static double seconds_now(void *context) {
    (void)context;
    return clock_seconds(CLOCK_MONOTONIC);
}

// Of tune_search: on a terminal what is measured now, elsewhere a line a round.
static void show_progress(void *context, int round, int point, const struct tune_result *results,
                          int best) {
    struct tune *tune = context;
    const int64_t rounds = tune->line->repeats;
    const char *name = tune_point_text(tune->arena, &tune->space.points[point]);
    const char *leader = best < 0
                             ? "none yet"
                             : arena_format(tune->arena, "%s, %.1f us a token",
                                            tune_point_text(tune->arena, &tune->space.points[best]),
                                            results[best].us.median);
    if (!isatty(STDERR_FILENO) && round != tune->round)
        fprintf(stderr, "tune: %d of %" PRId64 " rounds, best so far: %s\n", round, rounds, leader);
    tune->round = round;
    report_progress("tune: round %d of %" PRId64 ", %s; best so far: %s", round + 1, rounds, name,
                    leader);
}

static bool search(struct tune *tune) {
    struct tune_search search = {.point_count = tune->space.point_count,
                                 .rounds = (int)tune->line->repeats,
                                 .context = tune,
                                 .measure = measure_point,
                                 .seconds_now = seconds_now,
                                 .progress = show_progress};
    if (!read_budget(tune, &search.budget_seconds))
        return false;
    tune->results = arena_array(tune->arena, (size_t)search.point_count, sizeof *tune->results);
    const bool found = tune_search_run(&search, tune->arena, tune->results, &tune->best);
    report_stage_end();
    return found;
}

// ---- the result ---------------------------------------------------------------------------------

static struct tuning_file file_of(const struct tune *tune) {
    const struct tune_result *best = &tune->results[tune->best];
    return (struct tuning_file){
        .model = tune->model,
        .target = tune->target,
        .point = tune->space.points[tune->best],
        .signature = tune->signature,
        .us_per_token_median = best->us.median,
        .us_per_token_min = best->us.least,
        .us_per_token_max = best->us.most,
        .planner_us_per_token_median = tune->results[0].us.median,
        .points_count = tune->space.point_count,
        .rounds_count = best->measured,
        .context_positions = (int)tune->request.context_positions,
        .launch_tokens = (int)tune->request.tokens,
        .kv_dtype = tune->kv_dtype,
        .text_digest = tune->text_digest,
    };
}

// Where the result goes: -o names a file, or a folder for a file of the usual name.
static const char *result_path(const struct tune *tune) {
    if (!name_is_plain(tune->model) || !name_is_plain(tune->target))
        return NULL;
    const char *output = tune->line->output;
    if (!output)
        return tuned_path(tune->arena, tune->cache_folder, tune->model, tune->target);
    return folder_exists(output)
               ? arena_format(tune->arena, "%s/%s-%s.lua", output, tune->model, tune->target)
               : output;
}

static bool write_result(const struct tune *tune, const char **path) {
    struct text text = {0};
    const struct tuning_file file = file_of(tune);
    *path = result_path(tune);
    if (!*path)
        return usage_error(tune->diagnostics, "\"%.64s\" for \"%.64s\" names no file", tune->model,
                           tune->target);
    tuning_file_print(&file, &text);
    const char *slash = strrchr(*path, '/');
    const char *folder = slash ? arena_bytes(tune->arena, *path, (size_t)(slash - *path)) : ".";
    const bool written = folder_make(*folder ? folder : "/", tune->diagnostics) &&
                         file_write(*path, text.bytes, text.length, tune->diagnostics);
    text_close(&text);
    return written;
}

static const struct tune_result *sorted_results;

static int by_median(const void *a, const void *b) {
    const struct tune_result *x = &sorted_results[*(const int *)a],
                             *y = &sorted_results[*(const int *)b];
    const double left = x->measured && !x->impossible ? x->us.median : 1e300;
    const double right = y->measured && !y->impossible ? y->us.median : 1e300;
    if (left != right)
        return left < right ? -1 : 1;
    return *(const int *)a - *(const int *)b;
}

// The points, best first, those that cannot be measured last.
static int *sorted_points(const struct tune *tune) {
    int *order = arena_array(tune->arena, (size_t)tune->space.point_count, sizeof *order);
    for (int i = 0; i < tune->space.point_count; i++)
        order[i] = i;
    sorted_results = tune->results;
    qsort(order, (size_t)tune->space.point_count, sizeof *order, by_median);
    return order;
}

static void print_text(const struct tune *tune, const char *path) {
    struct arena *arena = tune->arena;
    const int *order = sorted_points(tune);
    const struct tuning_file file = file_of(tune);
    printf("%s on %s: %d points, %" PRIu32 " tokens a launch at context %" PRIu32 ", kv %s\n",
           tune->model, tune->target, tune->space.point_count, tune->request.tokens,
           tune->request.context_positions, tune->kv_dtype);
    printf("%-24s %9s %9s %9s %7s %7s\n", "point", "us/token", "min", "max", "spread", "rounds");
    for (int i = 0; i < tune->space.point_count; i++) {
        const struct tune_result *result = &tune->results[order[i]];
        const char *name = tune_point_text(arena, &tune->space.points[order[i]]);
        if (result->impossible)
            printf("%-24s left out: %s\n", name, result->impossible);
        else
            printf("%-24s %9.1f %9.1f %9.1f %6.1f%% %7d%s\n", name, result->us.median,
                   result->us.least, result->us.most, result->us.spread_percent, result->measured,
                   result->given_up ? "  given up" : "");
    }
    printf("best: %s, %s\n", tune_point_text(arena, &tune->space.points[tune->best]),
           tuning_file_reason(&file, arena));
    printf("kept in %s\n", path);
}

static struct value *set_value(const struct tune_point *point, struct arena *arena) {
    struct value *set = value_table(arena);
    for (int i = 0; i < point->key_count; i++)
        report_set_integer(arena, set, point->keys[i], point->values[i]);
    return set;
}

static struct value *point_value(const struct tune *tune, int point) {
    struct arena *arena = tune->arena;
    const struct tune_result *result = &tune->results[point];
    struct value *table = value_table(arena), *rounds = value_list(arena);
    value_table_set(arena, table, "set", set_value(&tune->space.points[point], arena));
    report_set_text(arena, table, "impossible", result->impossible);
    value_table_set(arena, table, "given_up", value_boolean(arena, result->given_up));
    if (result->measured > 0 && !result->impossible) {
        value_table_set(arena, table, "us_per_token_median",
                        value_number(arena, result->us.median));
        value_table_set(arena, table, "us_per_token_min", value_number(arena, result->us.least));
        value_table_set(arena, table, "us_per_token_max", value_number(arena, result->us.most));
        value_table_set(arena, table, "spread_percent",
                        value_number(arena, result->us.spread_percent));
    }
    for (int i = 0; i < result->measured; i++)
        value_list_add(arena, rounds, value_number(arena, result->us_per_token[i]));
    value_table_set(arena, table, "us_per_token_rounds", rounds);
    return table;
}

static void print_json(const struct tune *tune, const char *path) {
    struct arena *arena = tune->arena;
    const int *order = sorted_points(tune);
    const struct tuning_file file = file_of(tune);
    struct value *table = value_table(arena), *points = value_list(arena),
                 *signature = value_table(arena);
    report_set_text(arena, table, "model", tune->model);
    report_set_text(arena, table, "target", tune->target);
    report_set_text(arena, table, "device", tune->device);
    report_set_text(arena, table, "file", path);
    value_table_set(arena, table, "set", set_value(&file.point, arena));
    value_table_set(arena, table, "us_per_token_median",
                    value_number(arena, file.us_per_token_median));
    value_table_set(arena, table, "planner_us_per_token_median",
                    value_number(arena, file.planner_us_per_token_median));
    value_table_set(
        arena, table, "speedup_ratio",
        value_number(arena, file.planner_us_per_token_median / file.us_per_token_median));
    report_set_integer(arena, table, "context_positions", tune->request.context_positions);
    report_set_integer(arena, table, "launch_tokens", tune->request.tokens);
    report_set_text(arena, table, "kv_dtype", tune->kv_dtype);
    report_set_text(arena, table, "text_digest", tune->text_digest);
    for (int i = 0; i < SIGNATURE_PARTS; i++)
        report_set_text(arena, signature, signature_part_name((enum signature_part)i),
                        tune->signature.parts[i]);
    value_table_set(arena, table, "signature", signature);
    for (int i = 0; i < tune->space.point_count; i++)
        value_list_add(arena, points, point_value(tune, order[i]));
    value_table_set(arena, table, "points", points);
    report_value(table, true);
}

// ---- the command --------------------------------------------------------------------------------

bool tune_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct tune tune = {.line = line,
                        .arena = &arena,
                        .diagnostics = diagnostics,
                        .request = {.context_positions = (uint32_t)line->context,
                                    .tokens = (uint32_t)line->max_tokens}};
    const char *path = NULL;
    const bool done = installation_find(&arena, &tune.installation, diagnostics) &&
                      check_set(&tune) && open_space(&tune) && open_cache(&tune) && search(&tune) &&
                      write_result(&tune, &path);
    if (done && line->json)
        print_json(&tune, path);
    else if (done)
        print_text(&tune, path);
    if (tune.scratch[0])
        scratch_remove(tune.scratch);
    arena_close(&arena);
    return done;
}
