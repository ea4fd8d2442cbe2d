// monogen's runtime: opens a generated kernel with a model's weights and generates tokens.
//
//     struct monogen_error error;
//     struct monogen *model = monogen_open(&(struct monogen_options){
//         .kernel_folder = "out/austen-3m-host",
//         .weights_folder = "specs/checkpoints/austen-3m", .device = "host"}, &error);
//     if (!model) { fprintf(stderr, "%s\n", error.message); return (int)error.status; }
//     monogen_generate(model, &(struct monogen_request){.text = "Emma was", .max_tokens = 40},
//                      print_token, NULL, NULL, &error);
//     monogen_close(model);
//
// One model is used by one thread at a time; several models may be open.
#ifndef RUNTIME_MONOGEN_H
#define RUNTIME_MONOGEN_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct monogen; // an open model

struct monogen_options {
    const char *kernel_folder;  // a folder that `monogen generate` wrote (holds 7-manifest.json)
    const char *weights_folder; // a Hugging Face checkpoint folder; NULL: random weights
    uint64_t random_seed;       // of random weights
    // "host", "hip", "cuda", or "sim" for a kernel for hip; NULL: what the manifest was generated
    // for.
    const char *device;
    uint64_t device_seed; // of what "sim" varies from run to run
    double
        handoff_timeout_seconds; // bound of every wait inside the kernel; 0: the device's default
};

struct monogen_request {
    const char *text;       // UTF-8 prompt; needs a tokenizer.json in weights_folder
    const uint32_t *tokens; // or token ids, used as they are; [token_count]
    size_t token_count;
    uint32_t max_tokens; // generate at most this many
    bool keep_context;   // continue after what was generated before, KV kept
    // Asked from time to time while a long prompt is read, with the callback's context; false ends
    // the request. NULL: go on.
    bool (*keep_going)(void *context);
};

// Called for each token as it arrives. `text`: what the tokenizer can now print ([text_bytes],
// UTF-8, whole characters, possibly none; special tokens skipped; NULL where there is no
// tokenizer). Return false to stop: the kernel is told and monogen_generate returns true soon
// after.
typedef bool monogen_token_callback(void *context, uint32_t token, const char *text,
                                    size_t text_bytes);

enum monogen_end { MONOGEN_END_MAX_TOKENS, MONOGEN_END_STOP_TOKEN, MONOGEN_END_CALLBACK };

struct monogen_result {
    uint32_t prompt_tokens, generated_tokens;
    double first_token_seconds; // from the launch to the first token on the host
    double total_seconds;       // from the launch to the last one
    enum monogen_end end;
};

// Loads kernel, weights and tokenizer, and allocates what the kernel needs. NULL after filling
// *error.
struct monogen *monogen_open(const struct monogen_options *options, struct monogen_error *error);

// Generates. `result` may be NULL. Returns false after filling *error: a prompt that does not fit
// the context, a token id out of range, or a fault that the kernel reported (which CU waited for
// what). After a fault the model is closed for good except for monogen_close.
bool monogen_generate(struct monogen *model, const struct monogen_request *request,
                      monogen_token_callback *callback, void *context,
                      struct monogen_result *result, struct monogen_error *error);

// Teacher forcing: runs `tokens` ([count] ids) from an empty context and stores the logits that
// follow each of them into logits [count][vocab] f32. For verification, not for speed.
bool monogen_logits(struct monogen *model, const uint32_t *tokens, size_t count, float *logits,
                    struct monogen_error *error);

// The same for one token behind `position` tokens that were run before it; logits [vocab] f32.
bool monogen_logits_at(struct monogen *model, uint32_t token, uint32_t position, float *logits,
                       struct monogen_error *error);

// What the kernel's CUs handed each other last, for verification: pairs [monogen_handoffs_count] of
// a value (low half) and its epoch (high half). *epoch_base: what the epochs of the newest launch
// count from.
size_t monogen_handoffs_count(const struct monogen *model);
bool monogen_handoffs(struct monogen *model, uint64_t *pairs, uint32_t *epoch_base,
                      struct monogen_error *error);

// What the CUs noted of the last position of the newest launch: records [monogen_trace_count], laid
// out as kernel_trace.h says. The count is 0 where the kernel was generated without --set trace=on.
struct kernel_trace_record;
size_t monogen_trace_count(const struct monogen *model);
bool monogen_trace(struct monogen *model, struct kernel_trace_record *records,
                   struct monogen_error *error);

// For measurements. Fills K and V of positions first .. end - 1 with random numbers and makes the
// context one of `end` positions, as if that many tokens had been run; what is below `first` stays
// as it is. A request with keep_context and a token goes on behind them. False after filling
// *error: no room is left for that token, or first > end.
bool monogen_fill_context(struct monogen *model, uint32_t first, uint32_t end, uint64_t seed,
                          struct monogen_error *error);

// For measurements. Reads all weights once, as fast as the device can, with as many workgroups as
// the kernel has: the bandwidth that a kernel's own can be compared with. *bytes: of the weights.
// False after filling *error; MONOGEN_BAD_USAGE on a GPU, where that takes a kernel of its own.
bool monogen_sweep(struct monogen *model, double *seconds, size_t *bytes,
                   struct monogen_error *error);

// For measurements. The energy that the device has used since some time past, in joules: the
// difference of two answers is what was used between them, to within the tenth of a second by which
// the counter may lag. False where nothing tells it.
bool monogen_energy(struct monogen *model, double *joules);

// What the device has counted of all launches so far (device_counts.h). False where it counts
// nothing: all but "sim".
struct device_counts;
bool monogen_counts(const struct monogen *model, struct device_counts *counts);

// Device memory that the model takes, what the driver needs itself apart: now, and the most so far.
struct monogen_memory {
    size_t bytes, most_bytes;
};
struct monogen_memory monogen_memory(const struct monogen *model);

uint32_t monogen_vocab(const struct monogen *model);
uint32_t monogen_context(const struct monogen *model);
bool monogen_has_tokenizer(const struct monogen *model);

void monogen_close(struct monogen *model); // NULL is fine

#endif
