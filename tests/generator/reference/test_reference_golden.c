// The reference against Hugging Face transformers: the logits of whole models, teacher-forced.
#include "generator/commands/compare.h"
#include "generator/commands/golden.h"
#include "generator/reference/reference.h"
#include "tests/support/printed.h"
#include "tests/support/reference_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

// Exact arithmetic was seen up to 2.3e-5 away from transformers' float32.
static const double WORST = 3e-5;

struct folder {
    struct arena arena;
    struct diagnostics diagnostics;
    struct script *script;
    struct model model;
    struct monogen_error error;
    struct reference *reference;
    struct golden golden;
    double worst;
    size_t positions, wrong;
};

static bool load_model(struct folder *folder, const char *path) {
    struct override_list none = {0};
    folder->script = script_open(script_default_limits(), &folder->diagnostics);
    return folder->script && model_load(folder->script, "specs", path, &none, &folder->arena,
                                        &folder->model, &folder->diagnostics);
}

static void close_folder(struct folder *folder) {
    golden_close(&folder->golden);
    reference_close(folder->reference);
    script_close(folder->script);
    diagnostics_close(&folder->diagnostics);
    arena_close(&folder->arena);
}

static void open_folder(struct folder *folder, const char *path) {
    folder->reference = reference_open(
        &(struct reference_options){.model = &folder->model, .checkpoint = path}, &folder->error);
    const char *golden = arena_format(&folder->arena, "%s/golden.safetensors", path);
    if (!folder->reference ||
        !golden_open(golden, (uint32_t)folder->model.vocab, &folder->golden, &folder->error))
        fail_msg("%s", folder->error.message);
}

static void compare_prompt(struct folder *folder, const struct golden_prompt *prompt) {
    const uint32_t vocab = folder->golden.vocab;
    float *expected = calloc(vocab, sizeof *expected);
    assert_non_null(expected);
    uint32_t fed = 0;
    for (size_t k = 0; k < golden_positions(prompt); k++) {
        for (; fed <= golden_fed_token(prompt, k); fed++)
            reference_step(folder->reference, prompt->ids[fed], fed);
        golden_logits(&folder->golden, prompt, k, expected);
        const struct comparison comparison = compare_logits(
            reference_value(folder->reference, folder->model.node_count - 1), expected, vocab);
        folder->worst =
            comparison.relative_rmse > folder->worst ? comparison.relative_rmse : folder->worst;
        folder->positions++;
        folder->wrong += comparison.chosen != comparison.wanted && !comparison_is_tie(&comparison);
    }
    free(expected);
}

static void expect_golden(const char *path) {
    struct folder folder = {0};
    if (!load_model(&folder, path))
        fail_msg("%s", printed_diagnostics(&folder.diagnostics));
    open_folder(&folder, path);
    for (size_t i = 0; i < folder.golden.count; i++)
        compare_prompt(&folder, &folder.golden.prompts[i]);
    print_message("%s: %zu positions, worst %.2g\n", path, folder.positions, folder.worst);
    if (!(folder.worst <= WORST) || folder.wrong > 0)
        fail_msg("%s: worst relative RMSE %.3g, at most %.3g is allowed; %zu other choices", path,
                 folder.worst, WORST, folder.wrong);
    close_folder(&folder);
}

static void test_austen(void **state) {
    (void)state;
    expect_golden("specs/checkpoints/austen-3m");
}

#define CHECKPOINT(identifier, name)                                                               \
    static void test_##identifier(void **state) {                                                  \
        (void)state;                                                                               \
        expect_golden(reference_checkpoint(name));                                                 \
    }
#define CHECKPOINTS                                                                                \
    CHECKPOINT(llama3, "tiny-llama3")                                                              \
    CHECKPOINT(llama_untied, "tiny-llama-untied")                                                  \
    CHECKPOINT(smollm2, "tiny-smollm2")                                                            \
    CHECKPOINT(linear_rope, "tiny-linear-rope")                                                    \
    CHECKPOINT(yarn, "tiny-yarn")                                                                  \
    CHECKPOINT(sharded, "tiny-sharded")                                                            \
    CHECKPOINT(long, "tiny-long")                                                                  \
    CHECKPOINT(fp16, "tiny-fp16")                                                                  \
    CHECKPOINT(mistral, "tiny-mistral")                                                            \
    CHECKPOINT(qwen2, "tiny-qwen2")                                                                \
    CHECKPOINT(qwen3, "tiny-qwen3")                                                                \
    CHECKPOINT(gemma2, "tiny-gemma2")                                                              \
    CHECKPOINT(gemma3, "tiny-gemma3")
CHECKPOINTS

int main(void) {
#undef CHECKPOINT
#define CHECKPOINT(identifier, name) cmocka_unit_test(test_##identifier),
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_austen), CHECKPOINTS};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
