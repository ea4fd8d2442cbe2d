// What the rows of vector_instructions.def compute with, a lane at a time. Written so that loops
// over lanes vectorise: choices instead of branches.
#ifndef RUNTIME_SIMULATOR_VECTOR_ARITHMETIC_H
#define RUNTIME_SIMULATOR_VECTOR_ARITHMETIC_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// ---- bits
// ----------------------------------------------------------------------------------------
static inline float f32_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline double f64_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline uint64_t bits_of_f64(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline uint64_t pair_of(uint32_t low, uint32_t high) { return low | (uint64_t)high << 32; }

// The NaN that gfx942 makes is positive, that of x86 negative.
static inline uint32_t result_bits(float value) {
    uint32_t bits = bits_of(value);
    return bits == 0xffc00000 ? 0x7fc00000 : bits;
}
static inline uint64_t result_bits_f64(double value) {
    uint64_t bits = bits_of_f64(value);
    return bits == UINT64_C(0xfff8000000000000) ? UINT64_C(0x7ff8000000000000) : bits;
}

// ---- f16
// -----------------------------------------------------------------------------------------
static inline float f32_of_f16(uint32_t half) {
    uint32_t sign = (half & 0x8000) << 16, magnitude = (half & 0x7fff) << 13;
    // As if the exponent had the bias of f32, then put right by a product, exact of subnormals too.
    uint32_t bits = bits_of(f32_of(magnitude) * 0x1p112F);
    bits = magnitude >= 0x0f800000 ? magnitude | 0x7f800000 : bits;
    return f32_of(bits | sign);
}
// Rounds to nearest, ties to even; a NaN keeps the upper bits of its payload and becomes quiet.
static inline uint32_t f16_bits(float value) {
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    // Subnormal: adding 0.5 leaves the multiple of 2^-24 in the low bits, rounded.
    uint32_t subnormal = bits_of(f32_of(magnitude) + 0.5F) - 0x3f000000;
    uint32_t normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    uint32_t nan = 0x7e00 | (magnitude >> 13 & 0x3ff);
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? nan : half;
    return half | sign;
}
static inline uint32_t f16_result_bits(float value) { return f16_bits(f32_of(result_bits(value))); }
// Towards zero.
static inline uint32_t f16_bits_truncated(float value) {
    uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff;
    uint32_t half = f16_bits(value);
    // Rounding went up: one step back. What is finite does not become infinite.
    bool up = magnitude < 0x7f800000 && bits_of(f32_of_f16(half & 0x7fff)) > magnitude;
    return up ? half - 1 : half;
}

// a * b + c to odd: what is lost shows in the last bit, so that rounding once more is as if once.
static inline double fma_to_odd(double a, double b, double c) {
    double product = a * b, sum = product + c; // the product is exact of 26 bits each
    double c_part = sum - product;
    double lost = (product - (sum - c_part)) + (c - c_part);
    uint64_t bits = bits_of_f64(sum);
    // sum - sum: 0 of what is finite.
    if (lost != 0 && sum - sum == 0 && !(bits & 1))
        bits += (lost > 0) == (sum > 0) ? 1 : UINT64_MAX;
    return f64_of(bits);
}
static inline float f32_to_odd(double value) {
    float rounded = (float)value;
    uint32_t bits = bits_of(rounded);
    if ((double)rounded != value && rounded - rounded == 0 && !(bits & 1))
        bits += ((double)rounded < value) == (value > 0) ? 1 : UINT32_MAX;
    return f32_of(bits);
}
static inline float fma_f16(float a, float b, float c) {
    return f32_to_odd(fma_to_odd((double)a, (double)b, (double)c));
}

// ---- minima and maxima, as the IEEE mode has them
// -------------------------------------------------
static inline bool is_signalling(float a) {
    uint32_t bits = bits_of(a);
    return (bits & 0x7fffffff) > 0x7f800000 && !(bits & 0x00400000);
}
static inline float quiet(float a) { return f32_of(bits_of(a) | 0x00400000); }
// One of them a NaN: a signalling one, quietened, before the other, and a number before a quiet
// one.
static inline float of_nans(float a, float b) {
    float other = is_signalling(b) ? quiet(b) : a != a ? b : a;
    return is_signalling(a) ? quiet(a) : other;
}
static inline float min_f32(float a, float b) {
    float equal = f32_of(bits_of(a) | bits_of(b)); // -0 below +0
    float ordered = a < b ? a : a > b ? b : equal;
    return a != a || b != b ? of_nans(a, b) : ordered;
}
static inline float max_f32(float a, float b) {
    float equal = f32_of(bits_of(a) & bits_of(b));
    float ordered = a > b ? a : a < b ? b : equal;
    return a != a || b != b ? of_nans(a, b) : ordered;
}
static inline float min3_f32(float a, float b, float c) { return min_f32(min_f32(a, b), c); }
static inline float max3_f32(float a, float b, float c) { return max_f32(max_f32(a, b), c); }
static inline float med3_f32(float a, float b, float c) {
    if (a != a || b != b || c != c)
        return min3_f32(a, b, c);
    float largest = max3_f32(a, b, c);
    return largest == a ? max_f32(b, c) : largest == b ? max_f32(a, c) : max_f32(a, b);
}
static inline bool is_signalling_f64(double a) {
    uint64_t bits = bits_of_f64(a) & INT64_MAX;
    return bits > UINT64_C(0x7ff0000000000000) && bits < UINT64_C(0x7ff8000000000000);
}
static inline double quiet_f64(double a) {
    return f64_of(bits_of_f64(a) | UINT64_C(0x0008000000000000));
}
static inline double of_nans_f64(double a, double b) {
    double other = is_signalling_f64(b) ? quiet_f64(b) : a != a ? b : a;
    return is_signalling_f64(a) ? quiet_f64(a) : other;
}
static inline double min_f64(double a, double b) {
    double equal = f64_of(bits_of_f64(a) | bits_of_f64(b));
    double ordered = a < b ? a : a > b ? b : equal;
    return a != a || b != b ? of_nans_f64(a, b) : ordered;
}
static inline double max_f64(double a, double b) {
    double equal = f64_of(bits_of_f64(a) & bits_of_f64(b));
    double ordered = a > b ? a : a < b ? b : equal;
    return a != a || b != b ? of_nans_f64(a, b) : ordered;
}
#define MINIMUM(a, b) ((a) < (b) ? (a) : (b))
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))
// The middle one of integers.
#define MEDIAN(a, b, c)                                                                            \
    ((a) > (b) ? ((b) > (c) ? (b) : MINIMUM(a, c)) : ((a) > (c) ? (a) : MINIMUM(b, c)))

// ---- classes
// ------------------------------------------------------------------------------------- Bits of
// v_cmp_class: signalling NaN, quiet NaN, -infinity, -normal, -subnormal, -0, +0 ...
static inline bool in_class(uint64_t bits, unsigned fraction_bits, unsigned exponent_bits,
                            uint32_t classes) {
    uint64_t fraction = bits & ((UINT64_C(1) << fraction_bits) - 1);
    uint64_t largest = (UINT64_C(1) << exponent_bits) - 1;
    uint64_t exponent = bits >> fraction_bits & largest;
    bool negative = bits >> (fraction_bits + exponent_bits) & 1;
    unsigned class;
    if (exponent == largest && fraction)
        class = fraction >> (fraction_bits - 1) & 1;
    else if (exponent == largest)
        class = negative ? 2 : 9;
    else if (exponent)
        class = negative ? 3 : 8;
    else if (fraction)
        class = negative ? 4 : 7;
    else
        class = negative ? 5 : 6;
    return classes >> class & 1;
}

// ---- conversions
// --------------------------------------------------------------------------------- To integers:
// towards zero, saturating, NaN gives 0.
static inline int32_t i32_of_f32(float a) {
    return a >= 0x1p31F ? INT32_MAX : a <= -0x1p31F ? INT32_MIN : a == a ? (int32_t)a : 0;
}
static inline uint32_t u32_of_f32(float a) {
    return a >= 0x1p32F ? UINT32_MAX : a > 0 ? (uint32_t)(int64_t)a : 0;
}
static inline int32_t i32_of_f64(double a) {
    return a >= 0x1p31 ? INT32_MAX : a <= -0x1p31 ? INT32_MIN : a == a ? (int32_t)a : 0;
}
static inline uint32_t u32_of_f64(double a) {
    return a >= 0x1p32 ? UINT32_MAX : a > 0 ? (uint32_t)(int64_t)a : 0;
}
static inline int32_t saturated(int64_t value, int64_t least, int64_t most) {
    return (int32_t)(value < least ? least : value > most ? most : value);
}
static inline uint32_t saturated_unsigned(int64_t value, int64_t most) {
    return (uint32_t)(value < 0 ? 0 : value > most ? most : value);
}
static inline int32_t i16_of_f32(float a) { return saturated(i32_of_f32(a), INT16_MIN, INT16_MAX); }
static inline uint32_t u16_of_f32(float a) { return MINIMUM(u32_of_f32(a), UINT16_MAX); }
static inline uint32_t pack_16(uint32_t low, uint32_t high) { return (low & 0xffff) | high << 16; }

// [-1, 1] and [0, 1] to the whole range of 16 bits.
static inline uint32_t signed_norm(float a) {
    return (uint32_t)i32_of_f32(rintf(fmaxf(-1.0F, fminf(a, 1.0F)) * (a == a ? 32767.0F : 0.0F)));
}
static inline uint32_t unsigned_norm(float a) {
    return u32_of_f32(rintf(fmaxf(0.0F, fminf(a, 1.0F)) * (a == a ? 65535.0F : 0.0F)));
}

// ---- fields of integers
// --------------------------------------------------------------------------
static inline uint32_t reversed_bits(uint32_t a) {
    a = (a & 0x55555555) << 1 | (a >> 1 & 0x55555555);
    a = (a & 0x33333333) << 2 | (a >> 2 & 0x33333333);
    a = (a & 0x0f0f0f0f) << 4 | (a >> 4 & 0x0f0f0f0f);
    return __builtin_bswap32(a);
}
// How many bits from the top equal the sign, or ~0 where all do.
static inline uint32_t sign_change(uint32_t a) {
    uint32_t changes = a ^ (a >> 31 ? UINT32_MAX : 0);
    return changes ? (uint32_t)__builtin_clz(changes) : UINT32_MAX;
}
static inline uint32_t unsigned_24(uint32_t a) { return a & 0xffffff; }
static inline int32_t signed_24(uint32_t a) {
    return (int32_t)((a & 0xffffff) ^ 0x800000) - 0x800000;
}
static inline uint32_t signed_field(uint32_t a, uint32_t first, uint32_t bits) {
    uint32_t field = (uint32_t)((int32_t)a >> first) & ((1U << bits) - 1);
    uint32_t sign = bits ? 1U << (bits - 1) : 0;
    return (field ^ sign) - sign;
}
static inline uint32_t with_byte(uint32_t a, uint32_t place, uint32_t byte) {
    return (a & ~(0xffU << 8 * place)) | byte << 8 * place;
}
// v_perm_b32: a byte of `choices` picks one of `bytes`, the sign of one of four of them, 0 or 0xff.
static inline uint32_t permuted_bytes(uint64_t bytes, uint32_t choices) {
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; k++) {
        uint32_t choice = choices >> 8 * k & 0xff, byte;
        if (choice < 8)
            byte = (uint32_t)(bytes >> 8 * choice) & 0xff;
        else if (choice < 12)
            byte = bytes >> (16 * (choice - 8) + 15) & 1 ? 0xff : 0;
        else
            byte = choice > 12 ? 0xff : 0;
        result |= byte << 8 * k;
    }
    return result;
}
static inline uint32_t lerp_u8(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t result = 0;
    for (unsigned shift = 0; shift < 32; shift += 8)
        result |= ((a >> shift & 0xff) + (b >> shift & 0xff) + (c >> shift & 1)) >> 1 << shift;
    return result;
}
static inline uint32_t absolute_difference(uint32_t a, uint32_t b) { return a > b ? a - b : b - a; }
static inline uint32_t sad_u8(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (unsigned shift = 0; shift < 32; shift += 8)
        sum += absolute_difference(a >> shift & 0xff, b >> shift & 0xff);
    return sum;
}
// Bytes of b that are 0 do not count.
static inline uint32_t msad_u8(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (unsigned shift = 0; shift < 32; shift += 8)
        sum += b >> shift & 0xff ? absolute_difference(a >> shift & 0xff, b >> shift & 0xff) : 0;
    return sum;
}
static inline uint32_t sad_u16(uint32_t a, uint32_t b) {
    return absolute_difference(a & 0xffff, b & 0xffff) + absolute_difference(a >> 16, b >> 16);
}

// ---- exponents
// ----------------------------------------------------------------------------------- a * 2^power,
// rounded once.
static inline float ldexp_f32(float a, int32_t power) {
    int64_t bounded = power > 400 ? 400 : power < -400 ? -400 : power;
    return (float)((double)a * f64_of((uint64_t)(bounded + 1023) << 52));
}
static inline double ldexp_f64(double a, int32_t power) { return ldexp(a, power); }
static inline int32_t frexp_exponent_f32(float a) {
    int exponent = 0;
    if (a - a == 0)
        (void)frexpf(a, &exponent);
    return exponent;
}
static inline float frexp_fraction_f32(float a) {
    int exponent;
    return a - a == 0 ? frexpf(a, &exponent) : a;
}
static inline int32_t frexp_exponent_f64(double a) {
    int exponent = 0;
    if (a - a == 0)
        (void)frexp(a, &exponent);
    return exponent;
}
static inline double frexp_fraction_f64(double a) {
    int exponent;
    return a - a == 0 ? frexp(a, &exponent) : a;
}
static inline float fract_f32(float a) { return fminf(a - floorf(a), 0x1.fffffep-1F); }
static inline double fract_f64(double a) { return fmin(a - floor(a), 0x1.fffffffffffffp-1); }

// ---- what the hardware approximates
// -------------------------------------------------------------- Computed in f64 and rounded,
// within the unit in the last place that the hardware promises; it reads subnormals as zero and
// makes none.
static inline float without_subnormals(float a) {
    uint32_t bits = bits_of(a);
    return bits & 0x7f800000 ? a : f32_of(bits & 0x80000000);
}
static inline float rcp_f32(float a) { return without_subnormals(1.0F / without_subnormals(a)); }
static inline float sqrt_f32(float a) { return sqrtf(without_subnormals(a)); }
static inline float rsq_f32(float a) { return (float)(1.0 / sqrt((double)without_subnormals(a))); }
static inline float exp_f32(float a) {
    return without_subnormals((float)exp2((double)without_subnormals(a)));
}
static inline float log_f32(float a) { return (float)log2((double)without_subnormals(a)); }
// Of turns; past 256 of them 0 and 1.
static inline float sin_f32(float a) {
    double turns = (double)without_subnormals(a);
    return fabs(turns) > 256 && a - a == 0 ? 0.0F : (float)sin(turns * 6.283185307179586);
}
static inline float cos_f32(float a) {
    double turns = (double)without_subnormals(a);
    return fabs(turns) > 256 && a - a == 0 ? 1.0F : (float)cos(turns * 6.283185307179586);
}

// ---- division
// ------------------------------------------------------------------------------------
static inline int32_t exponent_field(float a) { return (int32_t)(bits_of(a) >> 23 & 0xff); }
static inline int32_t exponent_field_f64(double a) {
    return (int32_t)(bits_of_f64(a) >> 52 & 0x7ff);
}
static inline bool is_subnormal(float a) { return a != 0 && fabsf(a) < 0x1p-126F; }
static inline bool is_subnormal_f64(double a) { return a != 0 && fabs(a) < 0x1p-1022; }

// Of a quotient that over- or underflows on the way: `value` is what is scaled, one of the two.
static inline float div_scale_f32(float value, float denominator, float numerator, bool *scaled) {
    *scaled = false;
    if (numerator == 0 || denominator == 0)
        return f32_of(0x7fc00000);
    double reciprocal = 1.0 / (double)denominator;
    double quotient = (double)numerator / (double)denominator;
    bool tiny_reciprocal = reciprocal != 0 && fabs(reciprocal) < 0x1p-126;
    bool tiny_quotient = quotient != 0 && fabs(quotient) < 0x1p-126;
    bool is_denominator = bits_of(value) == bits_of(denominator);
    bool is_numerator = bits_of(value) == bits_of(numerator);
    if (exponent_field(numerator) - exponent_field(denominator) >= 96) {
        *scaled = true;
        return is_denominator ? ldexp_f32(value, 64) : value;
    }
    if (is_subnormal(denominator))
        return ldexp_f32(value, 64);
    if (tiny_reciprocal && tiny_quotient) {
        *scaled = true;
        return is_denominator ? ldexp_f32(value, 64) : value;
    }
    if (tiny_reciprocal)
        return ldexp_f32(value, -64);
    if (tiny_quotient) {
        *scaled = true;
        return is_numerator ? ldexp_f32(value, 64) : value;
    }
    return exponent_field(numerator) <= 23 ? ldexp_f32(value, 64) : value;
}
static inline float div_fmas_f32(float a, float b, float c, bool scaled) {
    if (!scaled)
        return fmaf(a, b, c);
    // The product of f32 is exact in f64, and the sum is to odd: rounding it is rounding once.
    double sum = fma_to_odd((double)a, (double)b, (double)c);
    return (float)(sum * (exponent_field(c) > 127 ? 0x1p64 : 0x1p-64));
}
static inline float div_fixup_f32(float quotient, float denominator, float numerator) {
    uint32_t sign = (bits_of(denominator) ^ bits_of(numerator)) & 0x80000000;
    float magnitude;
    if (numerator != numerator)
        return quiet(numerator);
    if (denominator != denominator)
        return quiet(denominator);
    if ((denominator == 0 && numerator == 0) || (isinf(denominator) && isinf(numerator)))
        return f32_of(0xffc00000);
    if (denominator == 0 || isinf(numerator))
        magnitude = INFINITY;
    else if (isinf(denominator) || numerator == 0)
        magnitude = 0;
    else
        magnitude = fabsf(quotient);
    return f32_of(bits_of(magnitude) | sign);
}

#endif
