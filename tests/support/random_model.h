// Random models: small decoders whose sizes and parts are drawn from a number, written as a spec
// and a family as a user would write them.
#ifndef TESTS_SUPPORT_RANDOM_MODEL_H
#define TESTS_SUPPORT_RANDOM_MODEL_H

#include "generator/base/text.h"

#include <stdint.h>

// What a model may have beside the parts of a Llama.
enum random_feature {
    RANDOM_NORMS_AFTER = 1 << 0,  // of what attention and MLP give, with or without one before
    RANDOM_NORM_ADD = 1 << 1,     // a number added to the weights of norms
    RANDOM_HEAD_NORMS = 1 << 2,   // of q and k, each head or the whole
    RANDOM_BIASES = 1 << 3,       // of products, the logits among them
    RANDOM_FUSED = 1 << 4,        // q, k and v, gate and up are rows of one tensor
    RANDOM_WINDOWS = 1 << 5,      // on all or some layers
    RANDOM_SOFTCAPS = 1 << 6,     // of scores and logits
    RANDOM_SCALES = 1 << 7,       // of scores, embedding, residual and logits
    RANDOM_GELUS = 1 << 8,        // in place of SiLU
    RANDOM_PARTIAL_ROPE = 1 << 9, // of the first dimensions of a head alone
    RANDOM_LOCAL_ROPE = 1 << 10,  // a second RoPE on some layers
    RANDOM_NO_ROPE = 1 << 11,     // none on some layers
    RANDOM_DTYPES = 1 << 12,      // fp16 and fp32 weights
    RANDOM_EVERYTHING = (1 << 13) - 1
};

struct random_model {
    uint32_t number;
    unsigned features;
    char name[32];            // of the model and its family
    struct text spec, family; // Lua
    char set[224];            // "cus=7 kv=fp32": how it is planned
};

// Draws model `number`; of the features those in `features` alone. The same arguments give the same
// model.
void random_model_make(struct random_model *model, uint32_t number, unsigned features);
void random_model_close(struct random_model *model);

#endif
