// The checker must not be felt: a plan of 1 B parameters on all CUs of MI300X in 50 ms.
#include "generator/plan/check.h"
#include "runtime/clock.h"
#include "tests/support/made_plan.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_large_plan_is_checked_soon(void **state) {
    (void)state;
    enum { TRIES = 5 };
    struct made_plan made;
    made_plan_open(&made, "llama-3.2-1b", "mi300x", "");
    double best = 1e9;
    for (int i = 0; i < TRIES; i++) {
        struct diagnostics diagnostics = {0};
        struct plan_proof proof;
        const double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        assert_true(plan_check(&made.plan, "plan.lua", &proof, &diagnostics));
        const double seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        best = seconds < best ? seconds : best;
        diagnostics_close(&diagnostics);
    }
    made_plan_close(&made);
    if (best > 0.05)
        fail_msg("checking took %.1f ms", best * 1e3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_large_plan_is_checked_soon)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
