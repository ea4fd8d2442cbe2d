#include "generator/commands/measure.h"

#include "generator/base/text.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/report.h"
#include "runtime/clock.h"

#include <inttypes.h>
#include <string.h>

bool measure_prepare(struct monogen *model, uint32_t positions, uint64_t seed,
                     struct diagnostics *diagnostics) {
    struct monogen_error error = {0};
    return monogen_fill_context(model, 0, positions, seed, &error) ||
           report_runtime_error(&error, diagnostics);
}

struct collected {
    uint32_t *ids; // [tokens of the request]
    uint32_t count;
};

static bool collect(void *context, uint32_t token, const char *text, size_t text_bytes) {
    struct collected *collected = context;
    (void)text;
    (void)text_bytes;
    collected->ids[collected->count++] = token;
    return !interrupted();
}

static void digest_tokens(const struct collected *collected, char digest[DIGEST_TEXT_BYTES]) {
    struct text text = {0};
    for (uint32_t i = 0; i < collected->count; i++)
        text_format(&text, "%" PRIu32 "\n", collected->ids[i]);
    digest_strings((const char *const[]){text.bytes ? text.bytes : ""}, 1, digest);
    text_close(&text);
}

// Launches until all tokens are there. A launch that continues feeds the stop token first.
static bool generate(struct monogen *model, const struct measure_request *request,
                     struct collected *collected, struct measured_launch *launch,
                     struct monogen_error *error) {
    double seconds = 0;
    const double started = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (collected->count < request->tokens) {
        const bool first = collected->count == 0;
        const struct monogen_request part = {
            .tokens = first ? &request->first_token : NULL,
            .token_count = first ? 1 : 0,
            .max_tokens = request->tokens - collected->count,
            .keep_context = true,
        };
        struct monogen_result result;
        if (!monogen_generate(model, &part, collect, collected, &result, error))
            return false;
        seconds += result.total_seconds;
        launch->launches++;
        if (interrupted())
            return false;
    }
    launch->us_per_token = seconds * 1e6 / request->tokens;
    launch->processor_us_per_token =
        (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - started) * 1e6 / request->tokens;
    return true;
}

// The K and V that a launch writes are random again.
static bool restore(struct monogen *model, const struct measure_request *request,
                    struct monogen_error *error) {
    const uint32_t first = request->context_positions, last = monogen_context(model) - 1;
    const uint32_t end = last - first > request->tokens ? first + request->tokens : last;
    return monogen_fill_context(model, first, end, request->seed, error);
}

// Goes to where the launch starts: the context behind it is as some launch left it, which no token
// sees before it is written again.
static bool rewind_context(struct monogen *model, const struct measure_request *request,
                           struct monogen_error *error) {
    return monogen_fill_context(model, request->context_positions, request->context_positions,
                                request->seed, error);
}

bool measure_launch(struct monogen *model, const struct measure_request *request,
                    struct measured_launch *launch, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct monogen_error error = {0};
    struct collected collected = {arena_array(&arena, request->tokens, sizeof *collected.ids), 0};
    *launch = (struct measured_launch){0};
    const bool measured = rewind_context(model, request, &error) &&
                          generate(model, request, &collected, launch, &error) &&
                          restore(model, request, &error);
    if (measured)
        digest_tokens(&collected, launch->text_digest);
    arena_close(&arena);
    return measured || (!interrupted() && report_runtime_error(&error, diagnostics));
}

static bool launch_again(struct monogen *model, const struct measure_request *request,
                         struct collected *collected, struct monogen_error *error) {
    struct measured_launch launch = {0};
    collected->count = 0;
    return rewind_context(model, request, error) &&
           generate(model, request, collected, &launch, error);
}

bool measure_energy(struct monogen *model, const struct measure_request *request, double seconds,
                    struct measured_energy *energy, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct monogen_error error = {0};
    double before = 0, after = 0, tokens = 0;
    *energy = (struct measured_energy){.there = monogen_energy(model, &before)};
    if (!energy->there)
        return true;
    struct collected collected = {arena_array(&arena, request->tokens, sizeof *collected.ids), 0};
    // The first launch brings the device to its clocks.
    bool good = launch_again(model, request, &collected, &error);
    energy->there = monogen_energy(model, &before);
    for (const double start = clock_seconds(CLOCK_MONOTONIC);
         good && (tokens == 0 || clock_seconds(CLOCK_MONOTONIC) - start < seconds);
         tokens += request->tokens)
        good = launch_again(model, request, &collected, &error);
    energy->there = energy->there && monogen_energy(model, &after);
    good = good && restore(model, request, &error);
    if (good)
        energy->joules_per_token = (after - before) / tokens;
    arena_close(&arena);
    return good || (!interrupted() && report_runtime_error(&error, diagnostics));
}

double measure_kv_bytes(const struct plan_plan *plan, double positions) {
    double bytes = 0;
    for (int i = 0; i < plan->stages_count; i++) {
        const struct plan_body *body = plan_body_named(plan, plan->stages[i].body);
        if (strcmp(body->op, "attention") == 0)
            bytes += 2.0 * plan->shape.kv_heads * plan->shape.head_dim * plan->kv.element_bytes *
                     positions;
    }
    return bytes;
}

double measure_model_bytes(const struct plan_plan *plan) {
    return (double)plan->shape.parameters * dtype_bytes(plan->shape.weight_dtype);
}

uint32_t measure_first_token(const struct plan_plan *plan) {
    return plan->shape.bos_count > 0 ? (uint32_t)plan->shape.bos[0] : 0;
}
