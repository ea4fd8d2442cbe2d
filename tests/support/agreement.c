#include "tests/support/agreement.h"

#include "generator/commands/compare.h"
#include "generator/reference/reference.h"
#include "runtime/monogen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// One kernel and all that was fed to it.
struct run {
    struct monogen *kernel;
    struct reference *reference;
    const struct model *model;
    uint32_t *tokens; // [count]
    uint32_t count, prompt_count, generated;
    float *logits; // [count][vocab]
};

static bool take_token(void *context, uint32_t token, const char *text, size_t text_bytes) {
    struct run *run = context;
    (void)text;
    (void)text_bytes;
    run->tokens[run->prompt_count + run->generated++] = token;
    return run->prompt_count + run->generated < run->count;
}

static bool run_kernel(struct run *run, struct monogen_error *error) {
    const uint32_t vocab = (uint32_t)run->model->vocab;
    run->count = monogen_context(run->kernel);
    run->prompt_count = run->count - run->count / 2;
    run->tokens = calloc(run->count, sizeof *run->tokens);
    run->logits = calloc((size_t)run->count * vocab, sizeof *run->logits);
    if (!run->tokens || !run->logits)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    for (uint32_t i = 0; i < run->count; i++)
        run->tokens[i] = (i * 7919 + 13) % vocab; // after a stop token the decode loop is no help
    const struct monogen_request request = {.tokens = run->tokens,
                                            .token_count = run->prompt_count,
                                            .max_tokens = run->count - run->prompt_count};
    return (request.max_tokens == 0 ||
            monogen_generate(run->kernel, &request, take_token, run, NULL, error)) &&
           monogen_logits(run->kernel, run->tokens, run->count, run->logits, error);
}

static void compare(struct run *run, struct agreement *agreement) {
    const uint32_t vocab = (uint32_t)run->model->vocab;
    *agreement = (struct agreement){.positions = run->count};
    for (uint32_t p = 0; p < run->count; p++) {
        reference_step(run->reference, run->tokens[p], p);
        const struct comparison comparison =
            compare_logits(run->logits + (size_t)p * vocab,
                           reference_value(run->reference, run->model->node_count - 1), vocab);
        if (!(comparison.relative_rmse <= agreement->worst)) {
            agreement->worst = comparison.relative_rmse;
            agreement->worst_at = p;
        }
        if (comparison_is_tie(&comparison))
            continue;
        agreement->wrong_argmax += comparison.chosen != comparison.wanted;
        if (p + 1 >= run->prompt_count && p + 1 < run->prompt_count + run->generated)
            agreement->wrong_tokens += run->tokens[p + 1] != comparison.wanted;
    }
}

bool agreement_measure(const struct generation *generation, const char *folder, uint64_t seed,
                       struct agreement *agreement, struct monogen_error *error) {
    struct run run = {.model = &generation->model};
    const bool kv_bf16 = strcmp(generation->plan.shape.kv_dtype, "bf16") == 0;
    run.kernel = monogen_open(&(struct monogen_options){.kernel_folder = folder,
                                                        .random_seed = seed,
                                                        .handoff_timeout_seconds = 120},
                              error);
    if (run.kernel)
        run.reference = reference_open(&(struct reference_options){.model = run.model,
                                                                   .random_seed = seed,
                                                                   .kv_bf16 = kv_bf16},
                                       error);
    const bool good = run.reference && run_kernel(&run, error);
    if (good)
        compare(&run, agreement);
    free(run.tokens);
    free(run.logits);
    reference_close(run.reference);
    monogen_close(run.kernel);
    return good;
}

void expect_agreement(const struct generation *generation, const char *folder, uint64_t seed,
                      double allowed, const char *what) {
    struct monogen_error error = {0};
    struct agreement seen;
    if (!agreement_measure(generation, folder, seed, &seen, &error))
        fail_msg("%s: %s", what, error.message);
    if (!(seen.worst <= allowed) || seen.wrong_argmax > 0 || seen.wrong_tokens > 0)
        fail_msg("%s: position %" PRIu32 ": relative RMSE %.3g, at most %.3g is allowed; %" PRIu32
                 " other argmax, %" PRIu32 " other tokens of the decode loop",
                 what, seen.worst_at, seen.worst, allowed, seen.wrong_argmax, seen.wrong_tokens);
    print_message("%s: %" PRIu32 " positions, worst %.2g\n", what, seen.positions, seen.worst);
}
