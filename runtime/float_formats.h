// Float formats: bf16 and f16 (IEEE binary16) from and to f32.
#ifndef RUNTIME_FLOAT_FORMATS_H
#define RUNTIME_FLOAT_FORMATS_H

#include <stdint.h>
#include <string.h>

static inline float f32_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t f32_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float f32_from_bf16(uint16_t bits) { return f32_from_bits((uint32_t)bits << 16); }

// Rounds to nearest, ties to even. Requires: value is no NaN.
static inline uint16_t bf16_from_f32(float value) {
    uint32_t bits = f32_bits(value);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float f32_from_f16(uint16_t bits);  // exact
uint16_t f16_from_f32(float value); // rounds to nearest, ties to even. Requires: no NaN

#endif
