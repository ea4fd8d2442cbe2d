// Session: a kernel on an open device with all that its arguments point to, and its launches.
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "runtime/backend/backend.h"
#include "runtime/kernel_arguments.h"
#include "runtime/manifest.h"
#include "runtime/weights.h"

#include <stdbool.h>
#include <stdint.h>

struct session {
    struct manifest *manifest;
    const struct backend *backend;
    struct device *device;
    struct device_memory memories[ARGUMENT_COUNT]; // of the arguments that are addresses
    double timeout_seconds;                        // of every wait inside the kernel
    uint32_t epoch_base;                           // of the next launch
    uint32_t launched_epoch_base;                  // of the newest one
    bool faulted;                                  // no launch can be trusted any more
};

struct session_options {
    const struct backend *backend; // NULL: the one that the manifest names
    uint64_t device_seed;          // of what the device varies from run to run
    double timeout_seconds;        // of every wait inside the kernel; 0: the device's default
};

// Opens the manifest's device, loads the kernel, allocates, and loads weights and rotary table.
// Takes the manifest over, also where it fails. False after filling *error; the session is then
// closed.
bool session_open(struct session *session, struct manifest *manifest, const char *kernel_folder,
                  const struct weight_source *source, const struct session_options *options,
                  struct monogen_error *error);
void session_close(struct session *session); // {0} is fine

// Bytes of device memory that session_open allocates. Launches that export logits need more.
size_t session_device_bytes(const struct manifest *manifest);

// Makes memories[argument] at least `bytes` large; what it held is lost if it grows. False after
// filling *error: no memory.
bool session_allocate(struct session *session, enum kernel_argument argument, size_t bytes,
                      enum memory_kind kind, struct monogen_error *error);

struct launch {
    const uint32_t *prompt;  // [prompt_tokens] ids below vocab
    uint32_t prompt_tokens;  // at least 1
    uint32_t first_position; // of prompt[0]
    uint32_t max_tokens;     // first_position + prompt_tokens + max_tokens - 1 <= context
    float *logits;           // NULL, or room for [prompt_tokens][vocab]; then max_tokens is 0
    bool (*on_token)(void *context, uint32_t token); // returns false to stop
    void *context;
};

struct launch_result {
    uint32_t tokens; // given to on_token
    bool stopped;    // by on_token
    double first_token_seconds, total_seconds;
};

// Runs the kernel once and gives each token to on_token as it arrives. Returns when the kernel has
// ended. False after filling *error: the launch failed, or the kernel reported a fault or did not
// keep the protocol; the session is faulted then.
bool session_launch(struct session *session, const struct launch *launch,
                    struct launch_result *result, struct monogen_error *error);

#endif
