// Rope: the rotation speeds of rotary position embedding, with the four kinds of context scaling.
#ifndef GENERATOR_MODEL_ROPE_H
#define GENERATOR_MODEL_ROPE_H

#include <stdbool.h>

enum rope_kind { ROPE_DEFAULT, ROPE_LINEAR, ROPE_LLAMA3, ROPE_YARN, ROPE_KIND_COUNT };

extern const char *const rope_kind_names[ROPE_KIND_COUNT];

struct rope {
    enum rope_kind kind;
    double theta;                  // over 1
    double factor;                 // linear, llama3, yarn: at least 1
    double low, high;              // llama3: 0 < low < high
    int original_context;          // llama3, yarn: at least 1
    double beta_fast, beta_slow;   // yarn: 0 < beta_slow < beta_fast
    double attention_factor;       // yarn, 0: follows from the factor
    double mscale, mscale_all_dim; // yarn, 0: unset
    bool truncate;                 // yarn: whole dimensions bound the ramp
};

// Fills frequencies [dims / 2] with radians a position, pair i turning with the i-th, each
// exactly a float32, rounded as Hugging Face transformers rounds (modeling_rope_utils.py). Returns
// the factor on cosine and sine: 1 unless the kind is yarn. Requires: the bounds above, dims
// even and positive.
double rope_frequencies(const struct rope *rope, int dims, double *frequencies);

#endif
