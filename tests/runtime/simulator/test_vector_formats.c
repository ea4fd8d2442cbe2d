// Floats of 16 and 8 bits, exhaustively.
#include "runtime/float_formats.h"
#include "tests/support/vector_wave.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// The result of one source value in each lane.
static void convert(const char *name, const uint32_t from[WAVE_LANES], uint32_t to[WAVE_LANES]) {
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction instruction = vector_instruction(name);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        wave.vectors[vector_source_register(0)][lane] = from[lane];
    vector_fill(&wave, vector_source_register(1), 0);
    vector_fill(&wave, 0, 0);
    vector_execute(&wave, &instruction);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        to[lane] = wave.vectors[0][lane];
    vector_wave_close(&wave);
}

static void every_f16_is_read_and_written(void **state) {
    (void)state;
    for (uint32_t first = 0; first < 0x10000; first += WAVE_LANES) {
        uint32_t halves[WAVE_LANES], floats[WAVE_LANES], back[WAVE_LANES];
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
            halves[lane] = first + lane;
        convert("v_cvt_f32_f16", halves, floats);
        convert("v_cvt_f16_f32", floats, back);
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++) {
            bool is_nan = (halves[lane] & 0x7fff) > 0x7c00;
            uint32_t quiet = is_nan ? 0x0200 : 0;
            assert_int_equal(floats[lane],
                             f32_bits(f32_from_f16((uint16_t)(halves[lane] | quiet))));
            assert_int_equal(back[lane], halves[lane] | quiet);
        }
    }
}

static void f32_round_to_f16(void **state) {
    (void)state;
    uint32_t bits = 0x12345;
    for (unsigned round = 0; round < 4000; round++) {
        uint32_t floats[WAVE_LANES], halves[WAVE_LANES];
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
            bits = bits * 1664525 + 1013904223;
            uint32_t exponent = 100 + (bits >> 8) % 46; // about those of f16
            // Half of them near ties.
            uint32_t fraction = bits >> 9 & (lane & 1 ? 0x7ff000 : 0x7fffff);
            floats[lane] = (bits & 0x80000000) | exponent << 23 | fraction;
        }
        convert("v_cvt_f16_f32", floats, halves);
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            assert_int_equal(halves[lane], f16_from_f32(f32_from_bits(floats[lane])));
    }
}

// fp8 has 3 bits of fraction and a bias of 8; bf8 2 and 16.
static double small_value(uint32_t byte, int fraction_bits, int bias) {
    int exponent = (int)(byte & 0x7f) >> fraction_bits;
    int fraction = (int)byte & ((1 << fraction_bits) - 1);
    int whole = exponent ? fraction + (1 << fraction_bits) : fraction;
    double value = ldexp(whole, (exponent ? exponent : 1) - bias - fraction_bits);
    return byte & 0x80 ? -value : value;
}

static void check_small(const char *reads, const char *writes, int fraction_bits, int bias) {
    for (uint32_t first = 0; first < 256; first += WAVE_LANES) {
        uint32_t bytes[WAVE_LANES], floats[WAVE_LANES], back[WAVE_LANES], middles[WAVE_LANES];
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
            bytes[lane] = 0xabcdef00 | (first + lane);
        convert(reads, bytes, floats);
        convert(writes, floats, back);
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++) {
            uint32_t byte = first + lane;
            assert_int_equal(back[lane], byte);
            if (byte == 0x80)
                assert_true(isnan(f32_from_bits(floats[lane])));
            else
                assert_true((double)f32_from_bits(floats[lane]) ==
                            small_value(byte, fraction_bits, bias));
            uint32_t magnitude = byte & 0x7f;
            double value = small_value(magnitude, fraction_bits, bias);
            double next = magnitude < 0x7f
                              ? small_value(magnitude + 1, fraction_bits, bias)
                              : 2 * value - small_value(magnitude - 1, fraction_bits, bias);
            double middle = (value + next) / 2;
            middles[lane] = f32_bits(byte & 0x80 ? (float)-middle : (float)middle);
        }
        // Between two neighbours: the middle to the even one, past it to the upper one.
        for (unsigned above = 0; above < 2; above++) {
            convert(writes, middles, back);
            for (uint32_t lane = 0; lane < WAVE_LANES; lane++) {
                uint32_t byte = first + lane, to = byte + (above ? 1 : byte & 1);
                if ((byte & 0x7f) == 0x7f || to == 0x80) // past the largest: NaN; no -0
                    to = (byte & 0x7f) == 0x7f ? 0x80 : 0;
                assert_int_equal(back[lane], to);
                middles[lane]++;
            }
        }
    }
    const uint32_t others[WAVE_LANES] = {0x7f800000, 0xff800000, 0x7fc00000, 0x80000000,
                                         0x7f7fffff};
    uint32_t back[WAVE_LANES];
    convert(writes, others, back);
    assert_int_equal(back[0], 0x80);
    assert_int_equal(back[1], 0x80);
    assert_int_equal(back[2], 0x80);
    assert_int_equal(back[3], 0);
    assert_int_equal(back[4], 0x80);
}

static void every_fp8_is_read_and_written(void **state) {
    (void)state;
    check_small("v_cvt_f32_fp8", "v_cvt_pk_fp8_f32", 3, 8);
}

static void every_bf8_is_read_and_written(void **state) {
    (void)state;
    check_small("v_cvt_f32_bf8", "v_cvt_pk_bf8_f32", 2, 16);
}

// A fused sum of f16 against one in f64, where all is exact: products have 22 bits, and the terms
// lie close enough for 53.
static void fused_sums_of_f16_are_rounded_once(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    struct instruction fma_f16 = vector_instruction("v_fma_f16");
    uint32_t bits = 77;
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            for (unsigned s = 0; s < 3; s++) {
                bits = bits * 1664525 + 1013904223;
                // Exponents of 8 to 22, so that products have those of 1 to 29, and that of c.
                wave.vectors[vector_source_register(s)][lane] =
                    (bits >> 16 & 0x83ff) | (8 + (bits >> 10 & 15) % 14) << 10;
            }
        vector_execute(&wave, &fma_f16);
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
            double values[3];
            for (unsigned s = 0; s < 3; s++)
                values[s] =
                    (double)f32_from_f16((uint16_t)wave.vectors[vector_source_register(s)][lane]);
            double sum = values[0] * values[1] + values[2];
            // To f16 by the definition: a multiple of the last place, to nearest even.
            int exponent;
            frexp(sum, &exponent);
            int place = exponent - 11 < -24 ? -24 : exponent - 11;
            float expected = (float)ldexp(rint(ldexp(sum, -place)), place);
            assert_int_equal(wave.vectors[0][lane] & 0xffff, f16_from_f32(expected));
        }
    }
    vector_wave_close(&wave);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_is_read_and_written),
        cmocka_unit_test(f32_round_to_f16),
        cmocka_unit_test(every_fp8_is_read_and_written),
        cmocka_unit_test(every_bf8_is_read_and_written),
        cmocka_unit_test(fused_sums_of_f16_are_rounded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
