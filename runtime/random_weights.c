#include "runtime/random_weights.h"

#include "runtime/float_formats.h"

#include <math.h>
#include <string.h>

#define GOLDEN_RATIO_BITS 0x9e3779b97f4a7c15U // 2^64 / golden ratio: the step of SplitMix64

// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes well.
static inline uint64_t mix(uint64_t bits) {
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebU;
    return bits ^ bits >> 31;
}

uint64_t random_weights_key(uint64_t seed, const char *tensor) {
    uint64_t key = mix(seed + GOLDEN_RATIO_BITS);
    for (const char *c = tensor; *c; c++)
        key = mix(key + GOLDEN_RATIO_BITS + (unsigned char)*c);
    return key;
}

// The sum of four numbers uniform in 0 .. 65535, centred: the variance is (65536^2 - 1) / 3.
static inline float centred_sum(uint64_t key, uint64_t index) {
    uint64_t bits = mix(key + index * GOLDEN_RATIO_BITS);
    uint64_t pairs = (bits & 0x0000ffff0000ffffU) + (bits >> 16 & 0x0000ffff0000ffffU);
    return (float)((int32_t)((pairs & 0xffffffff) + (pairs >> 32)) - 2 * 65535);
}

void random_weights_fill(uint64_t key, uint64_t columns, enum weight_dtype dtype, uint64_t first,
                         size_t count, void *to) {
    float scale = (float)(sqrt(3.0) / 65536 / sqrt((double)columns));
    unsigned char *bytes = to;
    for (size_t i = 0; i < count; i++) {
        float value = centred_sum(key, first + i) * scale;
        if (dtype == WEIGHT_F32) {
            memcpy(bytes + i * sizeof value, &value, sizeof value);
        } else {
            uint16_t half = dtype == WEIGHT_BF16 ? bf16_from_f32(value) : f16_from_f32(value);
            memcpy(bytes + i * sizeof half, &half, sizeof half);
        }
    }
}
