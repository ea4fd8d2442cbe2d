#include "generator/base/file.h"
#include "generator/commands/checkpoint.h"
#include "generator/commands/commands.h"
#include "generator/commands/compare.h"
#include "generator/commands/intermediate.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/kernel.h"
#include "generator/commands/oracle.h"
#include "generator/commands/prompt.h"
#include "generator/commands/report.h"
#include "generator/commands/tuned.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// With K and V rounded to bf16 and otherwise exact arithmetic, 1.2e-2 was seen at the worst step.
static const double BF16_KV_WORST = 2e-2, BF16_KV_MEDIAN = 1e-2;
// A reference that rounds them too differs by the few that are rounded the other way: 4e-4 was
// seen.
static const double BF16_BOTH_WORST = 2e-3, BF16_BOTH_MEDIAN = 1e-3;

struct bounds {
    double worst, median; // median INFINITY: not judged
};

struct verification {
    struct monogen *model;
    struct oracle oracle;
    struct intermediate intermediate; // where the oracle computes
    struct bounds bounds;
    size_t steps; // compared positions of a prompt, at most
    struct diagnostics *diagnostics;
    double *errors; // relative RMSE of all compared positions so far, [positions]
    size_t positions, agreed, ties, decoded, decode_ties;
};

// One prompt's compared positions.
struct prompt_check {
    struct golden_prompt *prompt;
    size_t index, positions;
    struct comparison *comparisons; // [positions]
    size_t worst, agreed, ties;
    double median;
    bool open_ended;  // what the decode loop chooses becomes the continuation
    uint32_t *chosen; // by the decode loop, [decode_steps]
    size_t decode_steps, chosen_count, decoded; // asked for, chosen, as the reference has them
};

static bool out_of_memory(struct verification *run) {
    return environment_error(run->diagnostics, "out of memory for the logits");
}

// "position 3 of the prompt", "step 12".
static const char *place_name(const struct prompt_check *check, size_t k, char text[64]) {
    if (k < check->prompt->prompt_count)
        snprintf(text, 64, "position %zu", k);
    else
        snprintf(text, 64, "step %zu", k - check->prompt->prompt_count);
    return text;
}

// ---- one prompt ---------------------------------------------------------------------------------

static bool take_token(void *context, uint32_t token, const char *text, size_t text_bytes) {
    struct prompt_check *check = context;
    (void)text;
    (void)text_bytes;
    const size_t step = check->chosen_count++;
    uint32_t *expected = &check->prompt->ids[check->prompt->prompt_count + step];
    check->chosen[step] = token;
    if (check->open_ended)
        *expected = token;
    return token == *expected && !interrupted();
}

// The kernel's own decode loop, which chooses its next token itself. Once it chose another one than
// the continuation has, what follows cannot be compared.
static bool run_decode_loop(struct verification *run, struct prompt_check *check) {
    struct golden_prompt *prompt = check->prompt;
    if (check->positions <= prompt->prompt_count)
        return true;
    check->decode_steps = check->positions - prompt->prompt_count;
    check->chosen = calloc(check->decode_steps, sizeof *check->chosen);
    if (!check->chosen)
        return out_of_memory(run);
    struct monogen_error error = {0};
    const struct monogen_request request = {.tokens = prompt->ids,
                                            .token_count = prompt->prompt_count,
                                            .max_tokens = (uint32_t)check->decode_steps};
    if (!monogen_generate(run->model, &request, take_token, check, NULL, &error))
        return report_runtime_error(&error, run->diagnostics);
    if (check->open_ended) { // it may have ended early, at a stop token
        prompt->step_count = check->chosen_count;
        check->positions = golden_positions(prompt);
    }
    return !interrupted();
}

// Teacher forcing: the prompt and its continuation are fed, whatever the kernel would have chosen.
// Owned by the caller, [fed][vocab]; NULL after adding a diagnostic.
static float *run_teacher_forced(struct verification *run, const struct prompt_check *check) {
    const size_t vocab = monogen_vocab(run->model);
    const size_t fed = golden_fed_token(check->prompt, check->positions - 1) + 1;
    struct monogen_error error = {0};
    float *logits =
        fed <= SIZE_MAX / sizeof *logits / vocab ? calloc(fed * vocab, sizeof *logits) : NULL;
    if (!logits) {
        out_of_memory(run);
        return NULL;
    }
    if (monogen_logits(run->model, check->prompt->ids, fed, logits, &error))
        return logits;
    report_runtime_error(&error, run->diagnostics);
    free(logits);
    return NULL;
}

// Where the reference stands at a position, the values on the way to the logits can be compared
// too. Of position k the token that is fed is looked at once: it may be that of k - 1.
static bool compare_intermediate(struct verification *run, struct prompt_check *check, size_t k) {
    const size_t fed = golden_fed_token(check->prompt, k);
    if (!run->oracle.reference || (k > 0 && golden_fed_token(check->prompt, k - 1) == fed))
        return true;
    return intermediate_compare(&run->intermediate, run->model, run->oracle.reference,
                                check->prompt->ids[fed], (uint32_t)fed, run->diagnostics);
}

static void compare_position(struct verification *run, struct prompt_check *check, size_t k,
                             const float *logits) {
    struct comparison *comparison = &check->comparisons[k];
    *comparison = compare_logits(logits, oracle_logits(&run->oracle, check->prompt, k),
                                 monogen_vocab(run->model));
    run->errors[run->positions++] = comparison->relative_rmse;
    if (comparison->relative_rmse > check->comparisons[check->worst].relative_rmse)
        check->worst = k;
    if (comparison->chosen == comparison->wanted)
        check->agreed++;
    else if (comparison_is_tie(comparison))
        check->ties++;
}

static bool compare_positions(struct verification *run, struct prompt_check *check) {
    double *errors = realloc(run->errors, (run->positions + check->positions) * sizeof *errors);
    check->comparisons = calloc(check->positions, sizeof *check->comparisons);
    if (errors)
        run->errors = errors;
    if (!errors || !check->comparisons)
        return out_of_memory(run);
    float *logits = run_teacher_forced(run, check);
    if (!logits)
        return false;
    const size_t vocab = monogen_vocab(run->model), before = run->positions;
    bool alike = true;
    for (size_t k = 0; k < check->positions && alike && !interrupted(); k++) {
        compare_position(run, check, k, logits + golden_fed_token(check->prompt, k) * vocab);
        alike = compare_intermediate(run, check, k);
    }
    free(logits);
    if (!alike || interrupted())
        return false;
    check->median = median_of(run->errors + before, check->positions);
    return true;
}

// ---- judging ------------------------------------------------------------------------------------

static void print_check(const struct prompt_check *check) {
    char place[64], positions[64], argmax[64];
    const size_t prompt_count = check->prompt->prompt_count;
    const size_t steps = check->positions > prompt_count ? check->positions - prompt_count : 0;
    snprintf(positions, sizeof positions, "%zu + %zu", check->positions - steps, steps);
    snprintf(argmax, sizeof argmax, "%zu/%zu", check->agreed, check->positions);
    printf("%-7zu %-12s %-10.2g %-14s %-10.2g %-12s %zu/%zu%s\n", check->index, positions,
           check->comparisons[check->worst].relative_rmse, place_name(check, check->worst, place),
           check->median, argmax, check->decoded, check->decode_steps,
           check->decoded < check->chosen_count && !check->open_ended ? " (then another token)"
                                                                      : "");
    fflush(stdout);
}

static void judge_errors(struct verification *run, const struct prompt_check *check) {
    char place[64];
    const struct comparison *worst = &check->comparisons[check->worst];
    if (!(worst->relative_rmse <= run->bounds.worst))
        diagnostic_add(run->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                       "prompt %zu: relative RMSE %.3g at %s exceeds %.3g", check->index,
                       worst->relative_rmse, place_name(check, check->worst, place),
                       run->bounds.worst);
    for (size_t k = 0; k < check->positions; k++) {
        const struct comparison *comparison = &check->comparisons[k];
        if (comparison->chosen != comparison->wanted && !comparison_is_tie(comparison))
            diagnostic_add(run->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                           "prompt %zu: argmax %u at %s, the reference has %u by a margin of %.3g",
                           check->index, comparison->chosen, place_name(check, k, place),
                           comparison->wanted, comparison->margin);
    }
}

static void judge_decode_loop(struct verification *run, struct prompt_check *check) {
    const size_t prompt_count = check->prompt->prompt_count;
    for (size_t step = 0; step < check->chosen_count; step++) {
        const struct comparison *comparison = &check->comparisons[prompt_count + step];
        const uint32_t wanted =
            check->open_ended ? comparison->wanted : check->prompt->ids[prompt_count + step];
        if (check->chosen[step] == wanted)
            check->decoded++;
        else if (comparison_is_tie(comparison))
            run->decode_ties++;
        else
            diagnostic_add(run->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                           "prompt %zu: the decode loop chose token %u at step %zu, the reference "
                           "%u by a margin of %.3g",
                           check->index, check->chosen[step], step, wanted, comparison->margin);
    }
}

// Fills, judges and prints one prompt. False where it cannot be compared at all.
static bool verify_prompt(struct verification *run, size_t index) {
    struct golden_prompt *prompt = &run->oracle.golden.prompts[index];
    struct prompt_check check = {
        .prompt = prompt, .index = index, .open_ended = run->oracle.reference != NULL};
    check.positions = golden_positions(prompt);
    if (run->steps && run->steps < check.positions)
        check.positions = run->steps;
    const bool good = run_decode_loop(run, &check) && compare_positions(run, &check);
    if (good) {
        judge_errors(run, &check);
        judge_decode_loop(run, &check);
        print_check(&check);
        run->agreed += check.agreed;
        run->ties += check.ties;
        run->decoded += check.decoded;
    }
    free(check.comparisons);
    free(check.chosen);
    return good;
}

static void judge_all(struct verification *run) {
    const double median = median_of(run->errors, run->positions);
    const double worst = run->errors[run->positions - 1];
    printf("total   %zu positions: worst %.2g (bound %.2g), median %.2g", run->positions, worst,
           run->bounds.worst, median);
    if (isfinite(run->bounds.median))
        printf(" (bound %.2g)", run->bounds.median);
    printf("; argmax %zu/%zu, %zu tie%s; decode loop %zu tokens, %zu tie%s\n", run->agreed,
           run->positions, run->ties, run->ties == 1 ? "" : "s", run->decoded, run->decode_ties,
           run->decode_ties == 1 ? "" : "s");
    if (!(median <= run->bounds.median))
        diagnostic_add(run->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                       "median relative RMSE %.3g exceeds %.3g", median, run->bounds.median);
}

// ---- the command --------------------------------------------------------------------------------

static struct bounds bounds_of(const struct command_line *line, const struct plan_plan *plan,
                               bool computed) {
    struct bounds bounds = {plan_tolerance(plan), (double)INFINITY};
    if (strcmp(plan->shape.kv_dtype, "bf16") == 0)
        bounds = computed ? (struct bounds){BF16_BOTH_WORST, BF16_BOTH_MEDIAN}
                          : (struct bounds){BF16_KV_WORST, BF16_KV_MEDIAN};
    if (line->tolerance > 0)
        bounds.worst = line->tolerance;
    return bounds;
}

static bool verify(struct verification *run, const struct plan_plan *plan,
                   const struct oracle_request *request) {
    struct monogen_error error = {0};
    if (!oracle_open(request, &run->oracle, &error))
        return report_runtime_error(&error, run->diagnostics);
    printf("%s on %s, %d CUs, kv %s, engine %s: relative RMSE of the logits%s\n", plan->model,
           plan->machine.name, plan->machine.cus, plan->shape.kv_dtype, plan->engine.name,
           request->computes ? ", computed by the reference" : "");
    printf("prompt  positions    worst      at             median     argmax       decode loop\n");
    if (request->computes && !intermediate_open(plan, request->reference.model, run->model,
                                                run->bounds.worst, &run->intermediate, &error))
        return report_runtime_error(&error, run->diagnostics);
    for (size_t i = 0; i < run->oracle.golden.count; i++)
        if (!verify_prompt(run, i))
            return false;
    judge_all(run);
    if (run->intermediate.values > 0)
        printf("between %lld values that CUs handed each other: worst %.2g, step %d (%s)\n",
               (long long)run->intermediate.values, run->intermediate.worst,
               plan->stages[run->intermediate.worst_stage].step,
               plan->stages[run->intermediate.worst_stage].body);
    return run->diagnostics->count == 0;
}

// Which prompts are fed, as far as the command line says it.
static bool read_prompts(const struct command_line *line, struct arena *arena,
                         struct oracle_request *request, struct diagnostics *diagnostics) {
    request->computes = command_line_wants_reference(line);
    request->golden = line->golden;
    request->most_steps = (size_t)line->max_tokens;
    if (line->tokens && line->golden)
        return usage_error(diagnostics, "--tokens and --golden: one source of prompts is enough");
    if (line->tokens && !request->computes)
        return usage_error(diagnostics, "--tokens needs --compare reference: only the golden "
                                        "file's prompts have golden logits");
    if (!line->tokens || strcmp(line->tokens, "random") == 0)
        return true;
    struct prompt prompt;
    if (!prompt_read(line, arena, &prompt, diagnostics))
        return false;
    request->tokens = prompt.tokens;
    request->token_count = prompt.token_count;
    return true;
}

// The golden file of the checkpoint, where the command line names no other prompts.
static bool find_golden(const struct command_line *line, const char *weights, struct arena *arena,
                        struct oracle_request *request, struct diagnostics *diagnostics) {
    if (line->golden || line->tokens)
        return true;
    if (!weights && line->weights && !request->computes) { // else no spec: kernel_open tells
        usage_error(diagnostics, "random weights have no golden file to compare with");
        return diagnostic_note(diagnostics, "--compare reference computes the logits");
    }
    const char *path = weights ? arena_format(arena, "%s/golden.safetensors", weights) : NULL;
    if (path && (!request->computes || file_exists(path)))
        request->golden = path;
    return true;
}

bool verify_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct installation installation;
    struct kernel kernel = {0};
    struct verification run = {.steps = (size_t)line->steps, .diagnostics = diagnostics};
    struct oracle_request request = {0};
    const char *weights;
    bool good = read_prompts(line, &arena, &request, diagnostics) &&
                installation_find(&arena, &installation, diagnostics) &&
                checkpoint_find(&installation, line->arguments[0], line->weights, &arena, &weights,
                                diagnostics) &&
                find_golden(line, weights, &arena, &request, diagnostics) &&
                kernel_open(line, &installation, weights, &kernel, diagnostics);
    if (good) {
        const struct plan_plan *plan = &kernel.generation.plan;
        tuned_note(plan);
        run.model = kernel.model;
        run.bounds = bounds_of(line, plan, request.computes);
        request.vocab = monogen_vocab(kernel.model);
        request.context = monogen_context(kernel.model);
        request.reference =
            (struct reference_options){.model = &kernel.generation.model,
                                       .checkpoint = weights,
                                       .random_seed = (uint64_t)line->seed,
                                       .kv_bf16 = strcmp(plan->shape.kv_dtype, "bf16") == 0};
        good = verify(&run, plan, &request);
    }
    intermediate_close(&run.intermediate);
    oracle_close(&run.oracle);
    free(run.errors);
    kernel_close(&kernel);
    arena_close(&arena);
    return good;
}
