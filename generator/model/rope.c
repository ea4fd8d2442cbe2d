#include "generator/model/rope.h"

#include <math.h>

const char *const rope_kind_names[ROPE_KIND_COUNT] = {"default", "linear", "llama3", "yarn"};

static const double two_pi = 6.283185307179586;

// theta^(2i / dims)
static float period(const struct rope *rope, int pair, int dims) {
    float exponent = (float)(2 * pair) / (float)dims;
    return (float)pow((double)(float)rope->theta, (double)exponent);
}

// Llama 3: turns slower than `low` times the original context are slowed by the factor, those
// faster than `high` times are kept, and those between are blended.
static float llama3_frequency(const struct rope *rope, float frequency) {
    float factor = (float)rope->factor, context = (float)rope->original_context;
    float wavelength = (1.0f / frequency) * (float)two_pi;
    if (wavelength > (float)(rope->original_context / rope->low))
        return frequency / factor;
    if (wavelength < (float)(rope->original_context / rope->high))
        return frequency;
    float turns = (1.0f / wavelength) * context;
    float smooth = (turns - (float)rope->low) / (float)(rope->high - rope->low);
    return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

// The pair, as a real number, that turns `turns` times in the original context.
static double yarn_pair(const struct rope *rope, double turns, int dims) {
    return dims * log(rope->original_context / (turns * two_pi)) / (2 * log(rope->theta));
}

static float yarn_frequency(const struct rope *rope, int pair, int dims) {
    double low = yarn_pair(rope, rope->beta_fast, dims);
    double high = yarn_pair(rope, rope->beta_slow, dims);
    if (rope->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, dims - 1);
    if (low == high)
        high += 0.001;
    float ramp = ((float)pair - (float)low) / (float)(high - low);
    ramp = fminf(fmaxf(ramp, 0.0f), 1.0f);
    float keep = 1.0f - ramp, length = period(rope, pair, dims);
    float extrapolated = 1.0f / length, interpolated = 1.0f / ((float)rope->factor * length);
    return interpolated * (1.0f - keep) + extrapolated * keep;
}

static double yarn_scale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static double yarn_amplitude(const struct rope *rope) {
    if (rope->attention_factor > 0)
        return rope->attention_factor;
    if (rope->mscale > 0 && rope->mscale_all_dim > 0)
        return yarn_scale(rope->factor, rope->mscale) /
               yarn_scale(rope->factor, rope->mscale_all_dim);
    return yarn_scale(rope->factor, 1);
}

double rope_frequencies(const struct rope *rope, int dims, double *frequencies) {
    for (int pair = 0; pair < dims / 2; pair++) {
        float frequency = 1.0f / period(rope, pair, dims);
        if (rope->kind == ROPE_LINEAR)
            frequency /= (float)rope->factor;
        else if (rope->kind == ROPE_LLAMA3)
            frequency = llama3_frequency(rope, frequency);
        else if (rope->kind == ROPE_YARN)
            frequency = yarn_frequency(rope, pair, dims);
        frequencies[pair] = (double)frequency;
    }
    return rope->kind == ROPE_YARN ? yarn_amplitude(rope) : 1.0;
}
