#include "runtime/session.h"

#include "runtime/kernel_control.h"
#include "runtime/kernel_trace.h"
#include "runtime/rope_table.h"

#include <string.h>

bool session_allocate(struct session *session, enum kernel_argument argument, size_t bytes,
                      enum memory_kind kind, struct monogen_error *error) {
    struct device_memory *memory = &session->memories[argument];
    if (memory->bytes >= bytes)
        return true;
    if (memory->bytes)
        session->backend->release(session->device, memory);
    bool allocated = session->backend->allocate(session->device, bytes, kind, memory, error);
    if (!allocated)
        *memory = (struct device_memory){0};
    return allocated;
}

// A memory that every session has. Logits come when they are asked for.
struct need {
    enum kernel_argument argument;
    size_t bytes;
    enum memory_kind kind;
};
enum { NEEDS = 10 };

static void list_needs(const struct manifest *manifest, struct need needs[NEEDS]) {
    const struct manifest_memory *memory = &manifest->memory;
    const size_t positions = manifest->model.context;
    const struct need list[NEEDS] = {
        {ARGUMENT_weights, memory->weights_bytes, MEMORY_STREAMED},
        {ARGUMENT_vectors, memory->vectors_bytes, MEMORY_DEVICE},
        {ARGUMENT_kv, memory->kv_bytes, MEMORY_DEVICE},
        {ARGUMENT_mailboxes, memory->mailbox_pairs * sizeof(uint64_t), MEMORY_DEVICE},
        {ARGUMENT_rope, rope_tables_bytes(manifest), MEMORY_DEVICE},
        {ARGUMENT_prompt, positions * sizeof(uint32_t), MEMORY_DEVICE},
        {ARGUMENT_token_ring, positions * sizeof(uint64_t), MEMORY_HOST_VISIBLE},
        {ARGUMENT_stop, sizeof(uint32_t), MEMORY_HOST_VISIBLE},
        {ARGUMENT_control, sizeof(struct kernel_control), MEMORY_DEVICE},
        {ARGUMENT_trace, manifest_trace_records(manifest) * sizeof(struct kernel_trace_record),
         MEMORY_DEVICE},
    };
    memcpy(needs, list, sizeof list);
}

size_t session_device_bytes(const struct manifest *manifest) {
    struct need needs[NEEDS];
    size_t bytes = 0;
    list_needs(manifest, needs);
    for (size_t i = 0; i < NEEDS; i++)
        bytes += needs[i].kind == MEMORY_HOST_VISIBLE ? 0 : needs[i].bytes;
    return bytes;
}

static bool allocate_all(struct session *session, struct monogen_error *error) {
    struct need needs[NEEDS];
    list_needs(session->manifest, needs);
    for (size_t i = 0; i < NEEDS; i++)
        if (!session_allocate(session, needs[i].argument, needs[i].bytes, needs[i].kind, error))
            return false;
    return true;
}

// The threads of the host share its processors, so that a wait there may be long without a fault.
static double default_timeout_seconds(const struct backend *backend) {
    return backend->uses_processors ? 20 : 2;
}

bool session_open(struct session *session, struct manifest *manifest, const char *kernel_folder,
                  const struct weight_source *source, const struct session_options *options,
                  struct monogen_error *error) {
    *session = (struct session){.manifest = manifest};
    // Memory is zeroed at first: an epoch of 0 must not look like one of the first launch.
    session->epoch_base = manifest->kernel.epochs_per_step;
    session->backend =
        options->backend ? options->backend : backend_by_name(manifest->target.backend);
    if (!session->backend) {
        monogen_fail(error, MONOGEN_BAD_INPUT, "%s: there is no device \"%s\"", kernel_folder,
                     manifest->target.backend);
        goto failed;
    }
    session->timeout_seconds = options->timeout_seconds > 0
                                   ? options->timeout_seconds
                                   : default_timeout_seconds(session->backend);
    session->device = session->backend->open(manifest, kernel_folder, options->device_seed, error);
    if (!session->device || !allocate_all(session, error))
        goto failed;
    if (!weights_load(manifest, source, session->backend, session->device,
                      &session->memories[ARGUMENT_weights], &session->memories[ARGUMENT_vectors],
                      error) ||
        !rope_tables_load(manifest, session->backend, session->device,
                          &session->memories[ARGUMENT_rope], error))
        goto failed;
    return true;
failed:
    session_close(session);
    return false;
}

void session_close(struct session *session) {
    if (session->device) {
        for (int i = 0; i < ARGUMENT_COUNT; i++)
            if (session->memories[i].bytes)
                session->backend->release(session->device, &session->memories[i]);
        session->backend->close(session->device);
    }
    manifest_close(session->manifest);
    *session = (struct session){0};
}
