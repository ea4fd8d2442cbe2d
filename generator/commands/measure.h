// Measure: the speed of an open kernel, one launch at a time.
#ifndef GENERATOR_COMMANDS_MEASURE_H
#define GENERATOR_COMMANDS_MEASURE_H

#include "generator/base/diagnostic.h"
#include "generator/base/digest.h"
#include "generator/plan/plan.h"
#include "runtime/monogen.h"

#include <stdbool.h>
#include <stdint.h>

struct measure_request {
    uint32_t context_positions; // before the first token that is timed; their K and V are random
    uint32_t tokens;            // to generate; context_positions + tokens <= the KV cache
    uint32_t first_token;       // that is fed at first
    uint64_t seed;              // of the random K and V
};

// Processor time is that of all threads of this process. Where the kernel runs on processors it
// tells what other programs on them hardly change; elsewhere it means nothing.
struct measured_launch {
    double us_per_token, processor_us_per_token;
    uint32_t launches; // 1, and one more for each stop token that came before the last token
    char text_digest[DIGEST_TEXT_BYTES]; // of the ids of all generated tokens
};

// Fills the context of all positions below `positions` once, for the launches that follow; it is
// shorter than the KV cache.
bool measure_prepare(struct monogen *model, uint32_t positions, uint64_t seed,
                     struct diagnostics *diagnostics);

// Generates the tokens and times them from the launch to the last one: nothing is left out. A stop
// token does not end it: the next launch goes on behind it. The context is left as
// measure_prepare made it, so that a later launch, at whatever context, finds the same. Requires:
// measure_prepare for as many positions. False after adding a diagnostic, and after a signal.
bool measure_launch(struct monogen *model, const struct measure_request *request,
                    struct measured_launch *launch, struct diagnostics *diagnostics);

struct measured_energy {
    bool there; // the device tells its energy
    double joules_per_token;
};

// Launches like measure_launch again and again, at least for `seconds`, and tells what all that
// time took, the pauses between the launches (below a thousandth) included. Requires and leaves
// behind what measure_launch does. False after adding a diagnostic, and after a signal.
bool measure_energy(struct monogen *model, const struct measure_request *request, double seconds,
                    struct measured_energy *energy, struct diagnostics *diagnostics);

// Bytes of K and V that a token reads at a context of that many positions, its own included.
double measure_kv_bytes(const struct plan_plan *plan, double positions);

// Bytes of the model's parameters in the type of its weights, each once.
double measure_model_bytes(const struct plan_plan *plan);

// The token that a text begins with: the model's first beginning-of-text token, else 0.
uint32_t measure_first_token(const struct plan_plan *plan);

#endif
