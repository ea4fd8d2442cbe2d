// The sequences by which compilers divide give quotients that are rounded once.
#include "tests/support/vector_wave.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 3000, N = 100, D = 104, V = 108 }; // registers: numerator, denominator, temporaries

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

// destination <- name(sources), of which registers below 0 are -1 - constant (1.0 as 64 bits).
static void step(struct vector_wave *wave, const char *name, unsigned to, const int *from,
                 int negated, unsigned to_scalar) {
    struct instruction instruction = vector_instruction(name);
    bool is_f64 = strstr(name, "f64") != NULL;
    instruction.destinations[0].first = (uint16_t)to;
    instruction.destinations[1].first = (uint16_t)to_scalar;
    for (unsigned s = 0; s < SOURCES_MAX && instruction.sources[s].kind != OPERAND_ABSENT; s++) {
        if (from[s] >= 0)
            instruction.sources[s].first = (uint16_t)from[s];
        else
            instruction.sources[s] =
                (struct operand){.kind = OPERAND_CONSTANT,
                                 .words = is_f64 ? 2 : 1,
                                 .bits = is_f64 ? UINT64_C(0x3ff0000000000000) : 0x3f800000};
        instruction.sources[s].negate = (int)s == negated;
    }
    vector_execute(wave, &instruction);
}

#define STEP(name, to, negated, ...) step(&wave, name, to, (const int[]){__VA_ARGS__}, negated, 50)

// LLVM's sequence for f32 with denormals: v_div_scale of both, v_rcp, five fused sums, v_div_fmas,
// v_div_fixup. Quotient in register V.
static void divide_f32(struct vector_wave wave) {
    const int d = V + 1, n = V + 2, r = V + 3, e = V + 4, q = V + 5;
    STEP("v_div_scale_f32", (unsigned)d, -1, D, D, N);
    step(&wave, "v_div_scale_f32", (unsigned)n, (const int[]){N, D, N}, -1, SCALAR_VCC);
    STEP("v_rcp_f32", (unsigned)r, -1, d);
    STEP("v_fma_f32", (unsigned)e, 0, d, r, -1);
    STEP("v_fma_f32", (unsigned)r, -1, e, r, r);
    STEP("v_mul_f32", (unsigned)q, -1, n, r);
    STEP("v_fma_f32", (unsigned)e, 0, d, q, n);
    STEP("v_fma_f32", (unsigned)q, -1, e, r, q);
    STEP("v_fma_f32", (unsigned)e, 0, d, q, n);
    STEP("v_div_fmas_f32", (unsigned)e, -1, e, r, q);
    STEP("v_div_fixup_f32", V, -1, e, D, N);
}

static void divide_f64(struct vector_wave wave) {
    const int d = V + 2, n = V + 4, r = V + 6, e = V + 8, q = V + 10;
    STEP("v_div_scale_f64", (unsigned)d, -1, D, D, N);
    step(&wave, "v_div_scale_f64", (unsigned)n, (const int[]){N, D, N}, -1, SCALAR_VCC);
    STEP("v_rcp_f64", (unsigned)r, -1, d);
    STEP("v_fma_f64", (unsigned)e, 0, d, r, -1);
    STEP("v_fma_f64", (unsigned)r, -1, r, e, r);
    STEP("v_fma_f64", (unsigned)e, 0, d, r, -1);
    STEP("v_fma_f64", (unsigned)r, -1, r, e, r);
    STEP("v_mul_f64", (unsigned)q, -1, n, r);
    STEP("v_fma_f64", (unsigned)e, 0, d, q, n);
    STEP("v_div_fmas_f64", (unsigned)e, -1, e, r, q);
    STEP("v_div_fixup_f64", V, -1, e, D, N);
}

// Any bits; half of them with exponents that make quotients small, large or subnormal.
static uint32_t random_f32(uint64_t *seed, unsigned round) {
    uint32_t bits = (uint32_t)(next_random(seed) >> 20);
    static const uint32_t exponents[] = {0, 1, 2, 23, 24, 126, 127, 128, 253, 254, 255};
    if (round & 1)
        bits = (bits & 0x807fffff) | exponents[next_random(seed) % 11] << 23;
    return next_random(seed) % 64 ? bits : bits & 0xff800000;
}

static void quotients_of_f32_are_rounded_once(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    uint64_t seed = 88172645463325252;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
            wave.vectors[N][lane] = random_f32(&seed, round);
            wave.vectors[D][lane] = random_f32(&seed, round);
        }
        divide_f32(wave);
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
            float numerator, denominator, quotient;
            memcpy(&numerator, &wave.vectors[N][lane], 4);
            memcpy(&denominator, &wave.vectors[D][lane], 4);
            memcpy(&quotient, &wave.vectors[V][lane], 4);
            float expected = numerator / denominator;
            bool same = memcmp(&quotient, &expected, 4) == 0;
            if (!same && !(isnan(quotient) && isnan(expected)))
                fail_msg("%a / %a is %a, not %a", (double)numerator, (double)denominator,
                         (double)quotient, (double)expected);
        }
    }
    vector_wave_close(&wave);
}

static void quotients_of_f64_are_rounded_once(void **state) {
    (void)state;
    struct vector_wave wave;
    vector_wave_open(&wave);
    uint64_t seed = 88172645463325252;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double numerators[WAVE_LANES], denominators[WAVE_LANES];
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
            static const uint64_t exponents[] = {0,    1,    53,   54,   200,  255,
                                                 1022, 1023, 2045, 2046, 2047, 1500};
            uint64_t bits[2] = {next_random(&seed), next_random(&seed)};
            for (unsigned k = 0; k < 2 && round & 1; k++)
                bits[k] = (bits[k] & UINT64_C(0x800fffffffffffff)) |
                          exponents[next_random(&seed) % 12] << 52;
            for (unsigned k = 0; k < 2; k++) {
                wave.vectors[(k ? D : N)][lane] = (uint32_t)bits[k];
                wave.vectors[(k ? D : N) + 1][lane] = (uint32_t)(bits[k] >> 32);
            }
            memcpy(&numerators[lane], &bits[0], 8);
            memcpy(&denominators[lane], &bits[1], 8);
        }
        divide_f64(wave);
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
            uint64_t bits = wave.vectors[V][lane] | (uint64_t)wave.vectors[V + 1][lane] << 32;
            double quotient, expected = numerators[lane] / denominators[lane];
            memcpy(&quotient, &bits, 8);
            bool same = memcmp(&quotient, &expected, 8) == 0;
            if (!same && !(isnan(quotient) && isnan(expected)))
                fail_msg("%a / %a is %a, not %a", numerators[lane], denominators[lane], quotient,
                         expected);
        }
    }
    vector_wave_close(&wave);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotients_of_f32_are_rounded_once),
        cmocka_unit_test(quotients_of_f64_are_rounded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
