// What modifiers do to vector instructions: DPP, SDWA, signs, clamp, op_sel; and what is refused.
#include "tests/support/vector_wave.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ONE 0x3f800000
#define TWO 0x40000000
#define OLD 0x01d01d00

// ---- DPP ----------------------------------------------------------------------------------------
// The lane that each lane reads, as the instruction set tells it; -1: none.
static int source_lane(enum dpp dpp, unsigned argument, int lane) {
    int row = lane / 16 * 16, place = lane % 16, by = (int)argument;
    switch (dpp) {
    case DPP_QUAD_PERM:
        return lane / 4 * 4 + (int)(argument >> lane % 4 * 2 & 3);
    case DPP_ROW_SHL:
        return place + by < 16 ? lane + by : -1;
    case DPP_ROW_SHR:
        return place - by >= 0 ? lane - by : -1;
    case DPP_ROW_ROR:
        return row + (place + 16 - by) % 16;
    case DPP_WAVE_SHL:
        return lane < 63 ? lane + 1 : -1;
    case DPP_WAVE_ROL:
        return (lane + 1) % 64;
    case DPP_WAVE_SHR:
        return lane - 1;
    case DPP_WAVE_ROR:
        return (lane + 63) % 64;
    case DPP_ROW_MIRROR:
        return row + 15 - place;
    case DPP_ROW_HALF_MIRROR:
        return lane / 8 * 8 + 7 - lane % 8;
    case DPP_ROW_BCAST_15:
        return lane < 16 ? -1 : lane < 32 ? 15 : lane < 48 ? 31 : 47;
    case DPP_ROW_BCAST_31:
        return lane < 32 ? -1 : 31;
    case DPP_ROW_NEWBCAST:
        return row + by;
    case DPP_NONE:
        break;
    }
    return lane;
}

static void dpp_reads_other_lanes(void **state) {
    (void)state;
    static const struct {
        uint8_t dpp, argument;
    } controls[] = {
        {DPP_QUAD_PERM, 0xb1}, {DPP_QUAD_PERM, 0x4e},    {DPP_QUAD_PERM, 0x1b},
        {DPP_ROW_SHL, 1},      {DPP_ROW_SHL, 15},        {DPP_ROW_SHR, 1},
        {DPP_ROW_SHR, 8},      {DPP_ROW_ROR, 5},         {DPP_WAVE_SHL, 1},
        {DPP_WAVE_ROL, 1},     {DPP_WAVE_SHR, 1},        {DPP_WAVE_ROR, 1},
        {DPP_ROW_MIRROR, 0},   {DPP_ROW_HALF_MIRROR, 0}, {DPP_ROW_BCAST_15, 0},
        {DPP_ROW_BCAST_31, 0}, {DPP_ROW_NEWBCAST, 3},
    };
    const uint64_t masks[] = {UINT64_MAX, UINT64_C(0xf0f0ff00aaaa7fff)};
    for (size_t k = 0; k < sizeof controls / sizeof *controls; k++)
        for (unsigned variant = 0; variant < 16; variant++) {
            struct vector_wave wave;
            vector_wave_open(&wave);
            struct instruction move = vector_instruction("v_mov_b32");
            const unsigned from = vector_source_register(0);
            const uint64_t exec = masks[variant & 1];
            move.dpp = controls[k].dpp;
            move.dpp_argument = controls[k].argument;
            move.bound_ctrl = variant & 2;
            move.row_mask = variant & 4 ? 0xa : 0xf;
            move.bank_mask = variant & 8 ? 0x6 : 0xf;
            vector_fill(&wave, 0, OLD);
            wave_set_scalar_64(&wave.wave, SCALAR_EXEC, exec);
            vector_execute(&wave, &move);
            for (int lane = 0; lane < WAVE_LANES; lane++) {
                int source = source_lane(move.dpp, move.dpp_argument, lane);
                bool has_source = source >= 0 && exec >> source & 1;
                bool written = exec >> lane & 1 && move.row_mask >> lane / 16 & 1 &&
                               move.bank_mask >> lane % 16 / 4 & 1 &&
                               (has_source || move.bound_ctrl);
                uint32_t expected = !written ? OLD : !has_source ? 0 : wave.vectors[from][source];
                if (wave.vectors[0][lane] != expected)
                    fail_msg("dpp %u:%u, variant %u, lane %d: %#x, not %#x", move.dpp,
                             move.dpp_argument, variant, lane, wave.vectors[0][lane], expected);
            }
            vector_wave_close(&wave);
        }
}

// The sum over 64 lanes, as compilers write it.
static void dpp_reduces_a_wave(void **state) {
    (void)state;
    static const struct {
        uint8_t dpp, argument, rows;
    } steps[] = {
        {DPP_ROW_SHR, 1, 0xf}, {DPP_ROW_SHR, 2, 0xf},      {DPP_ROW_SHR, 4, 0xf},
        {DPP_ROW_SHR, 8, 0xf}, {DPP_ROW_BCAST_15, 0, 0xa}, {DPP_ROW_BCAST_31, 0, 0xc},
    };
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction add = vector_instruction("v_add_u32");
    add.sources[0].first = add.sources[1].first = 0;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        wave.vectors[0][lane] = lane * lane;
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        add.dpp = steps[k].dpp;
        add.dpp_argument = steps[k].argument;
        add.row_mask = steps[k].rows;
        vector_execute(&wave, &add);
    }
    assert_int_equal(wave.vectors[0][63], 63 * 64 * 127 / 6);
    vector_wave_close(&wave);
}

// Signs are applied to what DPP reads.
static void dpp_takes_signs(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction add = vector_instruction("v_add_f32");
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        wave.vectors[vector_source_register(0)][lane] = lane & 1 ? TWO : ONE;
    vector_fill(&wave, vector_source_register(1), 0xbf800000);
    add.dpp = DPP_QUAD_PERM;
    add.dpp_argument = 0xb1;
    add.sources[0].negate = true;
    add.sources[1].absolute = true;
    vector_execute(&wave, &add);
    assert_int_equal(wave.vectors[0][0], 0xbf800000); // -2 + 1
    assert_int_equal(wave.vectors[0][1], 0);          // -1 + 1
    vector_wave_close(&wave);
}

// ---- SDWA ---------------------------------------------------------------------------------------
static uint32_t with_parts(enum part source, bool sign_extend, enum part destination,
                           enum rest rest, uint32_t value) {
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction add = vector_instruction("v_or_b32");
    add.is_sdwa = true;
    add.sources[0].part = (uint8_t)source;
    add.sources[0].sign_extend = sign_extend;
    add.destination_part = (uint8_t)destination;
    add.destination_rest = (uint8_t)rest;
    vector_fill(&wave, 0, 0x13579bdf);
    vector_fill(&wave, vector_source_register(0), value);
    vector_fill(&wave, vector_source_register(1), 0);
    vector_execute(&wave, &add);
    uint32_t result = wave.vectors[0][17];
    vector_wave_close(&wave);
    return result;
}

static void sdwa_picks_parts(void **state) {
    (void)state;
    const uint32_t value = 0x84fe7203;
    assert_int_equal(with_parts(PART_BYTE_0, false, PART_DWORD, REST_PAD, value), 0x03);
    assert_int_equal(with_parts(PART_BYTE_1, false, PART_DWORD, REST_PAD, value), 0x72);
    assert_int_equal(with_parts(PART_BYTE_2, true, PART_DWORD, REST_PAD, value), 0xfffffffe);
    assert_int_equal(with_parts(PART_BYTE_3, false, PART_DWORD, REST_PAD, value), 0x84);
    assert_int_equal(with_parts(PART_WORD_0, true, PART_DWORD, REST_PAD, value), 0x7203);
    assert_int_equal(with_parts(PART_WORD_1, false, PART_DWORD, REST_PAD, value), 0x84fe);
    assert_int_equal(with_parts(PART_WORD_1, true, PART_DWORD, REST_PAD, value), 0xffff84fe);

    assert_int_equal(with_parts(PART_DWORD, false, PART_BYTE_1, REST_PAD, value), 0x0300);
    assert_int_equal(with_parts(PART_DWORD, false, PART_BYTE_1, REST_PRESERVE, value), 0x135703df);
    assert_int_equal(with_parts(PART_DWORD, false, PART_WORD_1, REST_PRESERVE, value), 0x72039bdf);
    assert_int_equal(with_parts(PART_DWORD, false, PART_WORD_0, REST_PRESERVE, value), 0x13577203);
    assert_int_equal(with_parts(PART_WORD_1, false, PART_WORD_0, REST_SIGN_EXTEND, value),
                     0xffff84fe);
    assert_int_equal(with_parts(PART_BYTE_2, false, PART_BYTE_1, REST_SIGN_EXTEND, value),
                     0xfffffe00);
    assert_int_equal(with_parts(PART_BYTE_1, false, PART_BYTE_3, REST_SIGN_EXTEND, value),
                     0x72000000);
}

static void sdwa_compares_and_converts(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction equal = vector_instruction("v_cmp_eq_u16");
    equal.is_sdwa = true;
    equal.sources[0].part = PART_BYTE_0;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        wave.vectors[vector_source_register(0)][lane] = 0xabcd00 | lane % 3;
    vector_fill(&wave, vector_source_register(1), 2);
    vector_execute(&wave, &equal);
    assert_int_equal(wave_scalar_64(&wave.wave, 40), UINT64_C(0x4924924924924924));

    struct instruction convert = vector_instruction("v_cvt_f32_f16");
    convert.is_sdwa = true;
    convert.sources[0].part = PART_WORD_1;
    convert.sources[0].negate = true;
    vector_fill(&wave, vector_source_register(0), 0x40003c00);
    vector_execute(&wave, &convert);
    assert_int_equal(wave.vectors[0][5], 0xc0000000);
    vector_wave_close(&wave);
}

// ---- others -------------------------------------------------------------------------------------
static uint32_t clamped(const char *name, uint32_t a, uint32_t b) {
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction instruction = vector_instruction(name);
    instruction.clamp = true;
    vector_fill(&wave, vector_source_register(0), a);
    vector_fill(&wave, vector_source_register(1), b);
    vector_fill(&wave, vector_source_register(2), 0);
    vector_execute(&wave, &instruction);
    uint32_t result = wave.vectors[0][63];
    vector_wave_close(&wave);
    return result;
}

static void clamp_bounds_results(void **state) {
    (void)state;
    assert_int_equal(clamped("v_add_f32", ONE, TWO), ONE);
    assert_int_equal(clamped("v_sub_f32", ONE, TWO), 0);
    assert_int_equal(clamped("v_mul_f32", 0x3f000000, 0x3f000000), 0x3e800000);
    assert_int_equal(clamped("v_mul_f32", 0x80000000, ONE), 0);
    assert_int_equal(clamped("v_add_f32", 0x7fc00000, ONE), 0);
    assert_int_equal(clamped("v_add_f16", 0x3c00, 0x3c00), 0x3c00);
    assert_int_equal(clamped("v_add_u32", 0xffffffff, 2), 0xffffffff);
    assert_int_equal(clamped("v_sub_u32", 1, 2), 0);
    assert_int_equal(clamped("v_subrev_u32", 1, 2), 1);
    assert_int_equal(clamped("v_add_i32", 0x7fffffff, 1), 0x7fffffff);
    assert_int_equal(clamped("v_sub_i32", 0x80000000, 1), 0x80000000);
    assert_int_equal(clamped("v_add_u16", 0xffff, 2), 0xffff);
    assert_int_equal(clamped("v_pk_add_u16", 0xffff0001, 0x00020001), 0xffff0002);
    assert_int_equal(clamped("v_pk_sub_i16", 0x80000001, 0x00010002), 0x8000ffff);
    assert_int_equal(clamped("v_pk_add_f16", 0x3c003800, 0x3c003400), 0x3c003a00);
    assert_int_equal(clamped("v_dot4_u32_u8", 0xffffffff, 0xffffffff), 4 * 255 * 255);
}

static void signs_are_of_the_type(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction fma = vector_instruction("v_fma_f32");
    fma.sources[0] = (struct operand){.kind = OPERAND_SCALAR, .words = 1, .first = 7};
    fma.sources[1] = (struct operand){.kind = OPERAND_CONSTANT, .words = 1, .bits = TWO};
    fma.sources[2].absolute = fma.sources[2].negate = true;
    wave.wave.scalars[7] = 0x40400000;
    vector_fill(&wave, vector_source_register(2), 0xbf800000);
    vector_execute(&wave, &fma);
    assert_int_equal(wave.vectors[0][40], 0x40a00000); // 3 * 2 - |-1|

    struct instruction add = vector_instruction("v_add_f64");
    add.sources[1].negate = true;
    vector_fill_64(&wave, vector_source_register(0), UINT64_C(0x4008000000000000));
    vector_fill_64(&wave, vector_source_register(1), UINT64_C(0x4000000000000000));
    vector_execute(&wave, &add);
    assert_int_equal(wave.vectors[0][40], 0);
    assert_int_equal(wave.vectors[1][40], 0x3ff00000);

    struct instruction choose = vector_instruction("v_cndmask_b32");
    choose.sources[1].negate = true;
    vector_fill(&wave, vector_source_register(0), ONE);
    vector_fill(&wave, vector_source_register(1), TWO);
    wave_set_scalar_64(&wave.wave, 42, UINT64_C(1) << 40);
    vector_execute(&wave, &choose);
    assert_int_equal(wave.vectors[0][40], 0xc0000000);
    assert_int_equal(wave.vectors[0][41], ONE);
    vector_wave_close(&wave);
}

static void op_sel_picks_halves(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    // The upper half of a and c, the lower of b; into the upper half.
    struct instruction fma = vector_instruction("v_fma_f16");
    fma.op_sel = 1 | 4 | 8;
    vector_fill(&wave, 0, 0xabcdabcd);
    vector_fill(&wave, vector_source_register(0), 0x40000000);
    vector_fill(&wave, vector_source_register(1), 0x00004200);
    vector_fill(&wave, vector_source_register(2), 0x3c000000);
    vector_execute(&wave, &fma);
    assert_int_equal(wave.vectors[0][0], 0x4700abcd);

    // {high, low} of a, {low, low} of b; the first product negative.
    struct instruction multiply = vector_instruction("v_pk_mul_f16");
    multiply.op_sel = 1;
    multiply.op_sel_hi = 0;
    multiply.neg_lo = 2;
    vector_fill(&wave, vector_source_register(0), 0x40003c00);
    vector_fill(&wave, vector_source_register(1), 0x7bff4200);
    vector_execute(&wave, &multiply);
    assert_int_equal(wave.vectors[0][0], 0x4200c600);

    struct instruction pair = vector_instruction("v_pk_fma_f32");
    pair.op_sel = 1;
    pair.op_sel_hi = 4; // a: high, low; b: low twice; c: low, high
    pair.neg_hi = 4;
    vector_fill_64(&wave, vector_source_register(0), UINT64_C(0x400000003f800000));
    vector_fill_64(&wave, vector_source_register(1), UINT64_C(0x7f80000040400000));
    vector_fill_64(&wave, vector_source_register(2), UINT64_C(0x400000003f800000));
    vector_execute(&wave, &pair);
    assert_int_equal(wave.vectors[0][9], 0x40e00000); // 2 * 3 + 1
    assert_int_equal(wave.vectors[1][9], ONE);        // 1 * 3 - 2

    struct instruction zero = vector_instruction("v_pk_fma_f32");
    zero.sources[2] = (struct operand){.kind = OPERAND_CONSTANT, .words = 2, .bits = ONE};
    zero.op_sel_hi = 3;
    vector_execute(&wave, &zero);
    assert_int_equal(wave.vectors[0][9], 0x40800000); // 1 * 3 + 1

    struct instruction move = vector_instruction("v_pk_mov_b32");
    move.op_sel = 2;
    vector_execute(&wave, &move);
    assert_int_equal(wave.vectors[0][9], ONE);
    assert_int_equal(wave.vectors[1][9], 0x7f800000);

    // f32, the upper f16, the lower f16 negated.
    struct instruction mix = vector_instruction("v_fma_mix_f32");
    mix.op_sel_hi = 2 | 4;
    mix.op_sel = 2;
    mix.sources[2].negate = true;
    vector_fill(&wave, vector_source_register(0), TWO);
    vector_fill(&wave, vector_source_register(1), 0x42000001);
    vector_fill(&wave, vector_source_register(2), 0x7bff3c00);
    vector_execute(&wave, &mix);
    assert_int_equal(wave.vectors[0][9], 0x40a00000); // 2 * 3 - 1

    struct instruction pack = vector_instruction("v_cvt_pk_fp8_f32");
    pack.op_sel = 4;
    vector_fill(&wave, 0, 0xabcdabcd);
    vector_fill(&wave, vector_source_register(0), ONE);
    vector_fill(&wave, vector_source_register(1), ONE);
    vector_execute(&wave, &pack);
    assert_int_equal(wave.vectors[0][9], 0x4040abcd);
    vector_wave_close(&wave);
}

static void what_is_not_known_is_refused(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction add = vector_instruction("v_add_f32");
    add.output_multiplier_log2 = 1;
    vector_refuses(&wave, &add, "output multiplier");
    struct instruction shift = vector_instruction("v_lshlrev_b32");
    shift.clamp = true;
    vector_refuses(&wave, &shift, "clamp");
    shift.clamp = false;
    shift.sources[1].negate = true;
    vector_refuses(&wave, &shift, "integer");
    struct instruction multiply = vector_instruction("v_mul_f32");
    multiply.op_sel = 1;
    vector_refuses(&wave, &multiply, "op_sel");
    struct instruction sum = vector_instruction("v_pk_add_u16");
    sum.neg_lo = 1;
    vector_refuses(&wave, &sum, "neg_lo");
    struct instruction carry = vector_instruction("v_add_co_u32");
    carry.clamp = true;
    vector_refuses(&wave, &carry, "clamp");
    struct instruction move = vector_instruction("v_mov_b32");
    move.sources[0].first = VECTOR_WAVE_REGISTERS;
    vector_refuses(&wave, &move, "vector register 192");
    move.sources[0].first = 0;
    move.destinations[0].first = VECTOR_WAVE_REGISTERS;
    vector_refuses(&wave, &move, "destination");
    move = vector_instruction("v_mov_b64");
    move.sources[0].first = VECTOR_WAVE_REGISTERS - 1;
    vector_refuses(&wave, &move, "vector register 192");
    move = vector_instruction("v_mov_b32");
    move.sources[0] = (struct operand){.kind = OPERAND_SCALAR, .first = SCALAR_REGISTERS};
    vector_refuses(&wave, &move, "no value");
    move.sources[0] = (struct operand){.kind = OPERAND_CONSTANT};
    move.dpp = DPP_ROW_MIRROR;
    vector_refuses(&wave, &move, "DPP");
    struct instruction matrix = vector_instruction("v_mfma_f32_16x16x16_f16");
    matrix.immediate = 1 << 8;
    vector_refuses(&wave, &matrix, "blgp");
    vector_wave_close(&wave);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dpp_reads_other_lanes),
        cmocka_unit_test(dpp_reduces_a_wave),
        cmocka_unit_test(dpp_takes_signs),
        cmocka_unit_test(sdwa_picks_parts),
        cmocka_unit_test(sdwa_compares_and_converts),
        cmocka_unit_test(clamp_bounds_results),
        cmocka_unit_test(signs_are_of_the_type),
        cmocka_unit_test(op_sel_picks_halves),
        cmocka_unit_test(what_is_not_known_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
