#include "generator/model/rope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

enum { HEAD_DIM = 64, PAIRS = HEAD_DIM / 2 };

static const double pi = 3.14159265358979323846;

static void check_near(const char *what, int pair, double got, double expected, double tolerance) {
    if (!(fabs(got - expected) <= tolerance * fabs(expected)))
        fail_msg("%s of pair %d is %.12g, expected %.12g", what, pair, got, expected);
}

static void check_floats(const double *frequencies) {
    for (int i = 0; i < PAIRS; i++)
        if ((double)(float)frequencies[i] != frequencies[i])
            fail_msg("frequency %d, %.17g, is no float32", i, frequencies[i]);
}

static double plain(double theta, int pair) { return pow(theta, -2.0 * pair / HEAD_DIM); }

static void test_default(void **state) {
    (void)state;
    double got[PAIRS];
    const struct rope rope = {.kind = ROPE_DEFAULT, .theta = 10000};
    assert_true(rope_frequencies(&rope, HEAD_DIM, got) == 1);
    check_floats(got);
    for (int i = 0; i < PAIRS; i++)
        check_near("frequency", i, got[i], plain(10000, i), 2e-7);
    // 10000^(1/4), ^(1/2) and ^(3/4) of a float32 pow and division
    assert_true(got[0] == 1);
    assert_true(got[8] == (double)(1.0f / 10.0f));
    assert_true(got[16] == (double)(1.0f / 100.0f));
    assert_true(got[24] == (double)(1.0f / 1000.0f));
}

static void test_linear(void **state) {
    (void)state;
    double got[PAIRS];
    const struct rope rope = {.kind = ROPE_LINEAR, .theta = 10000, .factor = 4};
    assert_true(rope_frequencies(&rope, HEAD_DIM, got) == 1);
    check_floats(got);
    for (int i = 0; i < PAIRS; i++)
        check_near("frequency", i, got[i], plain(10000, i) / 4, 2e-7);
}

// The numbers of Llama 3.2 1B.
static void test_llama3(void **state) {
    (void)state;
    double got[PAIRS];
    const struct rope rope = {.kind = ROPE_LLAMA3,
                              .theta = 500000,
                              .factor = 32,
                              .low = 1,
                              .high = 4,
                              .original_context = 8192};
    assert_true(rope_frequencies(&rope, HEAD_DIM, got) == 1);
    check_floats(got);
    int kept = 0, slowed = 0, blended = 0;
    for (int i = 0; i < PAIRS; i++) {
        double frequency = plain(500000, i), turns = 8192 * frequency / (2 * pi);
        double keep = (turns - 1) / (4 - 1);
        keep = fmin(fmax(keep, 0), 1);
        kept += keep == 1;
        slowed += keep == 0;
        blended += keep > 0 && keep < 1;
        check_near("frequency", i, got[i], frequency * keep + frequency / 32 * (1 - keep), 2e-6);
    }
    assert_int_equal(kept, 15);
    assert_int_equal(blended, 3);
    assert_int_equal(slowed, 14);
}

static void test_yarn(void **state) {
    (void)state;
    double got[PAIRS];
    struct rope rope = {.kind = ROPE_YARN,
                        .theta = 10000,
                        .factor = 4,
                        .original_context = 1024,
                        .beta_fast = 32,
                        .beta_slow = 1,
                        .truncate = true};
    double amplitude = rope_frequencies(&rope, HEAD_DIM, got);
    check_near("amplitude", 0, amplitude, 0.1 * log(4) + 1, 1e-15);
    check_floats(got);
    // Pairs that turn 32 times and once in 1024 positions: 5.64 and 17.69, widened to 5 and 18.
    for (int i = 0; i < PAIRS; i++) {
        double slow = fmin(fmax((i - 5.0) / (18 - 5), 0), 1);
        check_near("frequency", i, got[i], plain(10000, i) * ((1 - slow) + slow / 4), 1e-6);
    }
    rope.truncate = false;
    rope_frequencies(&rope, HEAD_DIM, got);
    double first = HEAD_DIM * log(1024 / (32 * 2 * pi)) / (2 * log(10000));
    double last = HEAD_DIM * log(1024 / (2 * pi)) / (2 * log(10000));
    for (int i = 0; i < PAIRS; i++) {
        double slow = fmin(fmax((i - first) / (last - first), 0), 1);
        check_near("untruncated frequency", i, got[i], plain(10000, i) * ((1 - slow) + slow / 4),
                   2e-6);
    }
}

static void test_yarn_amplitude(void **state) {
    (void)state;
    double got[PAIRS];
    struct rope rope = {.kind = ROPE_YARN,
                        .theta = 10000,
                        .factor = 40,
                        .original_context = 4096,
                        .beta_fast = 32,
                        .beta_slow = 1,
                        .truncate = true,
                        .mscale = 1,
                        .mscale_all_dim = 0.5};
    check_near("amplitude of two scales", 0, rope_frequencies(&rope, HEAD_DIM, got),
               (0.1 * log(40) + 1) / (0.05 * log(40) + 1), 1e-15);
    rope.attention_factor = 1.25;
    check_near("amplitude that is given", 0, rope_frequencies(&rope, HEAD_DIM, got), 1.25, 0);
    rope.attention_factor = rope.mscale = 0;
    rope.factor = 1;
    check_near("amplitude of factor 1", 0, rope_frequencies(&rope, HEAD_DIM, got), 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_llama3),         cmocka_unit_test(test_yarn),
        cmocka_unit_test(test_yarn_amplitude),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
