// The public interface: prompts, context and text around the launches of a session.
#include "runtime/monogen.h"

#include "runtime/kernel_trace.h"
#include "runtime/random_kv.h"
#include "runtime/safetensors.h"
#include "runtime/session.h"
#include "runtime/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_TIMEOUT_SECONDS 1e6

struct monogen {
    struct session session;
    struct tokenizer *tokenizer; // NULL: none
    struct tokenizer_stream *stream;
    struct monogen_error tokenizer_error; // why a tokenizer.json cannot be used; else status OK

    uint32_t position;      // of the next token in the context
    bool has_pending;       // the newest token was generated, and is not in the KV cache yet
    uint32_t pending_token; // it then opens the next prompt
};

// Opens the checkpoint, which is mapped only while the weights are packed.
static bool open_session(struct monogen *model, const struct monogen_options *options,
                         struct monogen_error *error) {
    struct manifest *manifest = manifest_open(options->kernel_folder, error);
    if (!manifest)
        return false;
    const struct backend *backend = options->device ? backend_by_name(options->device) : NULL;
    if (options->device && (!backend || !backend_runs(backend, manifest->target.backend))) {
        monogen_fail(error, backend ? MONOGEN_BAD_INPUT : MONOGEN_BAD_USAGE,
                     backend ? "%s: the kernel is for device \"%s\", not \"%s\""
                             : "%s: the kernel is for device \"%s\"; there is no device \"%s\"",
                     options->kernel_folder, manifest->target.backend, options->device);
        manifest_close(manifest);
        return false;
    }
    struct weight_source source = {.random_seed = options->random_seed};
    struct safetensors *checkpoint = NULL;
    if (options->weights_folder) {
        checkpoint = safetensors_open_checkpoint(options->weights_folder, error);
        if (!checkpoint) {
            manifest_close(manifest);
            return false;
        }
        source.checkpoint = checkpoint;
    }
    bool opened =
        session_open(&model->session, manifest, options->kernel_folder, &source,
                     &(struct session_options){.backend = backend,
                                               .device_seed = options->device_seed,
                                               .timeout_seconds = options->handoff_timeout_seconds},
                     error);
    safetensors_close(checkpoint);
    return opened;
}

// A tokenizer that cannot be used is an error of the first text, not of a model fed with ids.
static bool open_tokenizer(struct monogen *model, const char *folder, struct monogen_error *error) {
    if (!folder || !tokenizer_open(folder, &model->tokenizer, &model->tokenizer_error))
        return true;
    if (!model->tokenizer)
        return true;
    model->stream = tokenizer_stream_open(model->tokenizer, true, error);
    return model->stream != NULL;
}

struct monogen *monogen_open(const struct monogen_options *options, struct monogen_error *error) {
    double timeout = options->handoff_timeout_seconds;
    if (!options->kernel_folder || !(timeout >= 0 && timeout <= LONGEST_TIMEOUT_SECONDS)) {
        monogen_fail(error, MONOGEN_BAD_USAGE,
                     "a kernel folder is needed, and a hand-off timeout of 0 to %g seconds",
                     LONGEST_TIMEOUT_SECONDS);
        return NULL;
    }
    struct monogen *model = calloc(1, sizeof *model);
    if (!model) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    if (!open_session(model, options, error) ||
        !open_tokenizer(model, options->weights_folder, error)) {
        monogen_close(model);
        return NULL;
    }
    return model;
}

void monogen_close(struct monogen *model) {
    if (!model)
        return;
    tokenizer_stream_close(model->stream);
    tokenizer_close(model->tokenizer);
    session_close(&model->session);
    free(model);
}

// Checks that ids [count] follow `position` within the vocabulary and the context.
static bool check_prompt(const struct monogen *model, const uint32_t *ids, size_t count,
                         uint32_t position, struct monogen_error *error) {
    const struct manifest_model *limits = &model->session.manifest->model;
    if (count == 0)
        return monogen_fail(error, MONOGEN_BAD_INPUT, "the prompt has no token");
    if (count > limits->context - position)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "the prompt has %zu tokens, the context of %" PRIu32
                            " has room for %" PRIu32 " more",
                            count, limits->context, limits->context - position);
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= limits->vocab)
            return monogen_fail(error, MONOGEN_BAD_INPUT,
                                "token %" PRIu32 " of the prompt is outside the vocabulary of "
                                "%" PRIu32,
                                ids[i], limits->vocab);
    return true;
}

// The request's prompt as ids, preceded by the token that is still pending. The caller frees it
// with token_list_free, also after an error.
static bool read_prompt(const struct monogen *model, const struct monogen_request *request,
                        struct token_list *prompt, struct monogen_error *error) {
    if (request->text && request->tokens)
        return monogen_fail(error, MONOGEN_BAD_USAGE, "a prompt is text or token ids, not both");
    struct token_list text = {0};
    const uint32_t *ids = request->tokens;
    size_t count = request->tokens ? request->token_count : 0;
    if (request->text) {
        if (!model->tokenizer && model->tokenizer_error.status != MONOGEN_OK)
            return monogen_fail(error, model->tokenizer_error.status, "%s",
                                model->tokenizer_error.message);
        if (!model->tokenizer)
            return monogen_fail(error, MONOGEN_BAD_INPUT,
                                "there is no tokenizer: give the prompt as token ids");
        if (!tokenizer_encode(model->tokenizer, request->text, strlen(request->text),
                              !request->keep_context, &text, error))
            return false;
        ids = text.ids;
        count = text.count;
    }
    bool pending = request->keep_context && model->has_pending;
    prompt->ids = calloc(count + 1, sizeof *prompt->ids);
    if (prompt->ids) {
        prompt->capacity = count + 1;
        if (pending)
            prompt->ids[prompt->count++] = model->pending_token;
        if (count)
            memcpy(prompt->ids + prompt->count, ids, count * sizeof *ids);
        prompt->count += count;
    }
    token_list_free(&text);
    return prompt->ids || monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
}

// What goes from a launch to the caller's callback.
struct delivery {
    struct monogen *model;
    monogen_token_callback *callback;
    void *context;
    uint32_t max_tokens, delivered, newest;
    bool ended_by_stop_token, failed;
    struct monogen_error *error;
};

static bool append_text(char **whole, size_t *bytes, const char *text, size_t text_bytes,
                        struct monogen_error *error) {
    char *grown = realloc(*whole, *bytes + text_bytes + 1);
    if (!grown)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    if (text_bytes)
        memcpy(grown + *bytes, text, text_bytes);
    *whole = grown;
    *bytes += text_bytes;
    return true;
}

// The text that the token adds; with the last token, also what was held back. The caller frees it,
// also after an error; NULL where there is no tokenizer.
static bool decode_token(const struct delivery *delivery, uint32_t token, bool last, char **whole,
                         size_t *bytes) {
    struct tokenizer_stream *stream = delivery->model->stream;
    struct monogen_error *error = delivery->error;
    const char *text;
    size_t text_bytes;
    return !stream || (tokenizer_stream_push(stream, token, &text, &text_bytes, error) &&
                       append_text(whole, bytes, text, text_bytes, error) &&
                       (!last || (tokenizer_stream_finish(stream, &text, &text_bytes, error) &&
                                  append_text(whole, bytes, text, text_bytes, error))));
}

static bool deliver_token(void *context, uint32_t token) {
    struct delivery *delivery = context;
    delivery->newest = token;
    delivery->delivered++;
    delivery->ended_by_stop_token =
        manifest_is_stop_token(delivery->model->session.manifest, token);
    bool last = delivery->ended_by_stop_token || delivery->delivered == delivery->max_tokens;
    char *text = NULL;
    size_t text_bytes = 0;
    delivery->failed = !decode_token(delivery, token, last, &text, &text_bytes);
    bool go_on =
        !delivery->failed &&
        (!delivery->callback || delivery->callback(delivery->context, token, text, text_bytes));
    free(text);
    return go_on;
}

// The stream sees the prompt too, for what its last bytes and its spaces mean to the text after it.
static bool show_prompt(struct monogen *model, const struct token_list *prompt, size_t first,
                        struct monogen_error *error) {
    const char *text;
    size_t text_bytes;
    for (size_t i = first; model->stream && i < prompt->count; i++)
        if (!tokenizer_stream_push(model->stream, prompt->ids[i], &text, &text_bytes, error))
            return false;
    return true;
}

static bool forget_text(struct monogen *model, struct monogen_error *error) {
    const char *text;
    size_t text_bytes;
    return !model->stream || tokenizer_stream_finish(model->stream, &text, &text_bytes, error);
}

// Reads all but the end of a long prompt, a launch for each part, so that it can be left. *read:
// how many tokens; *seconds: how long it took.
static bool read_parts(struct monogen *model, const struct monogen_request *request,
                       const struct token_list *prompt, uint32_t position, void *context,
                       uint32_t *read, double *seconds, bool *stopped,
                       struct monogen_error *error) {
    enum { PART_TOKENS = 32 };
    *read = 0;
    *seconds = 0;
    while (prompt->count - *read > PART_TOKENS && !*stopped) {
        struct launch launch = {.prompt = prompt->ids + *read,
                                .prompt_tokens = PART_TOKENS,
                                .first_position = position + *read};
        struct launch_result launched;
        if (!session_launch(&model->session, &launch, &launched, error))
            return false;
        *read += PART_TOKENS;
        *seconds += launched.total_seconds;
        *stopped = request->keep_going && !request->keep_going(context);
    }
    return true;
}

static bool generate(struct monogen *model, const struct monogen_request *request,
                     const struct token_list *prompt, uint32_t position, struct delivery *delivery,
                     struct launch_result *launched, struct monogen_error *error) {
    uint32_t count = (uint32_t)prompt->count, read;
    double seconds;
    // The last token needs no position of its own: it is not run.
    uint32_t room = model->session.manifest->model.context - position - count + 1;
    delivery->max_tokens = request->max_tokens < room ? request->max_tokens : room;
    size_t shown = request->keep_context && model->has_pending; // the pending token was given
    if ((!request->keep_context && !forget_text(model, error)) ||
        !show_prompt(model, prompt, shown, error))
        return false;
    if (!read_parts(model, request, prompt, position, delivery->context, &read, &seconds,
                    &launched->stopped, error))
        return false;
    if (launched->stopped) {
        model->has_pending = false;
        model->position = position + read;
        return true;
    }
    struct launch launch = {.prompt = prompt->ids + read,
                            .prompt_tokens = count - read,
                            .first_position = position + read,
                            .max_tokens = delivery->max_tokens,
                            .on_token = deliver_token,
                            .context = delivery};
    if (!session_launch(&model->session, &launch, launched, error) || delivery->failed)
        return false;
    launched->first_token_seconds += seconds;
    launched->total_seconds += seconds;
    model->has_pending = delivery->delivered > 0;
    model->pending_token = delivery->newest;
    model->position = position + count + (model->has_pending ? delivery->delivered - 1 : 0);
    return true;
}

bool monogen_generate(struct monogen *model, const struct monogen_request *request,
                      monogen_token_callback *callback, void *context,
                      struct monogen_result *result, struct monogen_error *error) {
    struct token_list prompt = {0};
    struct launch_result launched = {0};
    struct delivery delivery = {
        .model = model, .callback = callback, .context = context, .error = error};
    uint32_t position = request->keep_context ? model->position : 0;
    bool generated = read_prompt(model, request, &prompt, error) &&
                     check_prompt(model, prompt.ids, prompt.count, position, error) &&
                     generate(model, request, &prompt, position, &delivery, &launched, error);
    if (generated && result)
        *result = (struct monogen_result){
            .prompt_tokens = (uint32_t)prompt.count,
            .generated_tokens = delivery.delivered,
            .first_token_seconds = launched.first_token_seconds,
            .total_seconds = launched.total_seconds,
            .end = launched.stopped               ? MONOGEN_END_CALLBACK
                   : delivery.ended_by_stop_token ? MONOGEN_END_STOP_TOKEN
                                                  : MONOGEN_END_MAX_TOKENS,
        };
    token_list_free(&prompt);
    return generated;
}

static bool run_forced(struct monogen *model, const uint32_t *tokens, size_t count,
                       uint32_t position, float *logits, struct monogen_error *error) {
    if (!check_prompt(model, tokens, count, position, error))
        return false;
    struct launch launch = {.prompt = tokens,
                            .prompt_tokens = (uint32_t)count,
                            .first_position = position,
                            .logits = logits};
    struct launch_result launched;
    if (!session_launch(&model->session, &launch, &launched, error))
        return false;
    model->position = position + (uint32_t)count;
    model->has_pending = false;
    return true;
}

bool monogen_logits(struct monogen *model, const uint32_t *tokens, size_t count, float *logits,
                    struct monogen_error *error) {
    return run_forced(model, tokens, count, 0, logits, error);
}

bool monogen_logits_at(struct monogen *model, uint32_t token, uint32_t position, float *logits,
                       struct monogen_error *error) {
    return run_forced(model, &token, 1, position, logits, error);
}

size_t monogen_handoffs_count(const struct monogen *model) {
    return model->session.manifest->memory.mailbox_pairs;
}

bool monogen_handoffs(struct monogen *model, uint64_t *pairs, uint32_t *epoch_base,
                      struct monogen_error *error) {
    const struct session *session = &model->session;
    *epoch_base = session->launched_epoch_base;
    return session->backend->download(session->device, pairs,
                                      &session->memories[ARGUMENT_mailboxes], 0,
                                      monogen_handoffs_count(model) * sizeof *pairs, error);
}

size_t monogen_trace_count(const struct monogen *model) {
    return manifest_trace_records(model->session.manifest);
}

bool monogen_trace(struct monogen *model, struct kernel_trace_record *records,
                   struct monogen_error *error) {
    const struct session *session = &model->session;
    return session->backend->download(session->device, records, &session->memories[ARGUMENT_trace],
                                      0, monogen_trace_count(model) * sizeof *records, error);
}

bool monogen_fill_context(struct monogen *model, uint32_t first, uint32_t end, uint64_t seed,
                          struct monogen_error *error) {
    const struct session *session = &model->session;
    const uint32_t context = session->manifest->model.context;
    if (first > end || end >= context)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "positions %" PRIu32 " to %" PRIu32 " are no part of a context of "
                            "%" PRIu32 " that leaves room for a token",
                            first, end, context);
    model->has_pending = false;
    model->position = end;
    return forget_text(model, error) &&
           random_kv_fill(session->manifest, first, end, seed, session->backend, session->device,
                          &session->memories[ARGUMENT_kv], error);
}

bool monogen_sweep(struct monogen *model, double *seconds, size_t *bytes,
                   struct monogen_error *error) {
    const struct session *session = &model->session;
    if (!session->backend->sweep)
        return monogen_fail(error, MONOGEN_BAD_USAGE, "device %s has no sweep of its own",
                            session->backend->name);
    *bytes = session->manifest->memory.weights_bytes;
    return session->backend->sweep(session->device, &session->memories[ARGUMENT_weights], *bytes,
                                   seconds, error);
}

bool monogen_energy(struct monogen *model, double *joules) {
    const struct session *session = &model->session;
    return session->backend->energy && session->backend->energy(session->device, joules);
}

bool monogen_counts(const struct monogen *model, struct device_counts *counts) {
    const struct session *session = &model->session;
    if (!session->backend->count)
        return false;
    *counts = session->backend->count(session->device);
    return true;
}

struct monogen_memory monogen_memory(const struct monogen *model) {
    const struct session *session = &model->session;
    const struct device_usage usage = session->backend->usage(session->device);
    return (struct monogen_memory){usage.bytes, usage.most_bytes};
}

uint32_t monogen_vocab(const struct monogen *model) { return model->session.manifest->model.vocab; }

uint32_t monogen_context(const struct monogen *model) {
    return model->session.manifest->model.context;
}

bool monogen_has_tokenizer(const struct monogen *model) { return model->tokenizer != NULL; }
