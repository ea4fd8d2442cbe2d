// Products of matrices against plain loops over rows and columns, with the layouts of registers as
// AMD's matrix instruction calculator tells them.
#include "tests/support/vector_wave.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum format { F32, F16, BF16, FP8, BF8, I8 };

struct shape {
    const char *name;
    int size, depth, blocks; // rows and columns; length of the sums
    enum format a, b;
};

static const struct shape shapes[] = {
    {"v_mfma_f32_32x32x1_2b_f32", 32, 1, 2, F32, F32},
    {"v_mfma_f32_16x16x1_4b_f32", 16, 1, 4, F32, F32},
    {"v_mfma_f32_4x4x1_16b_f32", 4, 1, 16, F32, F32},
    {"v_mfma_f32_32x32x2_f32", 32, 2, 1, F32, F32},
    {"v_mfma_f32_16x16x4_f32", 16, 4, 1, F32, F32},
    {"v_mfma_f32_32x32x4_2b_f16", 32, 4, 2, F16, F16},
    {"v_mfma_f32_16x16x4_4b_f16", 16, 4, 4, F16, F16},
    {"v_mfma_f32_4x4x4_16b_f16", 4, 4, 16, F16, F16},
    {"v_mfma_f32_32x32x8_f16", 32, 8, 1, F16, F16},
    {"v_mfma_f32_16x16x16_f16", 16, 16, 1, F16, F16},
    {"v_mfma_f32_32x32x4_2b_bf16", 32, 4, 2, BF16, BF16},
    {"v_mfma_f32_16x16x4_4b_bf16", 16, 4, 4, BF16, BF16},
    {"v_mfma_f32_4x4x4_16b_bf16", 4, 4, 16, BF16, BF16},
    {"v_mfma_f32_32x32x8_bf16", 32, 8, 1, BF16, BF16},
    {"v_mfma_f32_16x16x16_bf16", 16, 16, 1, BF16, BF16},
    {"v_mfma_f32_32x32x16_fp8_fp8", 32, 16, 1, FP8, FP8},
    {"v_mfma_f32_32x32x16_fp8_bf8", 32, 16, 1, FP8, BF8},
    {"v_mfma_f32_32x32x16_bf8_fp8", 32, 16, 1, BF8, FP8},
    {"v_mfma_f32_32x32x16_bf8_bf8", 32, 16, 1, BF8, BF8},
    {"v_mfma_f32_16x16x32_fp8_fp8", 16, 32, 1, FP8, FP8},
    {"v_mfma_f32_16x16x32_fp8_bf8", 16, 32, 1, FP8, BF8},
    {"v_mfma_f32_16x16x32_bf8_fp8", 16, 32, 1, BF8, FP8},
    {"v_mfma_f32_16x16x32_bf8_bf8", 16, 32, 1, BF8, BF8},
    {"v_mfma_i32_32x32x4_2b_i8", 32, 4, 2, I8, I8},
    {"v_mfma_i32_16x16x4_4b_i8", 16, 4, 4, I8, I8},
    {"v_mfma_i32_4x4x4_16b_i8", 4, 4, 16, I8, I8},
    {"v_mfma_i32_32x32x16_i8", 32, 16, 1, I8, I8},
    {"v_mfma_i32_16x16x32_i8", 16, 32, 1, I8, I8},
};

// Small integers, which all formats have exactly, so that sums are exact too.
static int value_at(int matrix, int block, int row, int column) {
    return (matrix * 7 + block * 5 + row * 3 + column * 11 + row * column) % 15 - 7;
}

static uint32_t bits_of_integer(enum format format, int value) {
    float as_float = (float)value;
    uint32_t bits, sign = value < 0;
    int exponent, magnitude = value < 0 ? -value : value;
    memcpy(&bits, &as_float, sizeof bits);
    if (format == F32)
        return bits;
    if (format == BF16)
        return bits >> 16;
    if (format == I8)
        return (uint32_t)value & 0xff;
    if (value == 0)
        return 0;
    int fraction_bits = format == F16 ? 10 : format == FP8 ? 3 : 2;
    int bias = format == F16 ? 15 : format == FP8 ? 8 : 16;
    frexp(magnitude, &exponent);
    uint32_t fraction = (uint32_t)ldexp(magnitude, fraction_bits + 1 - exponent) -
                        (1U << fraction_bits); // without the first bit
    return sign << (format == F16 ? 15 : 7) | (uint32_t)(exponent - 1 + bias) << fraction_bits |
           fraction;
}

static int bits_in(enum format format) {
    return format == F32 ? 32 : format == F16 || format == BF16 ? 16 : 8;
}

// Element k of row (or column) `across` of a block: which lane and place has it.
static void put(struct vector_wave *wave, unsigned first, const struct shape *shape,
                enum format format, int block, int across, int k, int value) {
    int lane_values = shape->depth * shape->size * shape->blocks / WAVE_LANES;
    int lane = across + block * shape->size + k / lane_values * shape->size * shape->blocks;
    int bit = k % lane_values * bits_in(format);
    wave->vectors[first + (unsigned)bit / 32][lane] |= bits_of_integer(format, value) << (bit % 32);
}

// Where an element of C and D is.
static void place(const struct shape *shape, int block, int row, int column, int *number,
                  int *lane) {
    if (shape->size == 4) {
        *number = row;
        *lane = block * 4 + column;
    } else if (shape->size == 16) {
        *number = block * 4 + row % 4;
        *lane = row / 4 * 16 + column;
    } else {
        *number = block * 16 + row / 8 * 4 + row % 4;
        *lane = row / 4 % 2 * 32 + column;
    }
}

static void check_shape(const struct shape *shape, int broadcast, int chosen) {
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction multiply = vector_instruction(shape->name);
    bool is_integer = shape->a == I8;
    int registers = shape->size * shape->size * shape->blocks / WAVE_LANES;
    assert_int_equal(multiply.destinations[0].words, registers);
    assert_int_equal(multiply.sources[2].words, registers);
    multiply.immediate = (uint32_t)(broadcast | chosen << 4);
    wave_set_scalar_64(&wave.wave, SCALAR_EXEC, 5); // does not matter
    const unsigned a = vector_source_register(0), b = vector_source_register(1);
    const unsigned c = vector_source_register(2);
    memset(wave.vectors[a], 0, 2 * sizeof *wave.vectors);
    memset(wave.vectors[b], 0, 2 * sizeof *wave.vectors);
    for (int block = 0; block < shape->blocks; block++)
        for (int across = 0; across < shape->size; across++)
            for (int k = 0; k < shape->depth; k++) {
                put(&wave, a, shape, shape->a, block, across, k, value_at(0, block, across, k));
                put(&wave, b, shape, shape->b, block, across, k, value_at(1, block, k, across));
            }
    for (int block = 0; block < shape->blocks; block++)
        for (int row = 0; row < shape->size; row++)
            for (int column = 0; column < shape->size; column++) {
                int number, lane;
                place(shape, block, row, column, &number, &lane);
                wave.vectors[(int)c + number][lane] =
                    bits_of_integer(is_integer ? I8 : F32, value_at(2, block, row, column) & 0x3f);
            }
    vector_execute(&wave, &multiply);
    for (int block = 0; block < shape->blocks; block++)
        for (int row = 0; row < shape->size; row++)
            for (int column = 0; column < shape->size; column++) {
                int number, lane, sum = value_at(2, block, row, column) & 0x3f;
                int block_a = block >> broadcast << broadcast | chosen;
                for (int k = 0; k < shape->depth; k++)
                    sum += value_at(0, broadcast ? block_a : block, row, k) *
                           value_at(1, block, k, column);
                place(shape, block, row, column, &number, &lane);
                float as_float = (float)sum;
                uint32_t expected = (uint32_t)sum;
                if (!is_integer)
                    memcpy(&expected, &as_float, sizeof expected);
                if (wave.vectors[number][lane] != expected)
                    fail_msg("%s: block %d, row %d, column %d is %#x, not %#x", shape->name, block,
                             row, column, wave.vectors[number][lane], expected);
            }
    vector_wave_close(&wave);
}

static void products_are_those_of_plain_loops(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        check_shape(&shapes[k], 0, 0);
}

// cbsz and abid: blocks use the rows of one of them.
static void blocks_share_rows(void **state) {
    (void)state;
    check_shape(&shapes[1], 1, 1);
    check_shape(&shapes[6], 2, 3);
    check_shape(&shapes[7], 2, 1);
    check_shape(&shapes[12], 4, 9);
}

static void c_may_be_a_constant_and_d_a_source(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction multiply = vector_instruction("v_mfma_f32_16x16x16_f16");
    multiply.sources[0].first = 0;
    multiply.sources[2] =
        (struct operand){.kind = OPERAND_CONSTANT, .words = 4, .bits = 0x3f800000};
    for (unsigned r = 0; r < 2; r++) {
        vector_fill(&wave, r, 0x3c003c00);
        vector_fill(&wave, vector_source_register(1) + r, 0x40004000);
    }
    vector_execute(&wave, &multiply);
    for (unsigned r = 0; r < 4; r++)
        assert_int_equal(wave.vectors[r][31], 0x42040000); // 16 * 2 + 1
    vector_wave_close(&wave);
}

// NaN and infinities reach the sums that they belong to, and no other.
static void nan_stays_in_its_row(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction multiply = vector_instruction("v_mfma_f32_16x16x16_bf16");
    for (unsigned r = 0; r < 4; r++) {
        vector_fill(&wave, vector_source_register(0) + r, 0);
        vector_fill(&wave, vector_source_register(1) + r, 0x3f803f80);
        vector_fill(&wave, vector_source_register(2) + r, 0);
    }
    wave.vectors[vector_source_register(0)][5] = 0x7fc0; // row 5
    wave.vectors[vector_source_register(0)][6] = 0x7f80; // row 6
    vector_execute(&wave, &multiply);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        for (unsigned r = 0; r < 4; r++) {
            unsigned row = lane / 16 * 4 + r;
            if (row == 5)
                assert_true((wave.vectors[r][lane] & 0x7fffffff) > 0x7f800000);
            else
                assert_int_equal(wave.vectors[r][lane], row == 6 ? 0x7f800000 : 0);
        }
    vector_wave_close(&wave);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_plain_loops),
        cmocka_unit_test(blocks_share_rows),
        cmocka_unit_test(c_may_be_a_constant_and_d_a_source),
        cmocka_unit_test(nan_stays_in_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
