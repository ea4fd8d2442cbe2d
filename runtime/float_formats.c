#include "runtime/float_formats.h"

#include <math.h>

float f32_from_f16(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    if (exponent == 0x1f) // infinity or NaN
        return f32_from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) { // zero or subnormal: fraction * 2^-24
        float magnitude = (float)fraction * 0x1p-24F;
        return sign ? -magnitude : magnitude;
    }
    return f32_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

uint16_t f16_from_f32(float value) {
    uint16_t sign = (uint16_t)(f32_bits(value) >> 16 & 0x8000);
    float magnitude = fabsf(value);
    if (magnitude >= 65520.0F) // rounds past the largest finite value
        return sign | 0x7c00;
    if (magnitude < 0x1p-14F) // subnormal: a multiple of 2^-24; may round up to the least normal
        return (uint16_t)(sign | (uint16_t)rintf(magnitude * 0x1p24F));
    uint32_t bits = f32_bits(magnitude) - ((uint32_t)(127 - 15) << 23);
    return (uint16_t)(sign | (uint16_t)((bits + 0xfff + (bits >> 13 & 1)) >> 13));
}
