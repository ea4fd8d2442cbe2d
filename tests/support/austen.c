#include "tests/support/austen.h"

#include "runtime/monogen.h"
#include "runtime/safetensors.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKPOINT "specs/checkpoints/austen-3m"

enum { PROMPTS = 3 };

struct golden {
    struct safetensors *file;
    json_t *prompts; // of golden.json
    uint32_t vocab;
    struct golden_prompt {
        uint32_t ids[AUSTEN_MOST_TOKENS];    // the prompt, then its continuation
        uint32_t prompt_tokens, tokens;      // of the prompt, of the continuation
        const float *prompt_logits, *logits; // [prompt_tokens][vocab], [tokens][vocab]
    } prompts_of[PROMPTS];
};
static struct golden golden;

static const struct tensor *need_tensor(const char *kind, int prompt, enum tensor_dtype dtype,
                                        size_t rank) {
    char name[64];
    snprintf(name, sizeof name, "%s.%d", kind, prompt);
    const struct tensor *tensor = safetensors_find(golden.file, name);
    if (!tensor || tensor->dtype != dtype || tensor->rank != rank)
        fail_msg("the golden file has no proper %s", name);
    return tensor;
}

static uint32_t read_ids(uint32_t *ids, const char *kind, int prompt) {
    const struct tensor *tensor = need_tensor(kind, prompt, TENSOR_I32, 1);
    assert_true(tensor->elements > 0 && tensor->elements <= AUSTEN_MOST_TOKENS / 2);
    memcpy(ids, tensor->data, tensor->bytes);
    return (uint32_t)tensor->elements;
}

static const float *read_logits(const char *kind, int prompt, uint32_t rows) {
    const struct tensor *tensor = need_tensor(kind, prompt, TENSOR_F32, 2);
    assert_int_equal(tensor->shape[0], rows);
    golden.vocab = (uint32_t)tensor->shape[1];
    float *logits = malloc(tensor->bytes);
    assert_non_null(logits);
    memcpy(logits, tensor->data, tensor->bytes);
    return logits;
}

int austen_open_golden(void **state) {
    (void)state;
    struct monogen_error error = {0};
    golden.file = safetensors_open(CHECKPOINT "/golden.safetensors", &error);
    json_t *json = json_load_file(CHECKPOINT "/golden.json", 0, NULL);
    golden.prompts = json_incref(json_object_get(json, "prompts"));
    json_decref(json);
    if (!golden.file || json_array_size(golden.prompts) != PROMPTS) {
        print_error("no golden files: %s\n", error.message);
        return -1;
    }
    for (int i = 0; i < PROMPTS; i++) {
        struct golden_prompt *prompt = &golden.prompts_of[i];
        prompt->prompt_tokens = read_ids(prompt->ids, "prompt", i);
        prompt->tokens = read_ids(prompt->ids + prompt->prompt_tokens, "tokens", i);
        prompt->prompt_logits = read_logits("prompt_logits", i, prompt->prompt_tokens);
        prompt->logits = read_logits("logits", i, prompt->tokens);
    }
    return 0;
}

int austen_close_golden(void **state) {
    (void)state;
    for (int i = 0; i < PROMPTS; i++) {
        free((void *)golden.prompts_of[i].prompt_logits);
        free((void *)golden.prompts_of[i].logits);
    }
    json_decref(golden.prompts);
    safetensors_close(golden.file);
    return 0;
}

// ---- one kernel
// ----------------------------------------------------------------------------------

static struct monogen *open_kernel(const char *set) {
    struct generated made;
    struct monogen_error error = {0};
    // of its own: a shared object that is open is not opened anew
    const char *folder = temporary_path(set);
    generated_open(&made, &(struct wanted_generation){.spec = "austen-3m",
                                                      .target = "host",
                                                      .set = set,
                                                      .compile = true,
                                                      .cache = temporary_path("cache")});
    generated_write(&made, folder);
    generated_close(&made);
    struct monogen *model = monogen_open(&(struct monogen_options){.kernel_folder = folder,
                                                                   .weights_folder = CHECKPOINT,
                                                                   .handoff_timeout_seconds = 120},
                                         &error);
    if (!model)
        fail_msg("%s: %s", set, error.message);
    return model;
}

// How far the logits of one position are from the golden ones.
struct distance {
    double relative_rmse, largest_error, margin;
    uint32_t chosen, wanted;
};

static struct distance distance_of(const float *got, const float *expected) {
    struct distance d = {0};
    double squares = 0, norm = 0, second = -INFINITY;
    for (uint32_t i = 0; i < golden.vocab; i++) {
        const double error = (double)got[i] - (double)expected[i];
        squares += error * error;
        norm += (double)expected[i] * (double)expected[i];
        d.largest_error = fabs(error) > d.largest_error ? fabs(error) : d.largest_error;
        d.chosen = got[i] > got[d.chosen] ? i : d.chosen;
        d.wanted = expected[i] > expected[d.wanted] ? i : d.wanted;
    }
    for (uint32_t i = 0; i < golden.vocab; i++)
        if (i != d.wanted && (double)expected[i] > second)
            second = (double)expected[i];
    d.margin = (double)expected[d.wanted] - second;
    d.relative_rmse = sqrt(squares / norm); // NaN where a logit is
    return d;
}

static int by_size(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// Feeds a golden prompt and the first `steps` golden tokens, and compares every position. Returns
// how many tokens of the continuation are certain: those before the first whose margin the error
// exceeds.
static uint32_t expect_logits(struct monogen *model, const char *set, int index, uint32_t steps,
                              double worst_allowed, double median_allowed) {
    const struct golden_prompt *prompt = &golden.prompts_of[index];
    steps = steps < prompt->tokens ? steps : prompt->tokens;
    const uint32_t positions = prompt->prompt_tokens + steps - 1;
    float *logits = malloc((size_t)positions * golden.vocab * sizeof *logits);
    double *distances = calloc(positions, sizeof *distances);
    assert_non_null(logits);
    assert_non_null(distances);
    struct monogen_error error = {0};
    if (!monogen_logits(model, prompt->ids, positions, logits, &error))
        fail_msg("%s: %s", set, error.message);
    double worst = 0;
    uint32_t certain = steps;
    for (uint32_t p = 0; p < positions; p++) {
        const float *expected =
            p < prompt->prompt_tokens
                ? prompt->prompt_logits + (size_t)p * golden.vocab
                : prompt->logits + (size_t)(p - prompt->prompt_tokens + 1) * golden.vocab;
        const struct distance d = distance_of(logits + (size_t)p * golden.vocab, expected);
        distances[p] = d.relative_rmse;
        worst = d.relative_rmse > worst ? d.relative_rmse : worst;
        if (!(d.relative_rmse <= worst_allowed))
            fail_msg("%s: prompt %d position %u: relative RMSE %.3g, at most %.3g is allowed", set,
                     index, p, d.relative_rmse, worst_allowed);
        const bool tie = d.margin <= 2 * d.largest_error;
        if (tie && p + 1 >= prompt->prompt_tokens && certain == steps)
            certain = p + 1 - prompt->prompt_tokens;
        if (d.chosen != d.wanted && !tie)
            fail_msg("%s: prompt %d position %u: chose %u instead of %u, margin %.3g, error %.3g",
                     set, index, p, d.chosen, d.wanted, d.margin, d.largest_error);
    }
    qsort(distances, positions, sizeof *distances, by_size);
    const double median = distances[positions / 2];
    print_message("%s: prompt %d, %u positions: worst %.2g, median %.2g\n", set, index, positions,
                  worst, median);
    if (!(median <= median_allowed))
        fail_msg("%s: prompt %d: median relative RMSE %.3g, at most %.3g is allowed", set, index,
                 median, median_allowed);
    free(logits);
    free(distances);
    return certain;
}

struct continuation {
    uint32_t ids[AUSTEN_MOST_TOKENS], count;
};

static bool collect(void *context, uint32_t token, const char *text, size_t text_bytes) {
    struct continuation *continuation = context;
    (void)text_bytes;
    assert_non_null(text); // the checkpoint has a tokenizer
    assert_true(continuation->count < AUSTEN_MOST_TOKENS);
    continuation->ids[continuation->count++] = token;
    return true;
}

// From the prompt's text, the golden tokens.
static void expect_text(struct monogen *model, const char *set, int index, uint32_t wanted) {
    const struct golden_prompt *prompt = &golden.prompts_of[index];
    struct continuation got = {0};
    struct monogen_result result = {0};
    struct monogen_error error = {0};
    const struct monogen_request request = {
        .text = json_string_value(json_array_get(golden.prompts, (size_t)index)),
        .max_tokens = wanted};
    if (!monogen_generate(model, &request, collect, &got, &result, &error))
        fail_msg("%s: %s", set, error.message);
    assert_int_equal(result.prompt_tokens, prompt->prompt_tokens);
    assert_int_equal(result.generated_tokens, got.count);
    for (uint32_t i = 0; i < wanted; i++)
        if (i >= got.count || got.ids[i] != prompt->ids[prompt->prompt_tokens + i])
            fail_msg("%s: prompt %d: token %u of %u is %d instead of %u", set, index, i, wanted,
                     i < got.count ? (int)got.ids[i] : -1, prompt->ids[prompt->prompt_tokens + i]);
    assert_int_equal(got.count, wanted);
}

void austen_expect_kernel(const char *set, uint32_t steps) {
    skip_without_compiler("cxx");
    const bool exact = strstr(set, "kv=fp32") != NULL;
    struct monogen *model = open_kernel(set);
    assert_int_equal(monogen_vocab(model), golden.vocab);
    for (int i = 0; i < PROMPTS; i++) {
        const uint32_t certain =
            expect_logits(model, set, i, steps, exact ? 1e-4 : 2e-2, exact ? 1e-4 : 1e-2);
        if (exact) // nothing of the golden file is a tie at such an error
            assert_true(certain == steps || certain == golden.prompts_of[i].tokens);
        assert_true(certain >= (steps < 8 ? steps : 8));
        expect_text(model, set, i, certain);
    }
    monogen_close(model);
}
