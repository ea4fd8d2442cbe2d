// A family that no checkpoint has, on the CPU with random weights: however many CUs share the work,
// the logits are the same.
#include "runtime/monogen.h"
#include "tests/support/generated.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POSITIONS = 10, VOCAB = 96 };

static void logits_of(const char *spec, const char *set, float *logits) {
    struct generated made;
    struct monogen_error error = {0};
    struct arena arena = {0};
    const char *folder = temporary_path(arena_format(&arena, "%s %s", strrchr(spec, '/') + 1, set));
    generated_open(&made, &(struct wanted_generation){.spec = spec,
                                                      .specs = "tests/specs",
                                                      .target = "specs/targets/host.lua",
                                                      .set = set,
                                                      .compile = true});
    generated_write(&made, folder);
    generated_close(&made);
    struct monogen *model = monogen_open(&(struct monogen_options){.kernel_folder = folder,
                                                                   .random_seed = 1,
                                                                   .handoff_timeout_seconds = 120},
                                         &error);
    if (!model)
        fail_msg("%s '%s': %s", spec, set, error.message);
    uint32_t tokens[POSITIONS];
    for (uint32_t i = 0; i < POSITIONS; i++)
        tokens[i] = i * 37 % VOCAB;
    if (!monogen_logits(model, tokens, POSITIONS, logits, &error))
        fail_msg("%s '%s': %s", spec, set, error.message);
    monogen_close(model);
    arena_close(&arena);
}

static void expect_same(const char *spec, const char *set, const char *other_set) {
    skip_without_compiler("cxx");
    float *logits = calloc(2 * POSITIONS * VOCAB, sizeof *logits);
    assert_non_null(logits);
    float *others = logits + POSITIONS * VOCAB;
    logits_of(spec, set, logits);
    logits_of(spec, other_set, others);
    double norm = 0, difference = 0;
    for (int i = 0; i < POSITIONS * VOCAB; i++) {
        norm += (double)logits[i] * (double)logits[i];
        difference += pow((double)logits[i] - (double)others[i], 2);
    }
    if (!(norm > 0 && sqrt(difference / norm) <= 1e-5))
        fail_msg("%s: '%s' and '%s' differ by %.3g of %.3g", spec, set, other_set, sqrt(difference),
                 sqrt(norm));
    free(logits);
}

static void test_layers_that_differ(void **state) {
    (void)state;
    expect_same("tests/specs/unlike_layers.lua", "cus=1 kv=fp32", "cus=5 kv=fp32 tile_rows=2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
