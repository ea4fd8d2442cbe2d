// austen-3m on the CPU against Hugging Face transformers. The default is a part of the matrix;
// MONOGEN_TEST_ALL=1 runs all of it.
#include "tests/support/austen.h"
#include "tests/support/generated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static void skip_unless_all(void) {
    if (!all_tests_wanted()) {
        print_message("SKIPPED: a part of the long matrix (make test-all)\n");
        skip();
    }
}

static void test_2_cus_fp32(void **state) {
    (void)state;
    austen_expect_kernel("cus=2 kv=fp32", AUSTEN_MOST_TOKENS);
}

static void test_2_cus_bf16(void **state) {
    (void)state;
    austen_expect_kernel("cus=2", AUSTEN_MOST_TOKENS);
}

static void test_7_cus_fp32_loop(void **state) {
    (void)state;
    austen_expect_kernel("cus=7 kv=fp32 unroll=loop", 24);
}

static void test_64_cus_fp32(void **state) {
    (void)state;
    austen_expect_kernel("cus=64 kv=fp32", 4);
}

static void test_the_matrix(void **state) {
    (void)state;
    skip_unless_all();
    static const int cus[] = {1, 2, 7, 64};
    static const char *const others[] = {"", " kv=fp32", " unroll=loop", " tile_rows=2",
                                         " tile_rows=4 kv=fp32 unroll=loop"};
    for (size_t c = 0; c < sizeof cus / sizeof cus[0]; c++) {
        for (size_t o = 0; o < sizeof others / sizeof others[0]; o++) {
            char set[96];
            snprintf(set, sizeof set, "cus=%d%s", cus[c], others[o]);
            austen_expect_kernel(set, AUSTEN_MOST_TOKENS);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_2_cus_fp32),      cmocka_unit_test(test_2_cus_bf16),
        cmocka_unit_test(test_7_cus_fp32_loop), cmocka_unit_test(test_64_cus_fp32),
        cmocka_unit_test(test_the_matrix),
    };
    return cmocka_run_group_tests(tests, austen_open_golden, austen_close_golden);
}
