// The instructions that loops over weights consist of: 10 million a second of them in a whole
// simulation needs three times as many of each by itself.
#include "runtime/clock.h"
#include "tests/support/vector_wave.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void hot_instructions_are_fast(void **state) {
    (void)state;
#ifdef __x86_64__
    bool is_fast = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    bool is_fast = false;
#endif
    if (!is_fast) {
        print_message("SKIPPED: this processor has no AVX2\n");
        skip();
    }
    static const char *const names[] = {"v_pk_fma_f32",  "v_fma_f32", "v_fmac_f32", "v_add_f32",
                                        "v_lshlrev_b32", "v_and_b32", "v_mov_b32"};
    enum { COUNT = 300000 };
    struct vector_wave wave;
    vector_wave_open(&wave);
    for (unsigned r = 0; r < VECTOR_WAVE_REGISTERS; r++)
        vector_fill(&wave, r, r < 2 ? 0 : 0x3f800000);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const struct instruction instruction = vector_instruction(names[k]);
        double best = 1e9;
        for (int round = 0; round < 9; round++) {
            double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
            for (int n = 0; n < COUNT; n++)
                instruction.execute(&wave.wave, &instruction);
            double seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
            best = seconds < best ? seconds : best;
        }
        double rate = COUNT * 1e-6 / best;
        print_message("%-14s %6.1f million a second\n", names[k], rate);
        if (rate < 30)
            fail_msg("%s: %.1f million a second", names[k], rate);
    }
    vector_wave_close(&wave);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(hot_instructions_are_fast)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
