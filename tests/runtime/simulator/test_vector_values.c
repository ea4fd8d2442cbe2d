// Results of single vector instructions, worked out by hand.
#include "tests/support/vector_wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SNAN 0x7f800001
#define QNAN 0x7fc00001
#define INF 0x7f800000
#define ONE 0x3f800000
#define TWO 0x40000000
#define MINUS 0x80000000

struct row {
    const char *name;
    uint64_t a, b, c, expected;
};

// Of each: in all lanes, and in every third one, where the others keep what they have.
static void check(const struct row *row) {
    const uint64_t masks[] = {UINT64_MAX, UINT64_C(0x9249249249249249)};
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction instruction = vector_instruction(row->name);
    const uint64_t sources[] = {row->a, row->b, row->c};
    const unsigned words = instruction.destinations[0].words;
    for (unsigned m = 0; m < 2; m++) {
        vector_fill_64(&wave, 0, UINT64_C(0x123456789abcdef0));
        for (unsigned s = 0; s < 3; s++)
            if (instruction.sources[s].kind == OPERAND_VECTOR)
                vector_fill_64(&wave, instruction.sources[s].first, sources[s]);
        wave_set_scalar_64(&wave.wave, SCALAR_EXEC, masks[m]);
        vector_execute(&wave, &instruction);
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            for (unsigned word = 0; word < words; word++) {
                bool on = masks[m] >> lane & 1;
                // What accumulates had c there.
                bool accumulates = strchr(instruction.kind->operands, '+') != NULL;
                uint64_t before = accumulates ? row->c : UINT64_C(0x123456789abcdef0);
                uint32_t expected = (uint32_t)((on ? row->expected : before) >> 32 * word);
                if (wave.vectors[word][lane] != expected)
                    fail_msg("%s(%#llx, %#llx, %#llx): lane %u, word %u is %#x, not %#x", row->name,
                             (unsigned long long)row->a, (unsigned long long)row->b,
                             (unsigned long long)row->c, lane, word, wave.vectors[word][lane],
                             expected);
            }
    }
    vector_wave_close(&wave);
}

#define CHECK_ALL(rows)                                                                            \
    for (size_t k = 0; k < sizeof(rows) / sizeof *(rows); k++)                                     \
    check(&(rows)[k])

static void f32_sums_and_products(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"v_add_f32", ONE, TWO, 0, 0x40400000},
        {"v_add_f32", ONE, 0x33800000, 0, ONE},        // + 2^-24: a tie, to even
        {"v_add_f32", ONE, 0x33800001, 0, 0x3f800001}, // just above
        {"v_add_f32", 1, 1, 0, 2},                     // subnormals stay
        {"v_add_f32", 0x7f7fffff, 0x7f7fffff, 0, INF},
        {"v_add_f32", 0, MINUS, 0, 0},
        {"v_sub_f32", ONE, TWO, 0, 0xbf800000},
        {"v_subrev_f32", ONE, TWO, 0, ONE},
        {"v_mul_f32", 0x40400000, 0xc0000000, 0, 0xc0c00000},
        {"v_mul_f32", 0x00800000, 0x3f000000, 0, 0x00400000}, // 2^-127
        {"v_mul_f32", 0x00000001, 0x3f000000, 0, 0},          // half the least one: to even
        {"v_mul_f32", 0x00000003, 0x3f000000, 0, 2},
        {"v_mul_legacy_f32", 0, INF, 0, 0},
        {"v_fma_f32", 0x3f800001, 0x3f800001, 0xbf800002, 0x28800000}, // 2^-46: one rounding
        {"v_fmac_f32", 0x3f800001, 0x3f800001, 0xbf800002, 0x28800000},
        {"v_fmaak_f32", TWO, 0x40400000, ONE, 0x40e00000},
        {"v_fmamk_f32", TWO, 0x40400000, ONE, 0x40e00000},
        {"v_ldexp_f32", ONE, 3, 0, 0x41000000},
        {"v_ldexp_f32", ONE, 0xffffff6b, 0, 1},        // 2^-149
        {"v_ldexp_f32", 0x3fc00000, 0xffffff6a, 0, 1}, // 1.5 * 2^-150
        {"v_ldexp_f32", ONE, 0xffffff6a, 0, 0},        // 2^-150: a tie
        {"v_ldexp_f32", ONE, 0x7fffffff, 0, INF},
        {"v_ldexp_f32", 1, 149, 0, ONE},
    };
    CHECK_ALL(rows);
}

static void f32_minima_and_maxima(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"v_min_f32", ONE, TWO, 0, ONE},
        {"v_max_f32", ONE, TWO, 0, TWO},
        {"v_min_f32", 0, MINUS, 0, MINUS},
        {"v_min_f32", MINUS, 0, 0, MINUS},
        {"v_max_f32", 0, MINUS, 0, 0},
        {"v_max_f32", MINUS, 0, 0, 0},
        {"v_min_f32", QNAN, ONE, 0, ONE},
        {"v_max_f32", ONE, QNAN, 0, ONE},
        {"v_max_f32", QNAN, 0x7fc00002, 0, 0x7fc00002},
        {"v_min_f32", SNAN, ONE, 0, 0x7fc00001}, // IEEE mode: quiet, and wins
        {"v_max_f32", ONE, SNAN, 0, 0x7fc00001},
        {"v_min_f32", 0xff800000, ONE, 0, 0xff800000},
        {"v_min3_f32", 0x40400000, ONE, TWO, ONE},
        {"v_max3_f32", ONE, 0x40400000, TWO, 0x40400000},
        {"v_med3_f32", 0x40400000, ONE, TWO, TWO},
        {"v_med3_f32", ONE, TWO, 0x40400000, TWO},
        {"v_med3_f32", TWO, 0x40400000, ONE, TWO},
        {"v_med3_f32", TWO, TWO, ONE, TWO},
        {"v_med3_f32", QNAN, TWO, ONE, ONE}, // the least
        {"v_min_f64", UINT64_C(0x3ff0000000000000), UINT64_C(0x7ff8000000000000), 0,
         UINT64_C(0x3ff0000000000000)},
        {"v_max_f64", UINT64_C(0x8000000000000000), 0, 0, 0},
        {"v_min_f16", 0x3c00, 0x4000, 0, 0x3c00},
        {"v_max_f16", 0x7e01, 0xbc00, 0, 0xbc00},
        {"v_med3_i32", 5, 0xfffffffe, 3, 3},
        {"v_med3_u32", 5, 0xfffffffe, 3, 5},
        {"v_med3_i32", 0xfffffffe, 5, 3, 3},
        {"v_med3_i32", 3, 5, 0xfffffffe, 3},
        {"v_min3_i32", 5, 0xfffffffe, 3, 0xfffffffe},
        {"v_min3_u32", 5, 0xfffffffe, 3, 3},
        {"v_max3_i32", 5, 0xfffffffe, 3, 5},
        {"v_max3_u32", 5, 0xfffffffe, 3, 0xfffffffe},
        {"v_min_i32", 5, 0xfffffffe, 0, 0xfffffffe},
        {"v_max_u32", 5, 0xfffffffe, 0, 0xfffffffe},
        {"v_min_i16", 5, 0xfffe, 0, 0xfffe},
        {"v_max_i16", 5, 0xfffe, 0, 5},
        {"v_min_u16", 5, 0xfffe, 0, 5},
    };
    CHECK_ALL(rows);
}

static void conversions(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"v_cvt_f32_i32", 0xffffffff, 0, 0, 0xbf800000},
        {"v_cvt_f32_u32", 0xffffffff, 0, 0, 0x4f800000},
        {"v_cvt_f32_i32", 16777217, 0, 0, 0x4b800000}, // 2^24 + 1: a tie, to even
        {"v_cvt_i32_f32", 0x3fffffff, 0, 0, 1},
        {"v_cvt_i32_f32", 0xbfffffff, 0, 0, 0xffffffff},
        {"v_cvt_i32_f32", 0x4f000000, 0, 0, 0x7fffffff}, // 2^31
        {"v_cvt_i32_f32", 0xcf000000, 0, 0, 0x80000000},
        {"v_cvt_i32_f32", 0xff800000, 0, 0, 0x80000000},
        {"v_cvt_i32_f32", QNAN, 0, 0, 0},
        {"v_cvt_u32_f32", 0xbf800000, 0, 0, 0},
        {"v_cvt_u32_f32", 0x4f7fffff, 0, 0, 0xffffff00},
        {"v_cvt_u32_f32", INF, 0, 0, 0xffffffff},
        {"v_cvt_u32_f32", QNAN, 0, 0, 0},
        {"v_cvt_rpi_i32_f32", 0xc0200000, 0, 0, 0xfffffffe}, // -2.5 + 0.5
        {"v_cvt_flr_i32_f32", 0xc0200000, 0, 0, 0xfffffffd},
        {"v_cvt_f16_f32", 0x477fefff, 0, 0, 0x7bff},
        {"v_cvt_f16_f32", 0x477ff000, 0, 0, 0x7c00}, // 65520
        {"v_cvt_f16_f32", 0x33000000, 0, 0, 0},      // 2^-25: a tie
        {"v_cvt_f16_f32", 0xb3000001, 0, 0, 0x8001},
        {"v_cvt_f16_f32", 0x387fe000, 0, 0, 0x0400}, // rounds up to the least normal one
        {"v_cvt_f16_f32", 0x387fc000, 0, 0, 0x03ff},
        {"v_cvt_f16_f32", 0x3f801000, 0, 0, 0x3c00}, // 1 + 2^-11: a tie, to even
        {"v_cvt_f16_f32", 0x3f803000, 0, 0, 0x3c02},
        {"v_cvt_f16_f32", SNAN, 0, 0, 0x7e00},
        {"v_cvt_f32_f16", 0xffff0001, 0, 0, 0x33800000}, // the upper half does not count
        {"v_cvt_f32_f16", 0x8400, 0, 0, 0xb8800000},
        {"v_cvt_f32_f16", 0xfc00, 0, 0, 0xff800000},
        {"v_cvt_f32_f16", 0x7c01, 0, 0, 0x7fc02000},
        {"v_cvt_u16_f16", 0x7bff, 0, 0, 65504},
        {"v_cvt_u16_f16", 0xbc00, 0, 0, 0},
        {"v_cvt_i16_f16", 0x7bff, 0, 0, 32767},
        {"v_cvt_i16_f16", 0xfc00, 0, 0, 0x8000},
        {"v_cvt_f16_u16", 0xffff, 0, 0, 0x7c00},
        {"v_cvt_f16_i16", 0xffff, 0, 0, 0xbc00},
        {"v_cvt_f32_ubyte0", 0x04030201, 0, 0, 0x3f800000},
        {"v_cvt_f32_ubyte3", 0x04030201, 0, 0, 0x40800000},
        {"v_cvt_f64_i32", 0xffffffff, 0, 0, UINT64_C(0xbff0000000000000)},
        {"v_cvt_f64_u32", 0xffffffff, 0, 0, UINT64_C(0x41efffffffe00000)},
        {"v_cvt_f32_f64", UINT64_C(0x3ff0000010000000), 0, 0, ONE}, // a tie, to even
        {"v_cvt_f64_f32", 0x00000001, 0, 0, UINT64_C(0x36a0000000000000)},
        {"v_cvt_i32_f64", UINT64_C(0x41e0000000000000), 0, 0, 0x7fffffff},
        {"v_cvt_u32_f64", UINT64_C(0xbff0000000000000), 0, 0, 0},
        {"v_cvt_pkrtz_f16_f32", 0x3f803000, 0xbf803000, 0, 0xbc013c01}, // 1 + 1.5 * 2^-10
        {"v_cvt_pkrtz_f16_f32", 0x477fffff, INF, 0, 0x7c007bff},
        {"v_cvt_pk_u16_u32", 70000, 5, 0, 0x0005ffff},
        {"v_cvt_pk_i16_i32", 70000, 0xffff0000, 0, 0x80007fff},
        {"v_cvt_pknorm_i16_f32", ONE, 0xc0000000, 0, 0x80017fff},
        {"v_cvt_pknorm_u16_f32", 0x3f000000, QNAN, 0, 0x00008000},
        {"v_cvt_pk_u8_f32", 0x43800000, 2, 0x11223344, 0x11ff3344},
        {"v_cvt_off_f32_i4", 0x18, 0, 0, 0xbf000000},
        {"v_sat_pk_u8_i16", 0x0101ffff, 0, 0, 0xff00},
        {"v_frexp_exp_i32_f32", 0x00000001, 0, 0, 0xffffff6c}, // 0.5 * 2^-148
        {"v_frexp_mant_f32", 0x80000001, 0, 0, 0xbf000000},
        {"v_frexp_exp_i32_f32", INF, 0, 0, 0},
        {"v_frexp_mant_f32", 0x40400000, 0, 0, 0x3f400000},
        {"v_frexp_exp_i32_f64", UINT64_C(0x4008000000000000), 0, 0, 2},
        {"v_frexp_mant_f64", 1, 0, 0, UINT64_C(0x3fe0000000000000)},
        {"v_frexp_exp_i16_f16", 0x0001, 0, 0, 0xffe9}, // 0.5 * 2^-23
        {"v_rndne_f32", 0x40200000, 0, 0, TWO},        // 2.5
        {"v_rndne_f32", 0xbf000000, 0, 0, MINUS},
        {"v_floor_f32", 0xbf000000, 0, 0, 0xbf800000},
        {"v_ceil_f32", 0xbf000000, 0, 0, MINUS},
        {"v_trunc_f32", 0xbfc00000, 0, 0, 0xbf800000},
        {"v_fract_f32", 0xbf99999a, 0, 0, 0x3f4ccccc}, // -1.2: 0.8
        {"v_fract_f32", 0x80000001, 0, 0, 0x3f7fffff}, // below 1
        {"v_rndne_f64", UINT64_C(0x4004000000000000), 0, 0, UINT64_C(0x4000000000000000)},
        {"v_cvt_f32_fp8", 0x40, 0, 0, ONE},        // 4 bits of exponent, bias 8
        {"v_cvt_f32_fp8", 0x80, 0, 0, 0x7fc00000}, // no -0: NaN
        {"v_cvt_f32_fp8", 0x7f, 0, 0, 0x43700000}, // 240, the largest
        {"v_cvt_f32_fp8", 0x01, 0, 0, 0x3a800000}, // 2^-10
        {"v_cvt_f32_bf8", 0x40, 0, 0, ONE},        // 5 bits, bias 16
        {"v_cvt_f32_bf8", 0xff, 0, 0, 0xc7600000}, // -57344
        {"v_cvt_f32_bf8", 0x01, 0, 0, 0x37000000}, // 2^-17
        {"v_cvt_pk_f32_fp8", 0xc040, 0, 0, UINT64_C(0xbf8000003f800000)},
        {"v_cvt_pk_fp8_f32", ONE, 0xc3700000, 0, 0x9abcff40 | UINT64_C(0x1234567800000000)},
        {"v_cvt_pk_fp8_f32", 0x43780000, 0x43740000, 0, 0x9abc7f80}, // 248: NaN; 244: 240
        {"v_cvt_pk_bf8_f32", 0x3f900000, 0x3fb00000, 0, 0x9abc4240}, // 1.125, 1.375: ties, to even
        {"v_cvt_pk_fp8_f32", 0x3a000000, 0xba000001, 0, 0x9abc8100}, // 2^-11: a tie; above it
    };
    CHECK_ALL(rows);
}

static void approximations(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"v_exp_f32", 0x40400000, 0, 0, 0x41000000},
        {"v_exp_f32", 0xc2fc0000, 0, 0, 0x00800000}, // 2^-126
        {"v_exp_f32", 0xc2fd0000, 0, 0, 0},          // below: flushed
        {"v_exp_f32", 0xff800000, 0, 0, 0},
        {"v_exp_f32", 0x43000000, 0, 0, INF},
        {"v_exp_f32", MINUS, 0, 0, ONE},
        {"v_log_f32", 0x41000000, 0, 0, 0x40400000},
        {"v_log_f32", 0, 0, 0, 0xff800000},
        {"v_log_f32", 0x00000001, 0, 0, 0xff800000}, // a subnormal is 0
        {"v_log_f32", 0xbf800000, 0, 0, 0xffc00000},
        {"v_log_f32", INF, 0, 0, INF},
        {"v_rcp_f32", 0xc0000000, 0, 0, 0xbf000000},
        {"v_rcp_f32", 0x80000001, 0, 0, 0xff800000},
        {"v_rcp_f32", 0x7f7fffff, 0, 0, 0}, // 2^-128: flushed
        {"v_rcp_f32", 0xff800000, 0, 0, MINUS},
        {"v_rsq_f32", 0x40800000, 0, 0, 0x3f000000},
        {"v_rsq_f32", 0x80000000, 0, 0, 0xff800000},
        {"v_rsq_f32", INF, 0, 0, 0},
        {"v_sqrt_f32", 0x40800000, 0, 0, TWO},
        {"v_sqrt_f32", MINUS, 0, 0, MINUS},
        {"v_sin_f32", 0x3e800000, 0, 0, ONE}, // a quarter of a turn
        {"v_sin_f32", 0xff7fffff, 0, 0, 0x00000000},
        {"v_sin_f32", MINUS, 0, 0, MINUS},
        {"v_cos_f32", 0x3e800000, 0, 0, 0},
        {"v_cos_f32", 0xff7fffff, 0, 0, ONE},
        {"v_cos_f32", 0x3f000000, 0, 0, 0xbf800000},
        {"v_rcp_f16", 0x4200, 0, 0, 0x3555},
        {"v_sqrt_f16", 0x4000, 0, 0, 0x3da8},
        {"v_exp_f16", 0x4200, 0, 0, 0x4800},
        {"v_rcp_f64", UINT64_C(0x4000000000000000), 0, 0, UINT64_C(0x3fe0000000000000)},
    };
    CHECK_ALL(rows);
}

static void integers(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"v_add_u32", 0xffffffff, 2, 0, 1},
        {"v_sub_u32", 1, 2, 0, 0xffffffff},
        {"v_subrev_u32", 1, 2, 0, 1},
        {"v_add_i32", 0x7fffffff, 1, 0, 0x80000000},
        {"v_add_u16", 0xffff, 0xaaaa0002, 0, 1}, // the other half becomes 0
        {"v_sub_u16", 1, 2, 0, 0xffff},
        {"v_add_i16", 0x7fff, 1, 0, UINT64_C(0x123456789abc8000)}, // the other half stays
        {"v_mad_u16", 300, 300, 7, UINT64_C(0x123456789abc5f97)},
        {"v_mad_legacy_u16", 300, 300, 7, 0x5f97},
        {"v_mul_lo_u16", 300, 300, 0, 0x5f90},
        {"v_mul_lo_u32", 0x10001, 0x10001, 0, 0x20001},
        {"v_mul_hi_u32", 0xffffffff, 0xffffffff, 0, 0xfffffffe},
        {"v_mul_hi_i32", 0xffffffff, 2, 0, 0xffffffff},
        {"v_mul_u32_u24", 0xff000002, 0xff000003, 0, 6},
        {"v_mul_i32_i24", 0x00ffffff, 3, 0, 0xfffffffd},
        {"v_mul_hi_u32_u24", 0x00ffffff, 0x00ffffff, 0, 0xffff},
        {"v_mul_hi_i32_i24", 0x00800000, 0x00ffffff, 0, 0},
        {"v_mad_u32_u24", 0xff000002, 3, 5, 11},
        {"v_mad_i32_i24", 0x00ffffff, 3, 5, 2},
        {"v_mad_u32_u16", 0xabcd0003, 0xffff, 1, 0x2fffe},
        {"v_mad_i32_i16", 0xffff, 3, 1, 0xfffffffe},
        {"v_and_b32", 0xff00ff00, 0x0ff00ff0, 0, 0x0f000f00},
        {"v_or_b32", 0xff00ff00, 0x0ff00ff0, 0, 0xfff0fff0},
        {"v_xor_b32", 0xff00ff00, 0x0ff00ff0, 0, 0xf0f0f0f0},
        {"v_xnor_b32", 0xff00ff00, 0x0ff00ff0, 0, 0x0f0f0f0f},
        {"v_not_b32", 0xff00ff00, 0, 0, 0x00ff00ff},
        {"v_lshlrev_b32", 33, 3, 0, 6}, // the count is modulo 32
        {"v_lshrrev_b32", 4, 0x80000000, 0, 0x08000000},
        {"v_ashrrev_i32", 4, 0x80000000, 0, 0xf8000000},
        {"v_lshlrev_b16", 17, 0x8001, 0, 2},
        {"v_ashrrev_i16", 4, 0x8000, 0, 0xf800},
        {"v_lshlrev_b64", 36, 3, 0, UINT64_C(0x3000000000)},
        {"v_lshrrev_b64", 68, UINT64_C(0x8000000000000000), 0, UINT64_C(0x0800000000000000)},
        {"v_ashrrev_i64", 4, UINT64_C(0x8000000000000000), 0, UINT64_C(0xf800000000000000)},
        {"v_lshl_add_u64", UINT64_C(0x80000001), 3, UINT64_C(0xfffffffffffffff8),
         UINT64_C(0x400000000)},
        {"v_lshl_add_u32", 3, 34, 5, 17},
        {"v_add_lshl_u32", 3, 5, 33, 16},
        {"v_lshl_or_b32", 3, 4, 5, 0x35},
        {"v_and_or_b32", 0xff, 0x3c, 0x100, 0x13c},
        {"v_or3_b32", 1, 2, 4, 7},
        {"v_xad_u32", 5, 3, 10, 16},
        {"v_add3_u32", 0xffffffff, 1, 5, 5},
        {"v_bfe_u32", 0xabcdef12, 8, 12, 0xdef},
        {"v_bfe_u32", 0xabcdef12, 8, 32, 0}, // the width is modulo 32
        {"v_bfe_i32", 0xabcdef12, 8, 12, 0xfffffdef},
        {"v_bfe_i32", 0x80000000, 28, 8, 0xfffffff8},
        {"v_bfe_i32", 0xffffffff, 0, 0, 0},
        {"v_bfi_b32", 0xffff0000, 0x12345678, 0x9abcdef0, 0x1234def0},
        {"v_bfm_b32", 5, 3, 0, 0xf8},
        {"v_alignbit_b32", 0x12345678, 0x9abcdef0, 36, 0x89abcdef},
        {"v_alignbit_b32", 0x12345678, 0x9abcdef0, 0, 0x9abcdef0},
        {"v_alignbyte_b32", 0x12345678, 0x9abcdef0, 1, 0x789abcde},
        {"v_perm_b32", 0x77665544, 0x33221100, 0x07060100, 0x77661100},
        {"v_perm_b32", 0x80665544, 0x33228000, 0x0d0c0b08, 0xff00ffff},
        {"v_perm_b32", 0x80665544, 0x33228000, 0x0a09ff03, 0x0000ff33},
        {"v_bfrev_b32", 0x00000013, 0, 0, 0xc8000000},
        {"v_bcnt_u32_b32", 0xf00f, 3, 0, 11},
        {"v_ffbh_u32", 0x0000ffff, 0, 0, 16},
        {"v_ffbh_u32", 0, 0, 0, 0xffffffff},
        {"v_ffbl_b32", 0xff000008, 0, 0, 3},
        {"v_ffbh_i32", 0xffff0000, 0, 0, 16},
        {"v_ffbh_i32", 0x40000000, 0, 0, 1},
        {"v_ffbh_i32", 0xffffffff, 0, 0, 0xffffffff},
        {"v_sad_u8", 0x01ff8000, 0x02008010, 100, 372}, // 1 + 255 + 0 + 16
        {"v_sad_hi_u8", 0x01ff8000, 0x02008010, 100, 0x01100064},
        {"v_sad_u16", 0x00010005, 0x00030002, 10, 15},
        {"v_sad_u32", 3, 10, 1, 8},
        {"v_msad_u8", 0x01ff8005, 0x02008000, 100, 101},
        {"v_lerp_u8", 0x03050709, 0x04060808, 0x01000100, 0x04050808},
        {"v_dot4_i32_i8", 0xff027f80, 0x03fe0280, 10, 16641}, // 16384 + 254 - 4 - 3
        {"v_dot4_u32_u8", 0xff020101, 0x03020101, 10, 781},
        {"v_dot8_i32_i4", 0x8000000f, 0x80000002, 1, 63},
        {"v_dot8_u32_u4", 0x8000000f, 0x80000002, 1, 95},
        {"v_dot4c_i32_i8", 0x01010101, 0x01020304, 5, 15},
        {"v_dot2_i32_i16", 0xffff0002, 0x00030004, 1, 6},
        {"v_dot2_u32_u16", 0xffff0002, 0x00030004, 1, 196614},
        {"v_mov_b64", UINT64_C(0x123456789), 0, 0, UINT64_C(0x123456789)},
        {"v_accvgpr_read_b32", 77, 0, 0, 77},
        {"v_pack_b32_f16", 0x1234aaaa, 0x5678bbbb, 0, 0xbbbbaaaa},
    };
    CHECK_ALL(rows);
}

static void halves_and_mixtures(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"v_add_f16", 0x3c00, 0xffff4000, 0, 0x4200},
        {"v_mul_f16", 0x0001, 0x3800, 0, 0}, // half the least one: to even
        {"v_fma_f16", 0x3c01, 0x3c01, 0xbc02, UINT64_C(0x123456789abc0010)}, // 2^-20
        // Near a tie: 2^15 * 2^-14 ... a sum that two roundings would round up.
        {"v_fma_f16", 0x1400, 0x1001, 0x6401, UINT64_C(0x123456789abc6401)},
        {"v_pk_add_f16", 0x40003c00, 0x3c003c00, 0, 0x42004000},
        {"v_pk_mul_f16", 0x40004000, 0x3c004200, 0, 0x40004600},
        {"v_pk_fma_f16", 0x40004000, 0x3c004200, 0x3c003c00, 0x42004700},
        {"v_pk_fmac_f16", 0x40004000, 0x3c004200, 0x3c003c00, 0x42004700},
        {"v_cvt_pknorm_i16_f16", 0x3c00, 0xc000, 0, 0x80017fff},
        {"v_pk_max_f16", 0x4000bc00, 0x3c007e00, 0, 0x4000bc00},
        {"v_pk_add_u16", 0xffff0001, 0x00020002, 0, 0x00010003},
        {"v_pk_sub_i16", 0x00010001, 0x00020000, 0, 0xffff0001},
        {"v_pk_mul_lo_u16", 0x012c0002, 0x012c0003, 0, 0x5f900006},
        {"v_pk_mad_u16", 0x00020003, 0x00040005, 0x00010001, 0x00090010},
        {"v_pk_lshlrev_b16", 0x00110001, 0x80018001, 0, 0x00020002},
        {"v_pk_ashrrev_i16", 0x00040004, 0x80000800, 0, 0xf8000080},
        {"v_pk_min_i16", 0x0001ffff, 0xfffe0001, 0, 0xfffeffff},
        {"v_pk_max_u16", 0x0001ffff, 0xfffe0001, 0, 0xfffeffff},
        {"v_dot2_f32_f16", 0x40003c00, 0x42004400, ONE, 0x41300000}, // 1 + 4 + 6
        {"v_dot2c_f32_f16", 0x40003c00, 0x42004400, ONE, 0x41300000},
        {"v_fma_mix_f32", TWO, 0x40400000, ONE, 0x40e00000},
        {"v_fma_mixlo_f16", TWO, 0x40400000, ONE, UINT64_C(0x123456789abc4700)},
        {"v_fma_mixhi_f16", TWO, 0x40400000, ONE, UINT64_C(0x123456784700def0)},
        {"v_pk_fma_f32", UINT64_C(0x400000003f800000), UINT64_C(0x4040000040400000),
         UINT64_C(0x3f8000003f800000), UINT64_C(0x40e0000040800000)},
        {"v_pk_mul_f32", UINT64_C(0x400000003f800000), UINT64_C(0x4040000040400000), 0,
         UINT64_C(0x40c0000040400000)},
        {"v_pk_add_f32", UINT64_C(0x400000003f800000), UINT64_C(0x4040000040400000), 0,
         UINT64_C(0x40a0000040800000)},
        {"v_pk_mov_b32", UINT64_C(0x2222222211111111), UINT64_C(0x4444444433333333), 0,
         UINT64_C(0x3333333311111111)},
        {"v_add_f64", UINT64_C(0x3ff0000000000000), UINT64_C(0x4000000000000000), 0,
         UINT64_C(0x4008000000000000)},
        {"v_fma_f64", UINT64_C(0x4000000000000000), UINT64_C(0x4008000000000000),
         UINT64_C(0x3ff0000000000000), UINT64_C(0x401c000000000000)},
        {"v_ldexp_f64", UINT64_C(0x3ff0000000000000), 0xfffffbce, 0, 1}, // 2^-1074
        {"v_ldexp_f16", 0x3c00, 0xffe8, 0, 1},
        {"v_div_fixup_f32", 0, 0, 0, 0xffc00000},
        {"v_div_fixup_f32", 0, 0x80000000, ONE, 0xff800000},
        {"v_div_fixup_f32", 0, INF, 0xbf800000, MINUS},
        {"v_div_fixup_f32", 0xbf800000, TWO, TWO, ONE}, // the sign is that of the operands
        {"v_div_fixup_f32", 0, ONE, SNAN, 0x7fc00001},
    };
    CHECK_ALL(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_sums_and_products),
        cmocka_unit_test(f32_minima_and_maxima),
        cmocka_unit_test(conversions),
        cmocka_unit_test(approximations),
        cmocka_unit_test(integers),
        cmocka_unit_test(halves_and_mixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
