// The table of vector instructions, and for each the choice between what is compiled for this
// processor and for any.
#include "runtime/simulator/vector.h"
#include "runtime/simulator/instruction_tables.h"

#ifdef VECTOR_HAS_AVX2
#define CHOOSE(name)                                                                               \
    instruction_function name##_baseline, name##_avx2;                                             \
    static void name(struct wave *wave, const struct instruction *instruction) {                   \
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                       \
            name##_avx2(wave, instruction);                                                        \
        else                                                                                       \
            name##_baseline(wave, instruction);                                                    \
    }
#else
#define CHOOSE(name)                                                                               \
    instruction_function name##_baseline;                                                          \
    static void name(struct wave *wave, const struct instruction *instruction) {                   \
        name##_baseline(wave, instruction);                                                        \
    }
#endif

#define UNARY(name, ...) CHOOSE(name)
#define BINARY(name, ...) CHOOSE(name)
#define SATURATING(name, ...) CHOOSE(name)
#define TERNARY(name, ...) CHOOSE(name)
#define ACCUMULATE(name, ...) CHOOSE(name)
#define CHOICE(name, ...) CHOOSE(name)
#define CARRYING(name, ...) CHOOSE(name)
#define PACKED_PAIR(name, ...) CHOOSE(name)
#define TERNARY_SATURATING(name, ...) CHOOSE(name)
#define DOT_HALVES(name, ...) CHOOSE(name)
#define PACKED_HALVES(name, ...) CHOOSE(name)
#define PACKED_INTEGER(name, ...) CHOOSE(name)
#define MATRIX(name, ...) CHOOSE(name)
#define COMPARE(name, ...) CHOOSE(v_cmp_##name) CHOOSE(v_cmpx_##name)
#define VARIED(name, operands, function) CHOOSE(function)
#define FUNCTION(name, operands, function)
#include "runtime/simulator/vector_instructions.def"
#undef UNARY
#undef BINARY
#undef SATURATING
#undef TERNARY
#undef ACCUMULATE
#undef CHOICE
#undef CARRYING
#undef PACKED_PAIR
#undef TERNARY_SATURATING
#undef DOT_HALVES
#undef PACKED_HALVES
#undef PACKED_INTEGER
#undef MATRIX
#undef COMPARE
#undef VARIED
#undef FUNCTION

// Letters of operands (instruction.h) by the types of rows.
#define LETTER_u32 "i"
#define LETTER_i32 "i"
#define LETTER_f32 "f"
#define LETTER_x32 "f"
#define LETTER_u16 "h"
#define LETTER_i16 "h"
#define LETTER_k16 "h"
#define LETTER_f16 "h"
#define LETTER_x16 "h"
#define LETTER_kf16 "h"
#define LETTER_h2 "h"
#define LETTER_u64 "l"
#define LETTER_i64 "l"
#define LETTER_f64 "d"
#define LETTER_x64 "d"
#define LETTER_b64 "l"

#define ROW_OF(class, name, operands, function) {#name, operands, function, class, 0},
#define ROW(name, operands, function) ROW_OF(CLASS_VECTOR_ALU, name, operands, function)
#define UNARY(name, D, A, ...) ROW(name, "=" LETTER_##D LETTER_##A, name)
#define BINARY(name, D, A, B, ...) ROW(name, "=" LETTER_##D LETTER_##A LETTER_##B, name)
#define SATURATING(name, D, A, B, ...) BINARY(name, D, A, B, )
#define TERNARY(name, D, A, B, C, ...)                                                             \
    ROW(name, "=" LETTER_##D LETTER_##A LETTER_##B LETTER_##C, name)
#define ACCUMULATE(name, D, A, B, ...) ROW(name, "+" LETTER_##D LETTER_##A LETTER_##B, name)
#define CHOICE(name, D, A, B, ...) ROW(name, "=" LETTER_##D LETTER_##A LETTER_##B "c", name)
#define CARRYING(name, carries_in, ...) ROW(name, (carries_in) ? "=i=c i i c" : "=i=c i i", name)
#define PACKED_PAIR(name, sources, ...) ROW(name, (sources) == 3 ? "=p p p p" : "=p p p", name)
#define TERNARY_SATURATING(name, D, A, B, C, ...) TERNARY(name, D, A, B, C, )
#define DOT_HALVES(name, D, T, C, ...) ROW(name, "=" LETTER_##D "hh" LETTER_##C, name)
#define PACKED_HALVES(name, sources, ...) ROW(name, (sources) == 3 ? "=hhhh" : "=hhh", name)
#define PACKED_INTEGER(name, ...) ROW(name, "=hhh", name)
// Registers of A and B: one where all values of a lane take 32 bits, else two.
#define MATRIX(name, rows, columns, blocks, lane_values, A, B)                                     \
    ROW_OF(                                                                                        \
        CLASS_MATRIX, name,                                                                        \
        MATRIX_LETTERS((rows) * (columns) * (blocks) / WAVE_LANES, (lane_values)*BITS_##A == 32),  \
        name)
#define MATRIX_LETTERS(registers, one)                                                             \
    (registers) == 4    ? (one) ? "=q i i q" : "=q l l q"                                          \
    : (registers) == 16 ? (one) ? "=s i i s" : "=s l l s"                                          \
    : (one)             ? "=z i i z"                                                               \
                        : "=z l l z"
#define BITS_f32 32
#define BITS_f16 16
#define BITS_bf16 16
#define BITS_fp8 8
#define BITS_bf8 8
#define BITS_i8 8
#define COMPARE(name, A, B, ...)                                                                   \
    ROW(v_cmp_##name, "=c" LETTER_##A LETTER_##B, v_cmp_##name)                                    \
    ROW(v_cmpx_##name, "=c" LETTER_##A LETTER_##B, v_cmpx_##name)
#define VARIED(name, operands, function) ROW(name, operands, function)
#define FUNCTION(name, operands, function) ROW(name, operands, function)

const struct instruction_kind vector_instructions[] = {
#include "runtime/simulator/vector_instructions.def"
};
const size_t vector_instruction_count = sizeof vector_instructions / sizeof *vector_instructions;
