// What v_div_scale, v_div_fmas and v_div_fixup do, which together with v_rcp and fused sums divide
// with one rounding.
#ifndef RUNTIME_SIMULATOR_VECTOR_DIVISION_H
#define RUNTIME_SIMULATOR_VECTOR_DIVISION_H

#include "runtime/simulator/vector_formats.h"

static inline int32_t exponent_of_f32(float a) { return (int32_t)(f32_bits(a) >> 23 & 0xff); }
static inline int32_t exponent_of_f64(double a) { return (int32_t)(f64_bits(a) >> 52 & 0x7ff); }

// What of value, the denominator or the numerator, is scaled, as a power of 2; *later: the quotient
// has to be scaled back. Exponents are those of the two with their bias, `near` the difference that
// overflows, `tiny` the largest exponent that loses bits, the others whether those are subnormal.
static inline int32_t division_scale(int32_t numerator, int32_t denominator, int32_t near,
                                     int32_t tiny, int32_t power, bool denominator_is_subnormal,
                                     bool reciprocal_is_subnormal, bool quotient_is_subnormal,
                                     bool is_denominator, bool is_numerator, bool *later) {
    *later = true;
    if (numerator - denominator >= near)
        return is_denominator ? power : 0;
    // The reference says `power` here, but that overflows.
    if (!denominator_is_subnormal && reciprocal_is_subnormal && quotient_is_subnormal)
        return is_denominator ? -power : 0;
    if (!denominator_is_subnormal && !reciprocal_is_subnormal && quotient_is_subnormal)
        return is_numerator ? power : 0;
    *later = false;
    if (denominator_is_subnormal)
        return power;
    if (reciprocal_is_subnormal)
        return -power;
    return numerator <= tiny ? power : 0;
}

static inline float div_scale_f32(float value, float denominator, float numerator, bool *later) {
    double reciprocal = fabs(1.0 / (double)denominator);
    double quotient = fabs((double)numerator / (double)denominator);
    *later = false;
    if (numerator == 0 || denominator == 0)
        return f32_from_bits(0x7fc00000);
    int32_t power = division_scale(
        exponent_of_f32(numerator), exponent_of_f32(denominator), 96, 23, 64,
        fabsf(denominator) < 0x1p-126F, reciprocal != 0 && reciprocal < 0x1p-126,
        quotient != 0 && quotient < 0x1p-126, f32_bits(value) == f32_bits(denominator),
        f32_bits(value) == f32_bits(numerator), later);
    return ldexp_f32(value, power);
}

static inline double div_scale_f64(double value, double denominator, double numerator,
                                   bool *later) {
    double reciprocal = fabs(1.0 / denominator), quotient = fabs(numerator / denominator);
    *later = false;
    if (numerator == 0 || denominator == 0)
        return f64_from_bits(UINT64_C(0x7ff8000000000000));
    int32_t power =
        division_scale(exponent_of_f64(numerator), exponent_of_f64(denominator), 3 * 256, 53, 128,
                       fabs(denominator) < 0x1p-1022, reciprocal != 0 && reciprocal < 0x1p-1022,
                       quotient < 0x1p-1022, f64_bits(value) == f64_bits(denominator),
                       f64_bits(value) == f64_bits(numerator), later);
    return ldexp_f64(value, power);
}

// a * b + c, and scaled back from what div_scale did, rounded once.
static inline float div_fmas_f32(float a, float b, float c, bool scaled) {
    if (!scaled)
        return fmaf(a, b, c);
    double sum = fma_to_odd((double)a, (double)b, (double)c);
    return (float)(sum * (exponent_of_f32(c) > 127 ? 0x1p64 : 0x1p-64));
}

static inline double div_fmas_f64(double a, double b, double c, bool scaled) {
    double sum = fma(a, b, c);
    if (!scaled)
        return sum;
    if (exponent_of_f64(c) > 1023)
        return sum * 0x1p128;
    if (!(fabs(sum) < 0x1p-894))
        return sum * 0x1p-128;
    // Becomes subnormal. Beside a large number the last place is the one that it will have.
    double large = copysign(0x1p-894, c), high = large + c;
    double low = c - (high - large); // exact
    return (fma(a, b, low) + high - large) * 0x1p-128;
}

static inline float div_fixup_f32(float quotient, float denominator, float numerator) {
    uint32_t sign = (f32_bits(denominator) ^ f32_bits(numerator)) & 0x80000000;
    float magnitude = fabsf(quotient);
    if (numerator != numerator)
        return quiet(numerator);
    if (denominator != denominator)
        return quiet(denominator);
    if ((denominator == 0 && numerator == 0) || (isinf(denominator) && isinf(numerator)))
        return f32_from_bits(0xffc00000);
    if (denominator == 0 || isinf(numerator))
        magnitude = INFINITY;
    else if (isinf(denominator) || numerator == 0 ||
             exponent_of_f32(numerator) - exponent_of_f32(denominator) < -150)
        magnitude = 0;
    else if (!isfinite(quotient)) // overflowed on the way, and may have become a NaN
        magnitude = INFINITY;
    return f32_from_bits(f32_bits(magnitude) | sign);
}

static inline double div_fixup_f64(double quotient, double denominator, double numerator) {
    uint64_t sign = (f64_bits(denominator) ^ f64_bits(numerator)) & UINT64_C(1) << 63;
    double magnitude = fabs(quotient);
    if (numerator != numerator)
        return quiet_f64(numerator);
    if (denominator != denominator)
        return quiet_f64(denominator);
    if ((denominator == 0 && numerator == 0) || (isinf(denominator) && isinf(numerator)))
        return f64_from_bits(UINT64_C(0xfff8000000000000));
    if (denominator == 0 || isinf(numerator))
        magnitude = (double)INFINITY;
    else if (isinf(denominator) || numerator == 0 ||
             exponent_of_f64(numerator) - exponent_of_f64(denominator) < -1075)
        magnitude = 0;
    else if (!isfinite(quotient))
        magnitude = (double)INFINITY;
    return f64_from_bits(f64_bits(magnitude) | sign);
}

#endif
