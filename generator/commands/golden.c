#include "generator/commands/golden.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "name.i", whose shape has `rank` dimensions; NULL after filling *error.
static const struct tensor *need(const struct golden *golden, const char *name, size_t i,
                                 enum tensor_dtype dtype, size_t rank,
                                 struct monogen_error *error) {
    char full[64], is[256];
    snprintf(full, sizeof full, "%s.%zu", name, i);
    const struct tensor *tensor = safetensors_need(golden->file, full, error);
    if (!tensor)
        return NULL;
    if (tensor->dtype == dtype && tensor->rank == rank && tensor->shape[0] > 0 &&
        (rank < 2 || tensor->shape[1] == golden->vocab))
        return tensor;
    tensor_describe(tensor, is, sizeof is);
    if (rank < 2)
        monogen_fail(error, MONOGEN_BAD_INPUT, "%s: tensor \"%s\" is %s, it must be [n] %s",
                     safetensors_path(golden->file), full, is, tensor_dtype_name(dtype));
    else
        monogen_fail(
            error, MONOGEN_BAD_INPUT, "%s: tensor \"%s\" is %s, it must be [n][%" PRIu32 "] %s",
            safetensors_path(golden->file), full, is, golden->vocab, tensor_dtype_name(dtype));
    return NULL;
}

static bool same_rows(const struct golden *golden, const struct tensor *a, const struct tensor *b,
                      struct monogen_error *error) {
    return a->shape[0] == b->shape[0] ||
           monogen_fail(error, MONOGEN_BAD_INPUT,
                        "%s: tensor \"%s\" has %" PRIu64 " entries, \"%s\" has %" PRIu64,
                        safetensors_path(golden->file), a->name, a->shape[0], b->name, b->shape[0]);
}

static bool read_ids(const struct golden *golden, const struct tensor *tensor, uint32_t *ids,
                     struct monogen_error *error) {
    for (size_t i = 0; i < tensor->elements; i++) {
        int32_t id;
        memcpy(&id, tensor->data + i * sizeof id, sizeof id);
        if (id < 0 || (uint32_t)id >= golden->vocab)
            return monogen_fail(error, MONOGEN_BAD_INPUT,
                                "%s: tensor \"%s\": token %" PRId32
                                " is outside the vocabulary of %" PRIu32,
                                safetensors_path(golden->file), tensor->name, id, golden->vocab);
        ids[i] = (uint32_t)id;
    }
    return true;
}

static bool read_prompt(struct golden *golden, size_t i, struct monogen_error *error) {
    struct golden_prompt *prompt = &golden->prompts[i];
    const struct tensor *ids = need(golden, "prompt", i, TENSOR_I32, 1, error);
    const struct tensor *tokens = ids ? need(golden, "tokens", i, TENSOR_I32, 1, error) : NULL;
    if (!tokens ||
        !(prompt->prompt_logits = need(golden, "prompt_logits", i, TENSOR_F32, 2, error)) ||
        !(prompt->logits = need(golden, "logits", i, TENSOR_F32, 2, error)) ||
        !same_rows(golden, ids, prompt->prompt_logits, error) ||
        !same_rows(golden, tokens, prompt->logits, error))
        return false;
    prompt->prompt_count = (size_t)ids->elements;
    prompt->step_count = (size_t)tokens->elements;
    prompt->ids = calloc(prompt->prompt_count + prompt->step_count, sizeof *prompt->ids);
    if (!prompt->ids)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    return read_ids(golden, ids, prompt->ids, error) &&
           read_ids(golden, tokens, prompt->ids + prompt->prompt_count, error);
}

bool golden_open(const char *path, uint32_t vocab, struct golden *golden,
                 struct monogen_error *error) {
    *golden = (struct golden){.vocab = vocab};
    golden->file = safetensors_open(path, error);
    if (!golden->file)
        return false;
    size_t count = 0;
    for (char name[64];
         snprintf(name, sizeof name, "prompt.%zu", count), safetensors_find(golden->file, name);)
        count++;
    golden->prompts = calloc(count ? count : 1, sizeof *golden->prompts);
    if (!golden->prompts)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    golden->count = count;
    for (size_t i = 0; i < count; i++)
        if (!read_prompt(golden, i, error))
            return false;
    return count > 0 || monogen_fail(error, MONOGEN_BAD_INPUT,
                                     "%s: there is no tensor \"prompt.0\": no golden file", path);
}

void golden_close(struct golden *golden) {
    for (size_t i = 0; i < golden->count; i++)
        free(golden->prompts[i].ids);
    free(golden->prompts);
    safetensors_close(golden->file);
    *golden = (struct golden){0};
}

size_t golden_positions(const struct golden_prompt *prompt) {
    return prompt->prompt_count + prompt->step_count;
}

size_t golden_fed_token(const struct golden_prompt *prompt, size_t k) {
    return k < prompt->prompt_count ? k : k - 1;
}

void golden_logits(const struct golden *golden, const struct golden_prompt *prompt, size_t k,
                   float *logits) {
    const bool of_prompt = k < prompt->prompt_count;
    const struct tensor *tensor = of_prompt ? prompt->prompt_logits : prompt->logits;
    const uint64_t row = of_prompt ? k : k - prompt->prompt_count;
    tensor_read_f32(tensor, row * golden->vocab, golden->vocab, logits); // f32 was checked
}
