// austen-3m on the CPU, planned in all ways: who keeps the residual, how the context is split,
// which mailboxes are shared, how layers are written out. The default is a part of the matrix;
// MONOGEN_TEST_ALL=1 runs all of it.
#include "tests/support/austen.h"
#include "tests/support/generated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static void test_split_contexts(void **state) {
    (void)state;
    austen_expect_kernel("cus=7 kv=fp32 kv_splits=3", 12);
    austen_expect_kernel("cus=5 kv_splits=5 unroll=loop", 12);
}

static void test_the_residual_everywhere(void **state) {
    (void)state;
    austen_expect_kernel("cus=3 kv=fp32 residual=everywhere", 12);
}

static void test_all_of_it(void **state) {
    (void)state;
    austen_expect_kernel(
        "cus=33 kv=fp32 kv_splits=3 residual=everywhere buffers=unshared unroll=loop", 3);
}

static void test_the_matrix(void **state) {
    (void)state;
    if (!all_tests_wanted()) {
        print_message("SKIPPED: a part of the long matrix (make test-all)\n");
        skip();
    }
    static const int cus[] = {1, 2, 7, 33, 64}, splits[] = {1, 3, 5};
    static const char *const residuals[] = {"owned", "everywhere"};
    static const char *const buffers[] = {"shared", "unshared"};
    static const char *const unrolls[] = {"inline", "loop"};
    enum { STEPS = 4 };
    for (int i = 0; i < 5 * 3 * 2 * 2 * 2; i++) {
        char set[128];
        snprintf(set, sizeof set, "cus=%d kv=fp32 kv_splits=%d residual=%s buffers=%s unroll=%s",
                 cus[i / 24], splits[i / 8 % 3], residuals[i / 4 % 2], buffers[i / 2 % 2],
                 unrolls[i % 2]);
        austen_expect_kernel(set, STEPS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_contexts),
        cmocka_unit_test(test_the_residual_everywhere),
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_the_matrix),
    };
    return cmocka_run_group_tests(tests, austen_open_golden, austen_close_golden);
}
