// What is compiled for any processor and for one with AVX2 gives the same bits.
#include "tests/support/vector_wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#ifdef __x86_64__
struct variants {
    const char *name; // of a row, or of the function of one
    instruction_function *baseline, *avx2;
};

#define DECLARE(name) instruction_function name##_baseline, name##_avx2;
#define ENTRY(name) {#name, name##_baseline, name##_avx2},

#define UNARY(name, ...) EACH(name)
#define BINARY(name, ...) EACH(name)
#define SATURATING(name, ...) EACH(name)
#define TERNARY(name, ...) EACH(name)
#define TERNARY_SATURATING(name, ...) EACH(name)
#define ACCUMULATE(name, ...) EACH(name)
#define CHOICE(name, ...) EACH(name)
#define CARRYING(name, ...) EACH(name)
#define PACKED_PAIR(name, ...) EACH(name)
#define PACKED_HALVES(name, ...) EACH(name)
#define PACKED_INTEGER(name, ...) EACH(name)
#define DOT_HALVES(name, ...) EACH(name)
#define MATRIX(name, ...) EACH(name)
#define COMPARE(name, ...) EACH(v_cmp_##name) EACH(v_cmpx_##name)
#define VARIED(name, operands, function) NAMED(name, function)
#define FUNCTION(name, operands, function)

#define EACH(name) DECLARE(name)
#define NAMED(name, function) DECLARE(function)
#include "runtime/simulator/vector_instructions.def"
#undef EACH
#undef NAMED

static const struct variants rows[] = {
#define EACH(name) ENTRY(name)
#define NAMED(name, function) {#name, function##_baseline, function##_avx2},
#include "runtime/simulator/vector_instructions.def"
};

static uint32_t random_word(uint64_t *seed) {
    static const uint32_t special[] = {
        0,          0x80000000, 1,          0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
        0x7fc00000, 0x7f800001, 0xffffffff, 0x7fffffff, 0x00800000, 0x7f7fffff, 0x3c003c00,
        0x7c00fc00, 0x03ff0001, 0x42800000, 0x4f000000, 0x7ff00000, 0x3ff00000, 0x7e007c01};
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint32_t bits = (uint32_t)(*seed >> 32);
    if (bits % 3 == 0)
        return special[(bits >> 8) % (sizeof special / sizeof *special)];
    return bits % 3 == 1 ? bits : (bits & 0x80ffffff) | 0x3f000000; // numbers near 1
}

// Registers and scalars after an instruction on random values.
static void run(const struct variants *row, instruction_function *execute, uint64_t seed,
                struct vector_wave *wave) {
    struct instruction instruction = vector_instruction(row->name);
    instruction.clamp = false;
    for (unsigned r = 0; r < VECTOR_WAVE_REGISTERS; r++)
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            wave->vectors[r][lane] = random_word(&seed);
    for (unsigned s = 0; s < SCALAR_EXEC; s++)
        wave->wave.scalars[s] = random_word(&seed);
    wave_set_scalar_64(&wave->wave, SCALAR_EXEC, seed & 1 ? UINT64_MAX : seed);
    execute(&wave->wave, &instruction);
    if (wave->wave.state == WAVE_FAILED)
        fail_msg("%s", wave->wave.message);
}

static bool is_nan_64(const struct vector_wave *wave, unsigned r, unsigned lane) {
    uint64_t bits = wave->vectors[r & ~1U][lane] | (uint64_t)wave->vectors[r | 1][lane] << 32;
    return (bits & INT64_MAX) > UINT64_C(0x7ff0000000000000);
}

// Which NaN of several comes out is as the compiler ordered the operands.
static bool both_nan(const char *name, const struct vector_wave *one, const struct vector_wave *two,
                     unsigned r, unsigned lane) {
    const uint32_t first = one->vectors[r][lane], second = two->vectors[r][lane];
    if (strstr(name, "f64") && is_nan_64(one, r, lane) && is_nan_64(two, r, lane))
        return true;
    bool low = (first & 0x7fff) > 0x7c00 && (second & 0x7fff) > 0x7c00;
    bool high = (first >> 16 & 0x7fff) > 0x7c00 && (second >> 16 & 0x7fff) > 0x7c00;
    if (strstr(name, "f16") && (low || (first & 0xffff) == (second & 0xffff)) &&
        (high || first >> 16 == second >> 16))
        return true;
    return (first & 0x7fffffff) > 0x7f800000 && (second & 0x7fffffff) > 0x7f800000;
}

static void variants_agree(void **state) {
    (void)state;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        print_message("SKIPPED: this processor has no AVX2\n");
        skip();
    }
    struct vector_wave first, second;
    vector_wave_open(&first);
    vector_wave_open(&second);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        for (uint64_t seed = 1; seed <= 6; seed++) {
            run(&rows[k], rows[k].baseline, seed * 7919 + k, &first);
            run(&rows[k], rows[k].avx2, seed * 7919 + k, &second);
            assert_memory_equal(first.wave.scalars, second.wave.scalars, sizeof first.wave.scalars);
            for (unsigned r = 0; r < VECTOR_WAVE_REGISTERS; r++)
                for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
                    uint32_t a = first.vectors[r][lane], b = second.vectors[r][lane];
                    if (a != b && !both_nan(rows[k].name, &first, &second, r, lane))
                        fail_msg("%s: v%u of lane %u is %#x and %#x", rows[k].name, r, lane, a, b);
                }
        }
    vector_wave_close(&first);
    vector_wave_close(&second);
}
#else
static void variants_agree(void **state) {
    (void)state;
    print_message("SKIPPED: there is one variant on this processor\n");
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(variants_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
