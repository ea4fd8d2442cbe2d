#include "runtime/monogen.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/fake_kernel.h"
#include "tests/support/kernel_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char CHECKPOINT[] = "specs/checkpoints/austen-3m"; // its vocabulary is FAKE_VOCAB

// What came, and when to stop.
struct seen {
    uint32_t tokens[FAKE_CONTEXT + 1];
    uint32_t count, stop_after; // 0: never
    char text[4096];
    size_t text_bytes;
    bool had_text;
};

static bool see(void *context, uint32_t token, const char *text, size_t text_bytes) {
    struct seen *seen = context;
    assert_true(seen->count <= FAKE_CONTEXT && seen->text_bytes + text_bytes < sizeof seen->text);
    seen->tokens[seen->count++] = token;
    seen->had_text = text != NULL;
    if (text_bytes)
        memcpy(seen->text + seen->text_bytes, text, text_bytes);
    seen->text_bytes += text_bytes;
    return seen->count != seen->stop_after;
}

static struct monogen *try_open(struct kernel_folder *folder, const char *weights_folder) {
    kernel_folder_write_manifest(folder);
    return monogen_open(
        &(struct monogen_options){.kernel_folder = folder->path, .weights_folder = weights_folder},
        &folder->error);
}

static struct monogen *open_random(struct kernel_folder *folder) {
    struct monogen *model = try_open(folder, NULL);
    if (!model)
        fail_msg("%s", folder->error.message);
    return model;
}

// With the bundled tokenizer, and a kernel that needs no weights of the checkpoint.
static struct monogen *open_with_text(struct kernel_folder *folder) {
    kernel_folder_set(folder, "weights.regions", "[]");
    kernel_folder_set(folder, "vectors", "[]");
    struct monogen *model = try_open(folder, CHECKPOINT);
    if (!model)
        fail_msg("%s", folder->error.message);
    return model;
}

static void generate(struct kernel_folder *folder, struct monogen *model,
                     const struct monogen_request *request, struct seen *seen,
                     struct monogen_result *result) {
    if (!monogen_generate(model, request, see, seen, result, &folder->error))
        fail_msg("%s", folder->error.message);
}

// Fails the test unless seen is what follows `all` [count], whose room is the context.
static void expect_continuation(uint32_t *all, uint32_t count, const struct seen *seen) {
    for (uint32_t i = 0; i < seen->count; i++) {
        all[count] = fake_next_token(all, count);
        if (seen->tokens[i] != all[count])
            fail_msg("token %u is %u, expected %u", i, seen->tokens[i], all[count]);
        count++;
    }
}

static const uint32_t prompt[3] = {3, 50, 700};

static void ids_are_continued(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_random(folder);
    assert_int_equal(monogen_vocab(model), FAKE_VOCAB);
    assert_int_equal(monogen_context(model), FAKE_CONTEXT);
    assert_false(monogen_has_tokenizer(model));
    struct monogen_request request = {.tokens = prompt, .token_count = 3, .max_tokens = 8};
    for (int round = 0; round < 2; round++) { // a second request starts anew
        struct seen seen = {0};
        struct monogen_result result;
        generate(folder, model, &request, &seen, &result);
        uint32_t all[FAKE_CONTEXT + 1] = {3, 50, 700};
        assert_int_equal(seen.count, 8);
        expect_continuation(all, 3, &seen);
        assert_false(seen.had_text);
        assert_int_equal(result.prompt_tokens, 3);
        assert_int_equal(result.generated_tokens, 8);
        assert_int_equal(result.end, MONOGEN_END_MAX_TOKENS);
        assert_true(result.total_seconds >= result.first_token_seconds);
    }
    assert_true(monogen_generate(model, &request, NULL, NULL, NULL, &folder->error));
    monogen_close(model);
}

// However a text is cut into requests, it goes on as one.
static void a_kept_context_goes_on(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_random(folder);
    uint32_t all[FAKE_CONTEXT + 1] = {3, 50, 700}, count = 3;
    struct seen seen = {.stop_after = 4};
    struct monogen_request request = {.tokens = prompt, .token_count = 3, .max_tokens = 9};
    struct monogen_result result;
    generate(folder, model, &request, &seen, &result); // stopped by the callback
    assert_int_equal(result.end, MONOGEN_END_CALLBACK);
    assert_int_equal(result.generated_tokens, 4);
    expect_continuation(all, count, &seen);
    count += 4;

    seen = (struct seen){0};
    request = (struct monogen_request){.max_tokens = 3, .keep_context = true}; // nothing new
    generate(folder, model, &request, &seen, &result);
    assert_int_equal(result.prompt_tokens, 1);
    expect_continuation(all, count, &seen);
    count += 3;

    seen = (struct seen){0};
    request.tokens = prompt + 1; // two more of the caller's
    request.token_count = 2;
    all[count++] = prompt[1];
    all[count++] = prompt[2];
    generate(folder, model, &request, &seen, &result);
    assert_int_equal(result.prompt_tokens, 3);
    expect_continuation(all, count, &seen);
    count += 3;

    seen = (struct seen){0};
    request.max_tokens = 0; // only read
    generate(folder, model, &request, &seen, &result);
    assert_int_equal(seen.count, 0);
    all[count++] = prompt[1];
    all[count++] = prompt[2];

    request = (struct monogen_request){.max_tokens = 3, .keep_context = true};
    assert_false(monogen_generate(model, &request, see, &seen, NULL, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "the prompt has no token");

    request.tokens = prompt;
    request.token_count = 1;
    all[count++] = prompt[0];
    generate(folder, model, &request, &seen, &result);
    expect_continuation(all, count, &seen);
    monogen_close(model);
}

static void a_full_context_ends_a_text(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_random(folder);
    struct seen seen = {0};
    struct monogen_request request = {.tokens = prompt, .token_count = 3, .max_tokens = 1000};
    struct monogen_result result;
    generate(folder, model, &request, &seen, &result);
    assert_int_equal(seen.count, FAKE_CONTEXT - 3 + 1); // the last is not read back
    assert_int_equal(result.end, MONOGEN_END_MAX_TOKENS);
    request.keep_context = true;
    assert_false(monogen_generate(model, &request, see, &seen, NULL, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT,
                               "the prompt has 4 tokens, the context of 64 has room for 0 more");
    monogen_close(model);
}

static void a_stop_token_ends_a_text(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_with_text(folder);
    static const uint32_t stopping[2] = {FAKE_VOCAB - 9, 10};
    struct seen seen = {0};
    struct monogen_result result;
    struct monogen_request request = {.tokens = stopping, .token_count = 2, .max_tokens = 9};
    generate(folder, model, &request, &seen, &result);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.tokens[0], FAKE_STOP_TOKEN);
    assert_int_equal(result.end, MONOGEN_END_STOP_TOKEN);
    assert_int_equal(seen.text_bytes, 0); // special tokens are skipped
    monogen_close(model);
}

// ids and text of what follows a text prompt, made without monogen_generate.
static void expected_text(struct kernel_folder *folder, const char *text, uint32_t max_tokens,
                          struct token_list *ids, char **expected, size_t *expected_bytes) {
    struct tokenizer *tokenizer;
    assert_true(tokenizer_open(CHECKPOINT, &tokenizer, &folder->error));
    struct token_list prompt_ids = {0};
    assert_true(tokenizer_encode(tokenizer, text, strlen(text), true, &prompt_ids, &folder->error));
    uint32_t count = (uint32_t)prompt_ids.count;
    ids->ids = calloc(count + max_tokens, sizeof *ids->ids);
    assert_non_null(ids->ids);
    memcpy(ids->ids, prompt_ids.ids, count * sizeof *ids->ids);
    for (ids->count = count; ids->count < count + max_tokens; ids->count++)
        ids->ids[ids->count] = fake_next_token(ids->ids, (uint32_t)ids->count);
    assert_true(tokenizer_decode(tokenizer, ids->ids + count, max_tokens, true, expected,
                                 expected_bytes, &folder->error));
    token_list_free(&prompt_ids);
    tokenizer_close(tokenizer);
}

static void text_is_continued(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_with_text(folder);
    assert_true(monogen_has_tokenizer(model));
    static const char *const texts[] = {"Emma was", "", "She said: \xe2\x80\x9cno"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct token_list ids = {0};
        char *expected;
        size_t expected_bytes;
        expected_text(folder, texts[i], 20, &ids, &expected, &expected_bytes);
        struct seen seen = {0};
        struct monogen_request request = {.text = texts[i], .max_tokens = 20};
        generate(folder, model, &request, &seen, NULL);
        assert_memory_equal(seen.tokens, ids.ids + ids.count - 20, 20 * sizeof(uint32_t));
        assert_int_equal(seen.text_bytes, expected_bytes);
        assert_memory_equal(seen.text, expected, expected_bytes);
        free(expected);
        token_list_free(&ids);
    }
    monogen_close(model);
}

static void the_example_program_prints_the_text(void **state) {
    struct kernel_folder *folder = *state;
    monogen_close(open_with_text(folder));
    char program[PATH_MAX], command[4 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(length > 0);
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(command, sizeof command, "%s/example_generate %s %s 'Emma was' 20 2>%s/log", program,
             folder->path, CHECKPOINT, folder->path);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    char printed[4096];
    size_t printed_bytes = fread(printed, 1, sizeof printed, output);
    assert_int_equal(pclose(output), 0);
    struct token_list ids = {0};
    char *expected;
    size_t expected_bytes;
    expected_text(folder, "Emma was", 20, &ids, &expected, &expected_bytes);
    assert_int_equal(printed_bytes, expected_bytes);
    assert_memory_equal(printed, expected, expected_bytes);
    free(expected);
    token_list_free(&ids);
}

static void logits_follow_each_token(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_random(folder);
    static float logits[3][FAKE_VOCAB];
    if (!monogen_logits(model, prompt, 3, &logits[0][0], &folder->error))
        fail_msg("%s", folder->error.message);
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t v = 0; v < FAKE_VOCAB; v++)
            assert_true(logits[i][v] == fake_logit(prompt, i + 1, v));
    struct seen seen = {0}; // the context is that of the tokens
    struct monogen_request request = {
        .tokens = prompt, .token_count = 1, .max_tokens = 2, .keep_context = true};
    generate(folder, model, &request, &seen, NULL);
    uint32_t all[FAKE_CONTEXT + 1] = {3, 50, 700, 3};
    expect_continuation(all, 4, &seen);
    static const uint32_t outside = FAKE_VOCAB;
    assert_false(monogen_logits(model, &outside, 1, &logits[0][0], &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "outside the vocabulary");
    monogen_close(model);
}

// The fake kernel's KV cache holds what it adds up: random values change the tokens that follow.
static void a_context_can_be_filled(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_random(folder);
    const struct monogen_request request = {
        .tokens = prompt, .token_count = 1, .max_tokens = 4, .keep_context = true};
    uint32_t seen_tokens[3][4];
    for (uint64_t round = 0; round < 3; round++) {
        struct seen seen = {0};
        struct monogen_result result;
        if (!monogen_fill_context(model, 0, 40, round / 2, &folder->error)) // seeds 0, 0, 1
            fail_msg("%s", folder->error.message);
        generate(folder, model, &request, &seen, &result);
        assert_int_equal(result.prompt_tokens, 1);
        assert_int_equal(seen.count, 4);
        memcpy(seen_tokens[round], seen.tokens, sizeof seen_tokens[round]);
    }
    assert_memory_equal(seen_tokens[0], seen_tokens[1], sizeof seen_tokens[0]);
    assert_memory_not_equal(seen_tokens[0], seen_tokens[2], sizeof seen_tokens[0]);

    // What a launch wrote can be filled again; then a text goes on as it did at first.
    struct seen seen = {0};
    assert_true(monogen_fill_context(model, 0, 40, 0, &folder->error));
    assert_true(monogen_fill_context(model, 20, 20, 0, &folder->error));
    generate(folder, model, &request, &seen, NULL); // writes positions 20 to 23
    assert_true(monogen_fill_context(model, 20, 40, 0, &folder->error));
    seen = (struct seen){0};
    generate(folder, model, &request, &seen, NULL);
    assert_memory_equal(seen_tokens[0], seen.tokens, sizeof seen_tokens[0]);

    assert_true(monogen_fill_context(model, 0, FAKE_CONTEXT - 1, 0, &folder->error));
    assert_false(monogen_fill_context(model, 0, FAKE_CONTEXT, 0, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "leaves room for a token");
    assert_false(monogen_fill_context(model, 3, 2, 0, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, "positions 3 to 2");
    monogen_close(model);
}

static void the_weights_are_swept(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_random(folder);
    double seconds = 0;
    size_t bytes = 0;
    if (!monogen_sweep(model, &seconds, &bytes, &folder->error))
        fail_msg("%s", folder->error.message);
    assert_int_equal(bytes, 4416);
    assert_true(seconds > 0);
    monogen_close(model);
}

static void two_models_are_independent(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *models[2] = {open_random(folder), open_random(folder)};
    uint32_t all[2][FAKE_CONTEXT + 1] = {{3, 50, 700}, {50, 700}};
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < 2; i++) {
            struct seen seen = {0};
            struct monogen_request request = {.tokens = round ? NULL : prompt + i,
                                              .token_count = round ? 0 : 3 - i,
                                              .max_tokens = 5,
                                              .keep_context = round > 0};
            generate(folder, models[i], &request, &seen, NULL);
            expect_continuation(all[i], 3 - i + 5 * round, &seen);
        }
    monogen_close(models[0]);
    monogen_close(models[1]);
}

static void expect_refused(struct kernel_folder *folder, struct monogen *model,
                           const struct monogen_request *request, enum monogen_status status,
                           const char *message) {
    struct seen seen = {0};
    assert_false(monogen_generate(model, request, see, &seen, NULL, &folder->error));
    kernel_folder_expect_error(folder, status, message);
    assert_int_equal(seen.count, 0);
}

static void bad_requests_are_refused(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen *model = open_random(folder);
    static const uint32_t ids[FAKE_CONTEXT + 1] = {0}, outside[2] = {5, FAKE_VOCAB};
    expect_refused(folder, model, &(struct monogen_request){.max_tokens = 1}, MONOGEN_BAD_INPUT,
                   "the prompt has no token");
    expect_refused(folder, model,
                   &(struct monogen_request){.tokens = outside, .token_count = 2, .max_tokens = 1},
                   MONOGEN_BAD_INPUT, "token 2048 of the prompt is outside the vocabulary of 2048");
    expect_refused(
        folder, model,
        &(struct monogen_request){.tokens = ids, .token_count = FAKE_CONTEXT + 1, .max_tokens = 1},
        MONOGEN_BAD_INPUT, "the prompt has 65 tokens, the context of 64 has room for 64 more");
    expect_refused(
        folder, model,
        &(struct monogen_request){.text = "a", .tokens = ids, .token_count = 1, .max_tokens = 1},
        MONOGEN_BAD_USAGE, "not both");
    expect_refused(folder, model, &(struct monogen_request){.text = "a", .max_tokens = 1},
                   MONOGEN_BAD_INPUT, "there is no tokenizer");
    struct seen seen = {0}; // and the model still works
    struct monogen_request good = {.tokens = ids, .token_count = FAKE_CONTEXT, .max_tokens = 9};
    generate(folder, model, &good, &seen, NULL);
    assert_int_equal(seen.count, 1);
    monogen_close(model);
}

static void a_bad_tokenizer_is_an_error_of_text_alone(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set(folder, "weights.regions", "[]");
    kernel_folder_set(folder, "vectors", "[]");
    kernel_folder_write_tensors(folder, "model.safetensors", NULL, 0);
    kernel_folder_write(folder, "tokenizer.json", "{", 1);
    struct monogen *model = try_open(folder, folder->path);
    if (!model)
        fail_msg("%s", folder->error.message);
    assert_false(monogen_has_tokenizer(model));
    expect_refused(folder, model, &(struct monogen_request){.text = "a", .max_tokens = 1},
                   MONOGEN_BAD_INPUT, "tokenizer.json");
    struct seen seen = {0};
    struct monogen_request request = {.tokens = prompt, .token_count = 3, .max_tokens = 2};
    generate(folder, model, &request, &seen, NULL);
    assert_int_equal(seen.count, 2);
    monogen_close(model);
}

static void a_fault_ends_a_model(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set(folder, "kernel.symbol", "\"fake_faulty\"");
    struct monogen *model = open_random(folder);
    struct monogen_request request = {.tokens = prompt, .token_count = 3, .max_tokens = 2};
    expect_refused(folder, model, &request, MONOGEN_NO_ENVIRONMENT, "a hand-off never came");
    expect_refused(folder, model, &request, MONOGEN_BAD_USAGE, "an earlier launch failed");
    monogen_close(model);
}

static void expect_not_opened(struct kernel_folder *folder, struct monogen_options options,
                              enum monogen_status status, const char *message) {
    assert_null(monogen_open(&options, &folder->error));
    kernel_folder_expect_error(folder, status, message);
}

static void what_cannot_be_opened_is_named(void **state) {
    struct kernel_folder *folder = *state;
    struct monogen_options options = {.kernel_folder = folder->path};
    expect_not_opened(folder, options, MONOGEN_BAD_INPUT, "7-manifest.json: No such file");
    kernel_folder_write_manifest(folder);
    expect_not_opened(folder, (struct monogen_options){0}, MONOGEN_BAD_USAGE, "kernel folder");
    options.handoff_timeout_seconds = -1;
    expect_not_opened(folder, options, MONOGEN_BAD_USAGE, "timeout");
    options.handoff_timeout_seconds = 0;
    options.device = "hip";
    expect_not_opened(folder, options, MONOGEN_BAD_INPUT,
                      "the kernel is for device \"host\", not \"hip\"");
    options.device = "abacus";
    expect_not_opened(folder, options, MONOGEN_BAD_USAGE, "there is no device \"abacus\"");
    options.device = "host";
    options.weights_folder = "/nowhere";
    expect_not_opened(folder, options, MONOGEN_BAD_INPUT, "/nowhere/model.safetensors");
    options.weights_folder = CHECKPOINT;
    expect_not_opened(folder, options, MONOGEN_BAD_INPUT, "there is no tensor");
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, kernel_folder_open, kernel_folder_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ids_are_continued),          TEST(a_kept_context_goes_on),
        TEST(a_full_context_ends_a_text), TEST(a_stop_token_ends_a_text),
        TEST(text_is_continued),          TEST(the_example_program_prints_the_text),
        TEST(logits_follow_each_token),   TEST(two_models_are_independent),
        TEST(a_context_can_be_filled),    TEST(the_weights_are_swept),
        TEST(bad_requests_are_refused),   TEST(a_bad_tokenizer_is_an_error_of_text_alone),
        TEST(a_fault_ends_a_model),       TEST(what_cannot_be_opened_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
