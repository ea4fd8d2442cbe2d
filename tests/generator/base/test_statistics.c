#include "generator/base/statistics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void the_middle_and_the_ends(void **state) {
    (void)state;
    const double values[5] = {4, 1, 10, 2, 3};
    const struct statistics five = statistics_of(values, 5), four = statistics_of(values, 4),
                            one = statistics_of(values, 1);
    assert_true(five.median == 3 && five.least == 1 && five.most == 10);
    assert_true(five.spread_percent == 300);
    assert_true(four.median == 2 && four.most == 10); // the lower one of the two
    assert_true(one.median == 4 && one.least == 4 && one.most == 4 && one.spread_percent == 0);
    assert_true(values[0] == 4 && values[4] == 3); // left as they are
}

static void zeros_have_no_spread(void **state) {
    (void)state;
    const double values[2] = {0, 0};
    assert_true(statistics_of(values, 2).spread_percent == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_middle_and_the_ends),
        cmocka_unit_test(zeros_have_no_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
