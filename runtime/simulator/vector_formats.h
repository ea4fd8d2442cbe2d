// Floating-point formats of 16 and 8 bits, and sums that are rounded to them once.
#ifndef RUNTIME_SIMULATOR_VECTOR_FORMATS_H
#define RUNTIME_SIMULATOR_VECTOR_FORMATS_H

#include "runtime/simulator/vector_arithmetic.h"

// ---- f16 ----------------------------------------------------------------------------------------
static inline float f32_of_f16(uint32_t half) {
    uint32_t sign = (half & 0x8000) << 16, magnitude = (half & 0x7fff) << 13;
    // As if the exponent had the bias of f32, then put right by a product, exact of subnormals too.
    uint32_t bits = f32_bits(f32_from_bits(magnitude) * 0x1p112F);
    bits = magnitude >= 0x0f800000 ? magnitude | 0x7f800000 : bits;
    return f32_from_bits(bits | sign);
}
// Rounds to nearest, ties to even; a NaN keeps the upper bits of its payload and becomes quiet.
static inline uint32_t f16_bits(float value) {
    uint32_t bits = f32_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    // Subnormal: adding 0.5 leaves the multiple of 2^-24 in the low bits, rounded.
    uint32_t subnormal = f32_bits(f32_from_bits(magnitude) + 0.5F) - 0x3f000000;
    uint32_t normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    uint32_t nan = 0x7e00 | (magnitude >> 13 & 0x3ff);
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? nan : half;
    return half | sign;
}
// Towards zero.
static inline uint32_t f16_bits_truncated(float value) {
    uint32_t bits = f32_bits(value), magnitude = bits & 0x7fffffff;
    uint32_t half = f16_bits(value);
    // Rounding went up: one step back. What is finite does not become infinite.
    bool up = magnitude < 0x7f800000 && f32_bits(f32_of_f16(half & 0x7fff)) > magnitude;
    return up ? half - 1 : half;
}

// a * b + c to odd: what is lost shows in the last bit, so that rounding once more is as if once.
static inline double fma_to_odd(double a, double b, double c) {
    double product = a * b, sum = product + c; // the product is exact of 26 bits each
    double c_part = sum - product;
    double lost = (product - (sum - c_part)) + (c - c_part);
    uint64_t bits = f64_bits(sum);
    // sum - sum: 0 of what is finite.
    if (lost != 0 && sum - sum == 0 && !(bits & 1))
        bits += (lost > 0) == (sum > 0) ? 1 : UINT64_MAX;
    return f64_from_bits(bits);
}
static inline float f32_to_odd(double value) {
    float rounded = (float)value;
    uint32_t bits = f32_bits(rounded);
    if ((double)rounded != value && rounded - rounded == 0 && !(bits & 1))
        bits += ((double)rounded < value) == (value > 0) ? 1 : UINT32_MAX;
    return f32_from_bits(bits);
}
static inline float fma_f16(float a, float b, float c) {
    return f32_to_odd(fma_to_odd((double)a, (double)b, (double)c));
}
static inline uint32_t pk_fma_f16(uint32_t a, uint32_t b, uint32_t c) {
    float low = fma_f16(f32_of_f16(a & 0xffff), f32_of_f16(b & 0xffff), f32_of_f16(c & 0xffff));
    float high = fma_f16(f32_of_f16(a >> 16), f32_of_f16(b >> 16), f32_of_f16(c >> 16));
    return pack_16(f16_bits(low), f16_bits(high));
}
// Each product and sum as f32, in this order; reads and makes no subnormal f32.
static inline float dot2_f32_f16(uint32_t a, uint32_t b, float c) {
    float sum = without_subnormals(c);
    sum = fmaf(f32_of_f16(a & 0xffff), f32_of_f16(b & 0xffff), sum);
    sum = fmaf(f32_of_f16(a >> 16), f32_of_f16(b >> 16), sum);
    return without_subnormals(sum);
}

// ---- fp8 and bf8 --------------------------------------------------------------------------------
// The 8-bit kinds of gfx942: no infinities, no -0, whose bits are the NaN (fnuz). fp8: 4 bits of
// exponent with a bias of 8; bf8: 5 bits with a bias of 16.
static inline float f32_of_small(uint32_t byte, unsigned fraction_bits, int bias) {
    uint32_t magnitude = byte & 0x7f;
    int32_t exponent = (int32_t)(magnitude >> fraction_bits);
    int32_t fraction = (int32_t)(magnitude & ((1U << fraction_bits) - 1));
    int32_t whole = exponent ? fraction | 1 << fraction_bits : fraction;
    int32_t power = (exponent ? exponent : 1) - bias - (int32_t)fraction_bits;
    float value = (float)whole * f32_from_bits((uint32_t)(power + 127) << 23);
    return (byte & 0xff) == 0x80 ? f32_from_bits(0x7fc00000) : byte & 0x80 ? -value : value;
}
static inline float f32_of_fp8(uint32_t byte) { return f32_of_small(byte, 3, 8); }
static inline float f32_of_bf8(uint32_t byte) { return f32_of_small(byte, 2, 16); }

// To nearest even; what is too large, infinite or NaN gives NaN.
static inline uint32_t small_bits(float value, unsigned fraction_bits, int bias) {
    float magnitude = fabsf(value);
    // The last place: of the value's exponent, or of the least normal one.
    int32_t exponent = (int32_t)(f32_bits(magnitude) >> 23) - 127;
    int32_t least = 1 - bias;
    int32_t place = (exponent < least ? least : exponent) - (int32_t)fraction_bits;
    if (!(magnitude < 0x1p16F))
        return 0x80;
    uint32_t whole = (uint32_t)rintf(magnitude * f32_from_bits((uint32_t)(127 - place) << 23));
    uint32_t bits = whole;
    if (whole >> fraction_bits)
        bits += (uint32_t)(place + (int32_t)fraction_bits - least) << fraction_bits;
    if (bits > 0x7f)
        return 0x80;
    return bits && value < 0 ? bits | 0x80 : bits;
}
static inline uint32_t fp8_bits(float value) { return small_bits(value, 3, 8); }
static inline uint32_t bf8_bits(float value) { return small_bits(value, 2, 16); }

#endif
