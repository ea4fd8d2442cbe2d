#include "generator/commands/oracle.h"

#include "runtime/random_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN_TOKENS = 32 };

static bool out_of_memory(struct monogen_error *error) {
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory for the logits");
}

// ---- prompts that no file has -------------------------------------------------------------------

// Token i of a made-up text: a hash of the seed and i.
static uint32_t drawn_token(const struct oracle_request *request, size_t i) {
    char name[32];
    snprintf(name, sizeof name, "token %zu", i);
    return (uint32_t)(random_weights_key(request->reference.random_seed, name) % request->vocab);
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// A prompt too long for the context is for the kernel to refuse.
static bool make_prompt(const struct oracle_request *request, struct oracle *oracle,
                        struct monogen_error *error) {
    struct golden *golden = &oracle->golden;
    *golden =
        (struct golden){.vocab = request->vocab, .prompts = calloc(1, sizeof *golden->prompts)};
    if (!golden->prompts)
        return out_of_memory(error);
    golden->count = 1;
    struct golden_prompt *prompt = golden->prompts;
    prompt->prompt_count = request->token_count;
    if (!request->tokens)
        prompt->prompt_count = smaller(DRAWN_TOKENS, request->context - request->context / 2);
    if (prompt->prompt_count <= request->context)
        // the last token that is chosen needs no position
        prompt->step_count =
            smaller(request->most_steps, request->context - prompt->prompt_count + 1);
    prompt->ids = calloc(golden_positions(prompt), sizeof *prompt->ids);
    if (!prompt->ids)
        return out_of_memory(error);
    for (size_t i = 0; i < prompt->prompt_count; i++)
        prompt->ids[i] = request->tokens ? request->tokens[i] : drawn_token(request, i);
    return true;
}

// ---- opening and asking -------------------------------------------------------------------------

bool oracle_open(const struct oracle_request *request, struct oracle *oracle,
                 struct monogen_error *error) {
    *oracle = (struct oracle){.wanted = calloc(request->vocab, sizeof *oracle->wanted)};
    if (!oracle->wanted)
        return out_of_memory(error);
    if (request->computes) {
        oracle->logits_node = request->reference.model->node_count - 1;
        oracle->reference = reference_open(&request->reference, error);
        if (!oracle->reference)
            return false;
    }
    return request->golden ? golden_open(request->golden, request->vocab, &oracle->golden, error)
                           : make_prompt(request, oracle, error);
}

void oracle_close(struct oracle *oracle) {
    golden_close(&oracle->golden);
    reference_close(oracle->reference);
    free(oracle->wanted);
    *oracle = (struct oracle){0};
}

const float *oracle_logits(struct oracle *oracle, const struct golden_prompt *prompt, size_t k) {
    if (!oracle->reference) {
        golden_logits(&oracle->golden, prompt, k, oracle->wanted);
        return oracle->wanted;
    }
    if (oracle->prompt != prompt) {
        oracle->prompt = prompt;
        oracle->position = 0;
    }
    for (; oracle->position <= golden_fed_token(prompt, k); oracle->position++)
        reference_step(oracle->reference, prompt->ids[oracle->position], oracle->position);
    return reference_value(oracle->reference, oracle->logits_node);
}
