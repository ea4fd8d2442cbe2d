// verify --compare reference, as its users start it, on the host. test_run.c compares with golden
// files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

static void expect_verified(const char *line, const char *prompt, const char *total) {
    need_compiler("cxx");
    struct process_result result = program_run(0, "verify --device host %s", line);
    expect_part(words_of(&result.output), "computed by the reference");
    expect_part(words_of(&result.output), prompt);
    expect_part(words_of(&result.output), total);
    process_result_close(&result);
}

static void any_prompt_can_be_compared(void **state) {
    (void)state;
    expect_verified("austen-3m --compare reference --tokens 5,6,7 -n 4", "3 + 4",
                    "argmax 7/7, 0 ties; decode loop 4 tokens, 0 ties");
    expect_verified("austen-3m --compare reference --tokens random --seed 2 --steps 34", "32 + 2",
                    "total   34 positions");
    expect_verified("austen-3m --compare reference --tokens 5,6,7 --steps 2", "2 + 0",
                    "total   2 positions");
}

static void golden_prompts_need_no_golden_logits(void **state) {
    (void)state;
    // with keys and values rounded on both sides, far below what golden logits would allow
    expect_verified("austen-3m --compare reference --steps 20 --kv bf16", "16 + 4",
                    "total   60 positions");
}

static void random_weights_can_be_compared(void **state) {
    (void)state;
    expect_verified("tests/specs/tiny.lua --compare reference --weights random", "32 + 32",
                    "total   64 positions");
    expect_verified("tests/specs/tiny.lua --compare reference --weights random --context 9",
                    "5 + 5", "total   10 positions");
    expect_verified("tests/specs/tiny.lua --compare reference --weights random --context 9 "
                    "--set buffers=unshared",
                    "5 + 5", "total   10 positions");
}

static void a_difference_is_found(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(1, "verify --device host tests/specs/tiny.lua --compare reference --weights "
                       "random --tolerance 1e-9");
    expect_part(words_of(&result.errors), "position 0, step 1 (qkv, layer 0), CU 0, row ");
    expect_part(words_of(&result.errors), "the reference has ");
    process_result_close(&result);
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    program_expect_failure(2, "--tokens needs --compare reference", "verify austen-3m --tokens 1");
    program_expect_failure(2, "one source of prompts is enough",
                           "verify austen-3m --compare reference --tokens 1 --golden x");
    program_expect_failure(2, "--compare reference computes the logits",
                           "verify austen-3m --weights random");
    program_expect_failure(2, "must be token ids",
                           "verify austen-3m --compare reference --tokens 1,x");
    program_expect_failure(2, "must be one of golden|reference", "verify austen-3m --compare x");
    program_expect_failure(2, "--compare reference needs unshared ones",
                           "verify austen-3m --compare reference --set buffers=shared");
}

// The kernel's runtime refuses them before the reference could be misled.
static void prompts_that_cannot_be_run_are_errors(void **state) {
    (void)state;
    static const char *const lines[][2] = {
        {"--tokens 1,2048", "outside the vocabulary of 2048"},
        {"--tokens 1,2048 --steps 2", "outside the vocabulary of 2048"},
        {"--tokens 1,2,3 --context 2", "has room for 2 more"},
    };
    need_compiler("cxx");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct process_result result =
            program_run(1, "verify austen-3m --device host --compare reference %s", lines[i][0]);
        expect_part(words_of(&result.errors), lines[i][1]);
        process_result_close(&result);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_prompt_can_be_compared),
        cmocka_unit_test(golden_prompts_need_no_golden_logits),
        cmocka_unit_test(random_weights_can_be_compared),
        cmocka_unit_test(a_difference_is_found),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(prompts_that_cannot_be_run_are_errors),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
