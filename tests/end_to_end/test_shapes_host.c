// Models of odd shapes with random weights on the CPU, against the reference: padding, shared and
// unshared heads, tied and untied embeddings, few rows and many CUs.
#include "tests/support/agreement.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { SEED = 5 };

static const char tiny[] = "tests/specs/tiny.lua", tiny_heads[] = "tests/specs/tiny_heads.lua";

static void expect_shape_of(const char *spec, const char *set) {
    skip_without_compiler("cxx");
    struct generated made;
    const char *folder = temporary_path(set);
    generated_open(&made, &(struct wanted_generation){
                              .spec = spec, .target = "host", .set = set, .compile = true});
    generated_write(&made, folder);
    // a rounded key or value is now and then another one than the reference's
    expect_agreement(&made.generation, folder, SEED, strstr(set, "kv=fp32") ? 2e-5 : 2e-2, set);
    generated_close(&made);
}

static void expect_shape(const char *set) { expect_shape_of(tiny, set); }

static void test_odd_sizes(void **state) {
    (void)state;
    // no tile height divides the rows, no unit the columns; a group of 6 heads; more CUs than tiles
    expect_shape("cus=5 kv=fp32 context=20 unroll=loop hidden=66 vocab=201 mlp=98 heads=6 "
                 "kv_heads=1 head_dim=10");
}

static void test_tied(void **state) {
    (void)state;
    expect_shape("cus=3 kv=fp32 context=12 tie_embeddings=true hidden=72 vocab=77 mlp=40 heads=3 "
                 "kv_heads=3 head_dim=24 tile_rows=2");
}

// A context of whole blocks and a piece, rows of K and V shorter than what is loaded at once.
static void test_small_heads(void **state) {
    (void)state;
    expect_shape_of(tiny_heads, "cus=2 kv=fp32");
    expect_shape_of(tiny_heads, "cus=1 kv=bf16 head_dim=6 heads=4");
}

static void test_others(void **state) {
    (void)state;
    if (!all_tests_wanted()) {
        print_message("SKIPPED: a part of the long matrix (make test-all)\n");
        skip();
    }
    expect_shape("cus=40 kv=fp32 context=8 layers=1 mlp=1 vocab=3 eos=1");
    expect_shape("cus=1 context=64 layers=3 unroll=inline");
    expect_shape("cus=2 kv=fp32 context=9 hidden=300 mlp=700 heads=2 kv_heads=1 head_dim=130");
    expect_shape("cus=4 kv=fp32 context=1");
    expect_shape("cus=6 kv=fp32 context=30 rope.theta=300 norm_eps=0.01 tile_rows=4 "
                 "tie_embeddings=true vocab=203");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_tied),
        cmocka_unit_test(test_small_heads),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
