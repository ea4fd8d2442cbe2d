#include "generator/commands/compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void near(double value, double expected) {
    if (!(fabs(value - expected) <= 1e-6 * fabs(expected)))
        fail_msg("%.9g, expected %.9g", value, expected);
}

static void equal_logits_have_no_error(void **state) {
    (void)state;
    const float logits[] = {1, -2, 4, 3};
    const struct comparison result = compare_logits(logits, logits, 4);
    assert_true(result.relative_rmse == 0 && result.largest_error == 0);
    assert_int_equal(result.chosen, 2);
    assert_int_equal(result.wanted, 2);
    near(result.margin, 1);
    assert_false(comparison_is_tie(&result));
}

static void errors_are_relative_to_the_reference(void **state) {
    (void)state;
    const float logits[] = {3, 5, 0}, reference[] = {3, 4, 0}; // norms 1 and 5
    const struct comparison result = compare_logits(logits, reference, 3);
    near(result.relative_rmse, 0.2);
    near(result.largest_error, 1);
    near(result.margin, 1);
}

static void margin_knows_where_the_second_is(void **state) {
    (void)state;
    const float falling[] = {9, 7, 1}, rising[] = {1, 7, 9}, middle[] = {7, 9, 8.5f};
    near(compare_logits(falling, falling, 3).margin, 2);
    near(compare_logits(rising, rising, 3).margin, 2);
    near(compare_logits(middle, middle, 3).margin, 0.5);
    const float one[] = {-3};
    assert_true(isinf(compare_logits(one, one, 1).margin));
}

static void ties_take_the_lowest_id(void **state) {
    (void)state;
    const float logits[] = {1, 5, 5, 2};
    const struct comparison result = compare_logits(logits, logits, 4);
    assert_int_equal(result.chosen, 1);
    assert_int_equal(result.wanted, 1);
    assert_true(result.margin == 0);
    assert_true(comparison_is_tie(&result));
}

static void another_choice_within_twice_the_error_is_a_tie(void **state) {
    (void)state;
    const float logits[] = {1.0f, 1.1f}, reference[] = {1.1f, 1.0f};
    const struct comparison result = compare_logits(logits, reference, 2);
    assert_int_equal(result.chosen, 1);
    assert_int_equal(result.wanted, 0);
    assert_true(comparison_is_tie(&result));
}

static void what_is_no_number_is_infinitely_wrong(void **state) {
    (void)state;
    const float reference[] = {1, 2, 3};
    const float logits[][3] = {{NAN, 2, 3}, {1, 2, NAN}, {1, INFINITY, 3}};
    for (int i = 0; i < 3; i++) {
        const struct comparison result = compare_logits(logits[i], reference, 3);
        assert_true(isinf(result.relative_rmse) && isinf(result.largest_error));
        assert_true(isinf(compare_logits(reference, logits[i], 3).relative_rmse));
    }
    const float zero[] = {0, 0}, some[] = {0, 1};
    assert_true(compare_logits(zero, zero, 2).relative_rmse == 0);
    assert_true(isinf(compare_logits(some, zero, 2).relative_rmse));
}

static void median_is_the_lower_middle(void **state) {
    (void)state;
    double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2}, one[] = {7}, endless[] = {INFINITY, 1, 2};
    assert_true(median_of(odd, 3) == 3);
    assert_true(median_of(even, 4) == 2);
    assert_true(even[3] == 4);
    assert_true(median_of(one, 1) == 7);
    assert_true(median_of(endless, 3) == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_logits_have_no_error),
        cmocka_unit_test(errors_are_relative_to_the_reference),
        cmocka_unit_test(margin_knows_where_the_second_is),
        cmocka_unit_test(ties_take_the_lowest_id),
        cmocka_unit_test(another_choice_within_twice_the_error_is_a_tie),
        cmocka_unit_test(what_is_no_number_is_infinitely_wrong),
        cmocka_unit_test(median_is_the_lower_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
