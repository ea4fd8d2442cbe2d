#include "runtime/session.h"
#include "tests/runtime/fake_kernel.h"
#include "tests/support/kernel_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Tokens as they came, and when to stop.
struct seen {
    uint32_t tokens[FAKE_CONTEXT];
    uint32_t count, stop_after; // 0: never
};

static bool see(void *context, uint32_t token) {
    struct seen *seen = context;
    assert_true(seen->count < FAKE_CONTEXT);
    seen->tokens[seen->count++] = token;
    return seen->count != seen->stop_after;
}

static void open_session(struct kernel_folder *folder, const char *symbol, double timeout_seconds,
                         struct session *session) {
    json_object_set_new(kernel_folder_at(folder, "kernel"), "symbol", json_string(symbol));
    kernel_folder_write_manifest(folder);
    struct manifest *manifest = manifest_open(folder->path, &folder->error);
    if (!manifest)
        fail_msg("%s", folder->error.message);
    if (!session_open(session, manifest, folder->path, &(struct weight_source){0},
                      &(struct session_options){.timeout_seconds = timeout_seconds},
                      &folder->error))
        fail_msg("%s", folder->error.message);
}

static const uint32_t prompt[4] = {3, 50, 700, 9};

static bool launch_prompt(struct session *session, uint32_t prompt_tokens, uint32_t max_tokens,
                          struct seen *seen, struct launch_result *result,
                          struct monogen_error *error) {
    struct launch launch = {.prompt = prompt,
                            .prompt_tokens = prompt_tokens,
                            .max_tokens = max_tokens,
                            .on_token = see,
                            .context = seen};
    return session_launch(session, &launch, result, error);
}

// Fails the test unless these are the tokens that follow the first prompt_tokens of the prompt.
static void expect_tokens(const struct seen *seen, uint32_t prompt_tokens, uint32_t count) {
    uint32_t all[FAKE_CONTEXT + 1];
    assert_int_equal(seen->count, count);
    memcpy(all, prompt, prompt_tokens * sizeof *all);
    for (uint32_t i = 0; i < count; i++) {
        all[prompt_tokens + i] = fake_next_token(all, prompt_tokens + i);
        if (seen->tokens[i] != all[prompt_tokens + i])
            fail_msg("token %u is %u, expected %u", i, seen->tokens[i], all[prompt_tokens + i]);
    }
}

static void tokens_come_in_order(void **state) {
    struct kernel_folder *folder = *state;
    struct session session;
    open_session(folder, "fake_echo", 0, &session);
    assert_true(session.timeout_seconds == 20);
    for (uint32_t prompt_tokens = 1; prompt_tokens <= 4; prompt_tokens++) {
        struct seen seen = {0};
        struct launch_result result;
        if (!launch_prompt(&session, prompt_tokens, 10, &seen, &result, &folder->error))
            fail_msg("%s", folder->error.message);
        expect_tokens(&seen, prompt_tokens, 10);
        assert_int_equal(result.tokens, 10);
        assert_false(result.stopped);
        assert_true(result.first_token_seconds > 0);
        assert_true(result.total_seconds >= result.first_token_seconds);
    }
    session_close(&session);
}

// What is allocated is what the manifest makes one expect; logits come when they are asked for.
static void device_memory_is_counted(void **state) {
    struct kernel_folder *folder = *state;
    struct session session;
    open_session(folder, "fake_echo", 0, &session);
    const size_t expected = session_device_bytes(session.manifest);
    // weights, vectors, KV, mailboxes, rotary tables, prompt; then the control block
    const size_t told = 4416 + 224 + 256 + 32 * 8 + (64 * 2 + 65) * 8 + 64 * 4;
    assert_in_range(expected, told + 1, told + 256);
    struct device_usage usage = session.backend->usage(session.device);
    assert_int_equal(usage.bytes, expected);
    assert_int_equal(usage.most_bytes, expected);

    static float logits[4][FAKE_VOCAB];
    for (uint32_t count = 1; count <= 4; count++) {
        struct launch launch = {.prompt = prompt, .prompt_tokens = count, .logits = &logits[0][0]};
        struct launch_result result;
        assert_true(session_launch(&session, &launch, &result, &folder->error));
        usage = session.backend->usage(session.device);
        assert_int_equal(usage.bytes, expected + count * sizeof logits[0]);
        assert_int_equal(usage.most_bytes, usage.bytes);
    }
    session.backend->release(session.device, &session.memories[ARGUMENT_logits]);
    usage = session.backend->usage(session.device);
    assert_int_equal(usage.bytes, expected);
    assert_int_equal(usage.most_bytes, expected + sizeof logits);
    session_close(&session);
}

static void epochs_grow_by_what_a_launch_may_use_and_wrap(void **state) {
    struct kernel_folder *folder = *state;
    struct session session;
    open_session(folder, "fake_echo", 0, &session);
    assert_int_equal(session.epoch_base, FAKE_EPOCHS_PER_STEP);
    session.epoch_base = UINT32_MAX - 30;
    struct seen seen = {0};
    struct launch_result result;
    assert_true(launch_prompt(&session, 4, 10, &seen, &result, &folder->error));
    expect_tokens(&seen, 4, 10);
    // What carried old epochs is forgotten, and they begin again.
    assert_int_equal(session.epoch_base,
                     FAKE_EPOCHS_PER_STEP + (4 + 10 + 1) * FAKE_EPOCHS_PER_STEP);
    seen.count = 0;
    assert_true(launch_prompt(&session, 2, 10, &seen, &result, &folder->error));
    expect_tokens(&seen, 2, 10);
    session_close(&session);
}

static void hundreds_of_workgroups_run_at_once(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set_integer(folder, "kernel.workgroups", FAKE_MANY_WORKGROUPS);
    struct session session;
    open_session(folder, "fake_many", 0, &session);
    struct seen seen = {0};
    struct launch_result result;
    if (!launch_prompt(&session, 3, 20, &seen, &result, &folder->error))
        fail_msg("%s", folder->error.message);
    expect_tokens(&seen, 3, 20);
    session_close(&session);
}

static void a_stop_token_ends_a_launch(void **state) {
    struct kernel_folder *folder = *state;
    struct session session;
    open_session(folder, "fake_echo", 0, &session);
    static const uint32_t stopping[2] = {FAKE_VOCAB - 9, 10}; // sum to the stop token
    struct seen seen = {0};
    struct launch launch = {.prompt = stopping,
                            .prompt_tokens = 2,
                            .max_tokens = 10,
                            .on_token = see,
                            .context = &seen};
    struct launch_result result;
    if (!session_launch(&session, &launch, &result, &folder->error))
        fail_msg("%s", folder->error.message);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.tokens[0], FAKE_STOP_TOKEN);
    session_close(&session);
}

// fake_patient waits for the stop word after its third token: tokens come while it runs, or this
// ends in a fault.
static void the_receiver_can_stop_a_running_kernel(void **state) {
    struct kernel_folder *folder = *state;
    struct session session;
    open_session(folder, "fake_patient", 0, &session);
    for (uint32_t stop_after = 1; stop_after <= FAKE_PATIENT_TOKENS; stop_after++) {
        struct seen seen = {.stop_after = stop_after};
        struct launch_result result;
        if (!launch_prompt(&session, 4, 60, &seen, &result, &folder->error))
            fail_msg("%s", folder->error.message);
        expect_tokens(&seen, 4, stop_after);
        assert_true(result.stopped);
    }
    session_close(&session);
}

static void logits_are_exported(void **state) {
    struct kernel_folder *folder = *state;
    struct session session;
    open_session(folder, "fake_echo", 0, &session);
    static float logits[4][FAKE_VOCAB];
    for (uint32_t count = 1; count <= 4; count++) {
        struct launch launch = {.prompt = prompt, .prompt_tokens = count, .logits = &logits[0][0]};
        struct launch_result result;
        memset(logits, 0, sizeof logits);
        if (!session_launch(&session, &launch, &result, &folder->error))
            fail_msg("%s", folder->error.message);
        assert_int_equal(result.tokens, 0);
        for (uint32_t i = 0; i < 4; i++)
            for (uint32_t v = 0; v < FAKE_VOCAB; v += 511)
                assert_true(logits[i][v] == (i < count ? fake_logit(prompt, i + 1, v) : 0));
    }
    session_close(&session);
}

static void expect_failure(struct kernel_folder *folder, const char *symbol, double timeout_seconds,
                           const char *message) {
    struct session session;
    open_session(folder, symbol, timeout_seconds, &session);
    struct seen seen = {0};
    struct launch_result result;
    assert_false(launch_prompt(&session, 4, 10, &seen, &result, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_NO_ENVIRONMENT, message);
    assert_false(launch_prompt(&session, 4, 10, &seen, &result, &folder->error));
    kernel_folder_expect_error(folder, MONOGEN_BAD_USAGE, "an earlier launch failed");
    session_close(&session);
}

static void a_fault_is_told_in_the_names_of_the_plan(void **state) {
    expect_failure(*state, "fake_faulty", 0,
                   "CU 17 waited at position 12 in step 2 (layer 0 gate_up) for pair 4 of mailbox "
                   "qkv (epoch 345, saw 340) for 20 s: a hand-off never came");
}

static void roles_that_do_not_fit_are_told(void **state) {
    expect_failure(*state, "fake_crowded", 0, "XCD 3 got 40 workgroups, the kernel has 38 roles");
}

static void the_bound_of_waits_is_the_callers(void **state) {
    expect_failure(*state, "fake_patient", 0.05, "for 0.05 s: a hand-off never came");
}

static void tokens_that_never_come_are_an_error(void **state) {
    expect_failure(*state, "fake_silent", 0,
                   "the kernel says that it generated 10 tokens of at most 10, but 0 came");
}

static void an_end_without_a_reason_is_an_error(void **state) {
    expect_failure(*state, "fake_short", 0, "ended after 1 of 10 tokens without a stop token");
}

static void an_end_outside_the_decode_loop_is_an_error(void **state) {
    expect_failure(*state, "fake_absent", 0, "ended without leaving its decode loop");
}

static void a_token_outside_the_vocabulary_is_an_error(void **state) {
    expect_failure(*state, "fake_rogue", 0, "chose token 2048 of a vocabulary of 2048");
}

static void expect_not_opened(struct kernel_folder *folder, enum monogen_status status,
                              const char *message) {
    kernel_folder_write_manifest(folder);
    struct manifest *manifest = manifest_open(folder->path, &folder->error);
    if (!manifest)
        fail_msg("%s", folder->error.message);
    struct session session;
    assert_false(session_open(&session, manifest, folder->path, &(struct weight_source){0},
                              &(struct session_options){0}, &folder->error));
    kernel_folder_expect_error(folder, status, message);
    session_close(&session);
}

static void what_cannot_be_opened_is_named(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set(folder, "kernel.symbol", "\"nothing\"");
    expect_not_opened(folder, MONOGEN_BAD_INPUT, "has no kernel \"nothing\"");
    kernel_folder_set(folder, "kernel.object", "\"absent.so\"");
    expect_not_opened(folder, MONOGEN_BAD_INPUT, "absent.so");
    kernel_folder_write(folder, "text.so", "text", 4);
    kernel_folder_set(folder, "kernel.object", "\"text.so\"");
    expect_not_opened(folder, MONOGEN_BAD_INPUT, "text.so");
    kernel_folder_set(folder, "target.backend", "\"abacus\"");
    expect_not_opened(folder, MONOGEN_BAD_INPUT, "there is no device \"abacus\"");
}

static void a_memory_that_the_machine_lacks_is_an_error(void **state) {
    struct kernel_folder *folder = *state;
    kernel_folder_set_integer(folder, "memory.kv_bytes", 1LL << 46);
    kernel_folder_write_manifest(folder);
    struct manifest *manifest = manifest_open(folder->path, &folder->error);
    assert_non_null(manifest);
    struct session session;
    // Where the system promises more memory than it has, this opens: pages are never touched.
    if (session_open(&session, manifest, folder->path, &(struct weight_source){0},
                     &(struct session_options){0}, &folder->error)) {
        session_close(&session);
        print_message("the system promises 64 TiB\n");
        skip();
    }
    kernel_folder_expect_error(folder, MONOGEN_NO_ENVIRONMENT, "no memory for 70368744177664");
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, kernel_folder_open, kernel_folder_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tokens_come_in_order),
        TEST(device_memory_is_counted),
        TEST(epochs_grow_by_what_a_launch_may_use_and_wrap),
        TEST(hundreds_of_workgroups_run_at_once),
        TEST(a_stop_token_ends_a_launch),
        TEST(the_receiver_can_stop_a_running_kernel),
        TEST(logits_are_exported),
        TEST(a_fault_is_told_in_the_names_of_the_plan),
        TEST(roles_that_do_not_fit_are_told),
        TEST(the_bound_of_waits_is_the_callers),
        TEST(tokens_that_never_come_are_an_error),
        TEST(an_end_without_a_reason_is_an_error),
        TEST(an_end_outside_the_decode_loop_is_an_error),
        TEST(a_token_outside_the_vocabulary_is_an_error),
        TEST(what_cannot_be_opened_is_named),
        TEST(a_memory_that_the_machine_lacks_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
