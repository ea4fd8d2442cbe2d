#include "runtime/float_formats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int is_nan16(unsigned bits) { return (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff); }

static void every_f16_survives_f32(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        float value = f32_from_f16((uint16_t)bits);
        if (is_nan16(bits))
            assert_true(isnan(value));
        else
            assert_int_equal(f16_from_f32(value), bits);
    }
}

// The value of f16 bits by the definition of the format.
static double f16_value(unsigned bits) {
    unsigned exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    return exponent ? ldexp(1024 + fraction, (int)exponent - 25) : ldexp(fraction, -24);
}

static void every_finite_f16_has_its_value(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 0x7c00; bits++) {
        assert_true(f32_from_f16((uint16_t)bits) == f16_value(bits));
        assert_true(f32_from_f16((uint16_t)(bits | 0x8000)) == -f16_value(bits));
    }
}

// Between two neighbours: below the middle to the lower, above to the upper, the middle to the
// even.
static void f16_rounds_to_nearest_even(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 0x7bff; bits++) {
        float middle = (float)((f16_value(bits) + f16_value(bits + 1)) / 2);
        assert_int_equal(f16_from_f32(middle), bits + bits % 2);
        assert_int_equal(f16_from_f32(nextafterf(middle, 0)), bits);
        assert_int_equal(f16_from_f32(nextafterf(middle, INFINITY)), bits + 1);
    }
    assert_int_equal(f16_from_f32(65519.0F), 0x7bff);
    assert_int_equal(f16_from_f32(65520.0F), 0x7c00);
    assert_int_equal(f16_from_f32(-1e30F), 0xfc00);
}

static void every_bf16_survives_f32(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        float value = f32_from_bf16((uint16_t)bits);
        if (!isnan(value))
            assert_int_equal(bf16_from_f32(value), bits);
    }
}

static void bf16_rounds_to_nearest_even(void **state) {
    (void)state;
    static const struct {
        uint32_t from;
        uint16_t to;
    } cases[] = {{0x3f808000, 0x3f80}, {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82},
                 {0x3f817fff, 0x3f81}, {0xbf818000, 0xbf82}, {0x7f7fffff, 0x7f80},
                 {0x00000001, 0x0000}, {0x0000ffff, 0x0001}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(bf16_from_f32(f32_from_bits(cases[i].from)), cases[i].to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_survives_f32),
        cmocka_unit_test(every_finite_f16_has_its_value),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(every_bf16_survives_f32),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
