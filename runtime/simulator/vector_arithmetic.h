// What the rows of vector_instructions.def compute with, a lane at a time. Written so that loops
// over lanes vectorise: choices instead of branches.
#ifndef RUNTIME_SIMULATOR_VECTOR_ARITHMETIC_H
#define RUNTIME_SIMULATOR_VECTOR_ARITHMETIC_H

#include "runtime/float_formats.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// ---- bits ---------------------------------------------------------------------------------------
static inline double f64_from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline uint64_t f64_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline uint64_t pair_of(uint32_t low, uint32_t high) { return low | (uint64_t)high << 32; }

// ---- minima and maxima, as the IEEE mode has them -----------------------------------------------
static inline bool is_signalling(float a) {
    uint32_t bits = f32_bits(a);
    return (bits & 0x7fffffff) > 0x7f800000 && !(bits & 0x00400000);
}
static inline float quiet(float a) { return f32_from_bits(f32_bits(a) | 0x00400000); }
// One of them a NaN: a signalling one, quietened, before the other, and a number before a quiet
// one.
static inline float of_nans(float a, float b) {
    float other = is_signalling(b) ? quiet(b) : a != a ? b : a;
    return is_signalling(a) ? quiet(a) : other;
}
static inline float min_f32(float a, float b) {
    float equal = f32_from_bits(f32_bits(a) | f32_bits(b)); // -0 below +0
    float ordered = a < b ? a : a > b ? b : equal;
    return a != a || b != b ? of_nans(a, b) : ordered;
}
static inline float max_f32(float a, float b) {
    float equal = f32_from_bits(f32_bits(a) & f32_bits(b));
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
    uint64_t bits = f64_bits(a) & INT64_MAX;
    return bits > UINT64_C(0x7ff0000000000000) && bits < UINT64_C(0x7ff8000000000000);
}
static inline double quiet_f64(double a) {
    return f64_from_bits(f64_bits(a) | UINT64_C(0x0008000000000000));
}
static inline double of_nans_f64(double a, double b) {
    double other = is_signalling_f64(b) ? quiet_f64(b) : a != a ? b : a;
    return is_signalling_f64(a) ? quiet_f64(a) : other;
}
static inline double min_f64(double a, double b) {
    double equal = f64_from_bits(f64_bits(a) | f64_bits(b));
    double ordered = a < b ? a : a > b ? b : equal;
    return a != a || b != b ? of_nans_f64(a, b) : ordered;
}
static inline double max_f64(double a, double b) {
    double equal = f64_from_bits(f64_bits(a) & f64_bits(b));
    double ordered = a > b ? a : a < b ? b : equal;
    return a != a || b != b ? of_nans_f64(a, b) : ordered;
}
// Into [0, 1], NaN to 0.
static inline float unit_range(float a) { return a > 0 ? a < 1 ? a : 1 : 0; }
#define MINIMUM(a, b) ((a) < (b) ? (a) : (b))
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))
// The middle one of integers.
#define MEDIAN(a, b, c)                                                                            \
    ((a) > (b) ? ((b) > (c) ? (b) : MINIMUM(a, c)) : ((a) > (c) ? (a) : MINIMUM(b, c)))

// ---- classes ------------------------------------------------------------------------------------
// Bits of v_cmp_class: signalling NaN, quiet NaN, -infinity, -normal, -subnormal, -0, +0 ...
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

// ---- conversions --------------------------------------------------------------------------------
// To integers: towards zero, saturating, NaN gives 0.
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

// ---- fields of integers -------------------------------------------------------------------------
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

// Sums of products of bytes and of quarters of bytes.
static inline int32_t signed_byte(uint32_t a, unsigned place) { return (int8_t)(a >> 8 * place); }
static inline int32_t signed_nibble(uint32_t a, unsigned place) {
    return (int32_t)((a >> 4 * place & 15) ^ 8) - 8;
}
static inline int64_t dot4_i8(uint32_t a, uint32_t b) {
    int64_t sum = 0;
    for (unsigned k = 0; k < 4; k++)
        sum += signed_byte(a, k) * signed_byte(b, k);
    return sum;
}
static inline int64_t dot4_u8(uint32_t a, uint32_t b) {
    int64_t sum = 0;
    for (unsigned k = 0; k < 4; k++)
        sum += (a >> 8 * k & 0xff) * (b >> 8 * k & 0xff);
    return sum;
}
static inline int64_t dot8_i4(uint32_t a, uint32_t b) {
    int64_t sum = 0;
    for (unsigned k = 0; k < 8; k++)
        sum += signed_nibble(a, k) * signed_nibble(b, k);
    return sum;
}
static inline int64_t dot8_u4(uint32_t a, uint32_t b) {
    int64_t sum = 0;
    for (unsigned k = 0; k < 8; k++)
        sum += (a >> 4 * k & 15) * (b >> 4 * k & 15);
    return sum;
}
static inline int64_t dot2_i16(uint32_t a, uint32_t b) {
    return (int64_t)(int16_t)a * (int16_t)b + (int64_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
}
static inline int64_t dot2_u16(uint32_t a, uint32_t b) {
    return (int64_t)((uint64_t)(a & 0xffff) * (b & 0xffff) + (uint64_t)(a >> 16) * (b >> 16));
}

// ---- exponents ----------------------------------------------------------------------------------
// a * 2^power, rounded once.
static inline float ldexp_f32(float a, int32_t power) {
    int64_t bounded = power > 400 ? 400 : power < -400 ? -400 : power;
    return (float)((double)a * f64_from_bits((uint64_t)(bounded + 1023) << 52));
}
static inline double ldexp_f64(double a, int32_t power) { return ldexp(a, power); }
static inline double frexp_fraction_f64(double a) {
    uint64_t bits = f64_bits(fabs(a) < 0x1p-1022 ? a * 0x1p54 : a);
    double fraction =
        f64_from_bits((bits & UINT64_C(0x800fffffffffffff)) | UINT64_C(0x3fe0000000000000));
    return a == 0 || a - a != 0 ? a : fraction;
}
// 0 of infinities and NaN.
static inline int32_t frexp_exponent_f64(double a) {
    bool is_subnormal = fabs(a) < 0x1p-1022;
    uint64_t bits = f64_bits(is_subnormal ? a * 0x1p54 : a);
    int32_t exponent = (int32_t)(bits >> 52 & 0x7ff) - 1022 - (is_subnormal ? 54 : 0);
    return a == 0 || a - a != 0 ? 0 : exponent;
}
static inline float frexp_fraction_f32(float a) { return (float)frexp_fraction_f64((double)a); }
static inline int32_t frexp_exponent_f32(float a) { return frexp_exponent_f64((double)a); }
static inline float fract_f32(float a) {
    float fraction = a - floorf(a);
    return fraction >= 1 ? 0x1.fffffep-1F : fraction;
}
static inline double fract_f64(double a) {
    double fraction = a - floor(a);
    return fraction >= 1 ? 0x1.fffffffffffffp-1 : fraction;
}

// ---- what the hardware approximates -------------------------------------------------------------
// Computed in f64 and rounded, within the unit in the last place that the hardware promises; but of
// sines it reads subnormals as zero, and makes none.
static inline float without_subnormals(float a) {
    uint32_t bits = f32_bits(a);
    return bits & 0x7f800000 ? a : f32_from_bits(bits & 0x80000000);
}
static inline float rcp_f32(float a) { return without_subnormals(1.0F / without_subnormals(a)); }
static inline float sqrt_f32(float a) { return sqrtf(without_subnormals(a)); }
static inline float rsq_f32(float a) { return (float)(1.0 / sqrt((double)without_subnormals(a))); }
static inline float exp_f32(float a) {
    return without_subnormals((float)exp2((double)without_subnormals(a)));
}
static inline float log_f32(float a) {
    return a < 0 && f32_bits(a) & 0x7f800000 ? f32_from_bits(0xffc00000)
                                             : (float)log2((double)without_subnormals(a));
}
// Of turns: whole ones do not count, and quarters give 0 and 1 exactly.
static inline double sin_turns(double turns) {
    double folded = fabs(turns) > 0.25 ? copysign(0.5, turns) - turns : turns;
    return sin(folded * 6.283185307179586);
}
static inline double part_of_turn(float a) {
    double turns = (double)a;
    return fabs(turns) <= 0.5 ? turns : turns - rint(turns);
}
static inline float sin_f32(float a) { return (float)sin_turns(part_of_turn(a)); }
static inline float cos_f32(float a) { return (float)sin_turns(0.25 - fabs(part_of_turn(a))); }

#endif
