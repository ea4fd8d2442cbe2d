#include "generator/commands/checkpoint.h"
#include "generator/commands/commands.h"
#include "generator/commands/compare.h"
#include "generator/commands/interrupt.h"
#include "generator/commands/kernel.h"
#include "generator/commands/oracle.h"
#include "generator/commands/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// With K and V rounded to bf16 and otherwise exact arithmetic, 1.2e-2 was seen at the worst step.
static const double BF16_KV_WORST = 2e-2, BF16_KV_MEDIAN = 1e-2;

struct bounds {
    double worst, median; // median INFINITY: not judged
};

struct verification {
    struct monogen *model;
    struct oracle oracle;
    struct bounds bounds;
    size_t steps; // compared positions of a prompt, at most
    struct diagnostics *diagnostics;
    double *errors; // relative RMSE of all compared positions so far, [positions]
    size_t positions, agreed, ties, decoded, decode_ties;
};

// One prompt's compared positions.
struct prompt_check {
    const struct golden_prompt *prompt;
    size_t index, positions;
    struct comparison *comparisons; // [positions]
    size_t worst, agreed, ties;
    double median;
    uint32_t *chosen;                           // by the decode loop, [decode_steps]
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
    check->chosen[step] = token;
    return token == check->prompt->ids[check->prompt->prompt_count + step] && !interrupted();
}

// The kernel's own decode loop, which chooses its next token itself. Once it chose another one,
// what follows cannot be compared.
static bool run_decode_loop(struct verification *run, struct prompt_check *check) {
    const size_t prompt_count = check->prompt->prompt_count;
    if (check->positions <= prompt_count)
        return true;
    check->decode_steps = check->positions - prompt_count;
    check->chosen = calloc(check->decode_steps, sizeof *check->chosen);
    if (!check->chosen)
        return out_of_memory(run);
    struct monogen_error error = {0};
    const struct monogen_request request = {.tokens = check->prompt->ids,
                                            .token_count = prompt_count,
                                            .max_tokens = (uint32_t)check->decode_steps};
    return monogen_generate(run->model, &request, take_token, check, NULL, &error) ||
           report_runtime_error(&error, run->diagnostics);
}

// Teacher forcing: the reference's tokens are fed, whatever the kernel would have chosen.
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
    for (size_t k = 0; k < check->positions && !interrupted(); k++)
        compare_position(run, check, k, logits + golden_fed_token(check->prompt, k) * vocab);
    free(logits);
    if (interrupted())
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
           check->decoded < check->chosen_count ? " (then another token)" : "");
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

static void judge_decode_loop(struct verification *run, const struct prompt_check *check) {
    if (check->decoded == check->chosen_count)
        return;
    const struct comparison *comparison =
        &check->comparisons[check->prompt->prompt_count + check->decoded];
    if (comparison_is_tie(comparison)) {
        run->decode_ties++;
        return;
    }
    diagnostic_add(run->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                   "prompt %zu: the decode loop chose token %u at step %zu, the reference %u by a "
                   "margin of %.3g",
                   check->index, check->chosen[check->decoded], check->decoded, comparison->wanted,
                   comparison->margin);
}

// Fills, prints and judges one prompt. False where it cannot be compared at all.
static bool verify_prompt(struct verification *run, size_t index) {
    const struct golden_prompt *prompt = &run->oracle.golden.prompts[index];
    struct prompt_check check = {.prompt = prompt, .index = index};
    check.positions = golden_positions(prompt);
    if (run->steps && run->steps < check.positions)
        check.positions = run->steps;
    const bool good = run_decode_loop(run, &check) && compare_positions(run, &check);
    if (good) {
        const uint32_t *continuation = prompt->ids + prompt->prompt_count;
        while (check.decoded < check.chosen_count &&
               check.chosen[check.decoded] == continuation[check.decoded])
            check.decoded++;
        print_check(&check);
        judge_errors(run, &check);
        judge_decode_loop(run, &check);
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

static struct bounds bounds_of(const struct command_line *line, const struct plan_plan *plan) {
    const bool rounded = strcmp(plan->shape.kv_dtype, "bf16") == 0;
    const double worst = rounded ? BF16_KV_WORST : plan->engine.tolerance;
    return (struct bounds){line->tolerance > 0 ? line->tolerance : worst,
                           rounded ? BF16_KV_MEDIAN : (double)INFINITY};
}

static bool verify(struct verification *run, const struct plan_plan *plan, const char *golden) {
    struct monogen_error error = {0};
    if (!oracle_open(golden, monogen_vocab(run->model), &run->oracle, &error))
        return report_runtime_error(&error, run->diagnostics);
    printf("%s on %s, %d CUs, kv %s, engine %s: relative RMSE of the logits\n", plan->model,
           plan->machine.name, plan->machine.cus, plan->shape.kv_dtype, plan->engine.name);
    printf("prompt  positions    worst      at             median     argmax       decode loop\n");
    for (size_t i = 0; i < run->oracle.golden.count; i++)
        if (!verify_prompt(run, i))
            return false;
    judge_all(run);
    return run->diagnostics->count == 0;
}

bool verify_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct installation installation;
    struct kernel kernel = {0};
    struct verification run = {.steps = (size_t)line->steps, .diagnostics = diagnostics};
    const char *weights;
    bool good =
        installation_find(&arena, &installation, diagnostics) &&
        checkpoint_find(&installation, line->arguments[0], NULL, &arena, &weights, diagnostics) &&
        kernel_open(line, &installation, weights, &kernel, diagnostics);
    if (good) {
        run.model = kernel.model;
        run.bounds = bounds_of(line, &kernel.generation.plan);
        good = verify(&run, &kernel.generation.plan,
                      line->golden ? line->golden
                                   : arena_format(&arena, "%s/golden.safetensors", weights));
    }
    oracle_close(&run.oracle);
    free(run.errors);
    kernel_close(&kernel);
    arena_close(&arena);
    return good;
}
