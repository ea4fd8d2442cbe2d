// One launch: the argument block, the token ring while the kernel runs, the control block after it.
#include "runtime/session.h"

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/kernel_control.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPINS_BEFORE_SLEEP = 200 };

// Waits a little: `attempts` without news so far, for `quiet_seconds`; usual_seconds: between
// tokens so far, 0 where that is not known. Where the kernel runs on our own processors every look
// costs it time, so there are few: each waits half as long again as it has been quiet, but not so
// long that a token would be seen late by more than an eighth of its own time.
static void wait_politely(const struct backend *backend, unsigned attempts, double quiet_seconds,
                          double usual_seconds) {
    const bool shared = backend->uses_processors;
    if (!shared && attempts < SPINS_BEFORE_SLEEP) {
        sched_yield();
        return;
    }
    const double shortest = 20e-6, eighth = usual_seconds / 8;
    const double longest = shared && usual_seconds > 0 ? (eighth < 1e-3 ? eighth : 1e-3) : 200e-6;
    double seconds = quiet_seconds / 2 < longest ? quiet_seconds / 2 : longest;
    seconds = seconds > shortest ? seconds : shortest;
    nanosleep(&(struct timespec){.tv_nsec = (long)(seconds * 1e9)}, NULL);
}

// Between tokens so far; the first one also waited for the prompt.
static double usual_seconds(const struct launch_result *result) {
    return result->tokens > 1
               ? (result->total_seconds - result->first_token_seconds) / (result->tokens - 1)
               : 0;
}

// Epochs by which a launch can advance.
static uint64_t epochs_of(const struct session *session, const struct launch *launch) {
    return (uint64_t)(launch->prompt_tokens + launch->max_tokens + 1ULL) *
           session->manifest->kernel.epochs_per_step;
}

// Before the epochs would begin again, everything that carries an old one is forgotten.
static bool renew_epochs(struct session *session, const struct launch *launch,
                         struct monogen_error *error) {
    if (session->epoch_base + epochs_of(session, launch) <= UINT32_MAX)
        return true;
    const struct device_memory *ring = &session->memories[ARGUMENT_token_ring];
    memset(ring->host, 0, ring->bytes);
    session->epoch_base = session->manifest->kernel.epochs_per_step;
    return session->backend->zero(session->device, &session->memories[ARGUMENT_mailboxes], error);
}

static bool prepare(struct session *session, const struct launch *launch,
                    struct monogen_error *error) {
    const struct backend *backend = session->backend;
    struct device *device = session->device;
    size_t logits_bytes =
        (size_t)launch->prompt_tokens * session->manifest->model.vocab * sizeof(float);
    if (!renew_epochs(session, launch, error))
        return false;
    if (launch->logits &&
        !session_allocate(session, ARGUMENT_logits, logits_bytes, MEMORY_DEVICE, error))
        return false;
    uint32_t *stop = session->memories[ARGUMENT_stop].host;
    __atomic_store_n(stop, 0, __ATOMIC_RELEASE);
    return backend->zero(device, &session->memories[ARGUMENT_control], error) &&
           backend->upload(device, &session->memories[ARGUMENT_prompt], 0, launch->prompt,
                           launch->prompt_tokens * sizeof *launch->prompt, error);
}

static bool start(struct session *session, const struct launch *launch,
                  struct monogen_error *error) {
    const struct manifest_kernel *kernel = &session->manifest->kernel;
    uint64_t values[ARGUMENT_COUNT];
    for (int i = 0; i < ARGUMENT_COUNT; i++)
        values[i] = session->memories[i].device_address;
    values[ARGUMENT_timeout_ns] = (uint64_t)(session->timeout_seconds * 1e9);
    values[ARGUMENT_first_position] = launch->first_position;
    values[ARGUMENT_prompt_tokens] = launch->prompt_tokens;
    values[ARGUMENT_max_tokens] = launch->max_tokens;
    values[ARGUMENT_epoch_base] = session->epoch_base;
    values[ARGUMENT_export_logits] = launch->logits != NULL;
    void *block = malloc(kernel->argument_block_bytes);
    if (!block)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    kernel_arguments_write(kernel, values, block);
    bool started =
        session->backend->launch(session->device, block, kernel->argument_block_bytes, error);
    free(block);
    return started;
}

// Whether generated token `index` is in the ring: its epoch is the base of the step that follows
// the one that chose it.
static bool token_arrived(const struct session *session, const struct launch *launch,
                          uint32_t index, uint32_t *token) {
    const uint64_t *ring = session->memories[ARGUMENT_token_ring].host;
    uint32_t epoch = session->epoch_base +
                     (launch->prompt_tokens + index) * session->manifest->kernel.epochs_per_step;
    uint64_t pair = __atomic_load_n(&ring[index], __ATOMIC_ACQUIRE);
    *token = (uint32_t)pair;
    return pair >> 32 == epoch;
}

static void ask_to_stop(struct session *session) {
    uint32_t *stop = session->memories[ARGUMENT_stop].host;
    __atomic_store_n(stop, 1, __ATOMIC_RELEASE);
}

// Gives tokens to on_token until the kernel has ended. After an error too it waits for that end,
// for the kernel uses the session's memories until then.
static bool follow(struct session *session, const struct launch *launch, double started,
                   struct launch_result *result, struct monogen_error *error) {
    bool ended = false, sound = true;
    double news_seconds = started; // when the newest token came
    for (unsigned attempts = 0;;) {
        uint32_t token;
        if (sound && !result->stopped && result->tokens < launch->max_tokens &&
            token_arrived(session, launch, result->tokens, &token)) {
            attempts = 0;
            news_seconds = clock_seconds(CLOCK_MONOTONIC);
            result->total_seconds = news_seconds - started;
            if (result->tokens == 0)
                result->first_token_seconds = result->total_seconds;
            if (token >= session->manifest->model.vocab) {
                sound =
                    monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                                 "the kernel chose token %" PRIu32 " of a vocabulary of %" PRIu32,
                                 token, session->manifest->model.vocab);
                ask_to_stop(session);
                continue;
            }
            result->tokens++;
            if (!launch->on_token(launch->context, token)) {
                result->stopped = true;
                ask_to_stop(session);
            }
            continue;
        }
        if (ended)
            return sound;
        switch (session->backend->poll(session->device, sound ? error : NULL)) {
        case LAUNCH_FAILED:
            return false;
        case LAUNCH_DONE:
            ended = true; // what it wrote last is in the ring now
            break;
        case LAUNCH_RUNNING:
            wait_politely(session->backend, attempts++,
                          clock_seconds(CLOCK_MONOTONIC) - news_seconds, usual_seconds(result));
            break;
        }
    }
}

// Reads the control block and compares what the kernel says with what came.
static bool check_end(struct session *session, const struct launch *launch,
                      const struct launch_result *result, struct monogen_error *error) {
    struct kernel_control control;
    if (!session->backend->download(session->device, &control, &session->memories[ARGUMENT_control],
                                    0, sizeof control, error))
        return false;
    if (control.fault != KERNEL_FAULT_NONE)
        return fault_fail(session->manifest, &control, session->timeout_seconds, error);
    if (control.ended != 1)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel ended without leaving its decode loop");
    if (control.tokens > launch->max_tokens ||
        (result->stopped ? control.tokens < result->tokens : control.tokens != result->tokens))
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel says that it generated %u tokens of at most %" PRIu32
                            ", but %" PRIu32 " came",
                            control.tokens, launch->max_tokens, result->tokens);
    const uint64_t *ring = session->memories[ARGUMENT_token_ring].host;
    if (!result->stopped && result->tokens < launch->max_tokens &&
        (result->tokens == 0 ||
         !manifest_is_stop_token(session->manifest, (uint32_t)ring[result->tokens - 1])))
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "the kernel ended after %" PRIu32 " of %" PRIu32
                            " tokens without a stop token",
                            result->tokens, launch->max_tokens);
    return true;
}

static bool run(struct session *session, const struct launch *launch, struct launch_result *result,
                struct monogen_error *error) {
    if (!prepare(session, launch, error))
        return false;
    double started = clock_seconds(CLOCK_MONOTONIC);
    if (!start(session, launch, error) || !follow(session, launch, started, result, error) ||
        !check_end(session, launch, result, error))
        return false;
    if (result->tokens == 0)
        result->total_seconds = clock_seconds(CLOCK_MONOTONIC) - started;
    session->launched_epoch_base = session->epoch_base;
    session->epoch_base += (uint32_t)epochs_of(session, launch);
    size_t logits_bytes =
        (size_t)launch->prompt_tokens * session->manifest->model.vocab * sizeof(float);
    return !launch->logits ||
           session->backend->download(session->device, launch->logits,
                                      &session->memories[ARGUMENT_logits], 0, logits_bytes, error);
}

bool session_launch(struct session *session, const struct launch *launch,
                    struct launch_result *result, struct monogen_error *error) {
    *result = (struct launch_result){0};
    if (session->faulted)
        return monogen_fail(error, MONOGEN_BAD_USAGE,
                            "an earlier launch failed: close the model and open it again");
    session->faulted = !run(session, launch, result, error);
    return !session->faulted;
}
