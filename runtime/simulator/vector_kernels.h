// The rows of vector_instructions.def as functions, included by vector_baseline.c and
// vector_avx2.c, which compile them for different processors; VARIANT(name) tells the two apart.
#include "runtime/simulator/vector.h"
#include "runtime/simulator/vector_division.h"
#include "runtime/simulator/vector_formats.h"
#include "runtime/simulator/vector_types.h"

// ---- results ------------------------------------------------------------------------------------
// The arrays `low` and `high` that a loop fills: registers, or scratch where a result keeps half of
// its register or not all lanes are written as they come.
static inline bool keeps_half(enum width width, enum meaning meaning) {
    (void)meaning;
    return width == WIDTH_16_KEEPING;
}
#define BEGIN(D, accepts)                                                                          \
    bool direct;                                                                                   \
    if (!vector_begin(wave, instruction, ACCEPTS_##D | (accepts), WORDS_##D, &direct))             \
        return;                                                                                    \
    direct = direct && !keeps_half(DESTINATION_##D);                                               \
    lane_words low_scratch, high_scratch;                                                          \
    uint32_t *const low = vector_result(wave, instruction, 0, 0, direct, low_scratch);             \
    uint32_t *const high =                                                                         \
        WORDS_##D == 2 ? vector_result(wave, instruction, 0, 1, direct, high_scratch) : NULL;      \
    (void)high
#define END(D)                                                                                     \
    if (!direct)                                                                                   \
    vector_write(wave, instruction, 0, DESTINATION_##D, low, high)

#define KERNEL(name)                                                                               \
    void VARIANT(name)(struct wave * wave, const struct instruction *instruction);                 \
    void VARIANT(name)(struct wave * wave, const struct instruction *instruction)

// ---- rows ---------------------------------------------------------------------------------------
#define UNARY(name, D, A, ...)                                                                     \
    KERNEL(name) {                                                                                 \
        BEGIN(D, TAKES_##A);                                                                       \
        SOURCE_##A(a, 0);                                                                          \
        EACH_LANE(lane) {                                                                          \
            VALUE_##A(a);                                                                          \
            RESULT_##D(__VA_ARGS__);                                                               \
        }                                                                                          \
        END(D);                                                                                    \
    }
#define BINARY_LOOP(D, A, B, ...)                                                                  \
    EACH_LANE(lane) {                                                                              \
        VALUE_##A(a);                                                                              \
        VALUE_##B(b);                                                                              \
        RESULT_##D(__VA_ARGS__);                                                                   \
    }
#define BINARY(name, D, A, B, ...)                                                                 \
    KERNEL(name) {                                                                                 \
        BEGIN(D, TAKES_##A | TAKES_##B);                                                           \
        SOURCE_##A(a, 0);                                                                          \
        SOURCE_##B(b, 1);                                                                          \
        BINARY_LOOP(D, A, B, __VA_ARGS__)                                                          \
        END(D);                                                                                    \
    }
#define SATURATING(name, D, A, B, wrapping, saturating)                                            \
    KERNEL(name) {                                                                                 \
        BEGIN(D, TAKES_##A | TAKES_##B | ACCEPTS_CLAMP);                                           \
        SOURCE_##A(a, 0);                                                                          \
        SOURCE_##B(b, 1);                                                                          \
        if (instruction->clamp)                                                                    \
            BINARY_LOOP(D, A, B, saturating)                                                       \
        else                                                                                       \
            BINARY_LOOP(D, A, B, wrapping)                                                         \
        END(D);                                                                                    \
    }
#define TERNARY_LOOP(D, A, B, C, ...)                                                              \
    EACH_LANE(lane) {                                                                              \
        VALUE_##A(a);                                                                              \
        VALUE_##B(b);                                                                              \
        VALUE_##C(c);                                                                              \
        RESULT_##D(__VA_ARGS__);                                                                   \
    }
#define TERNARY(name, D, A, B, C, ...)                                                             \
    KERNEL(name) {                                                                                 \
        BEGIN(D, TAKES_##A | TAKES_##B | TAKES_##C);                                               \
        SOURCE_##A(a, 0);                                                                          \
        SOURCE_##B(b, 1);                                                                          \
        SOURCE_##C(c, 2);                                                                          \
        TERNARY_LOOP(D, A, B, C, __VA_ARGS__)                                                      \
        END(D);                                                                                    \
    }
#define TERNARY_SATURATING(name, D, A, B, C, wrapping, saturating)                                 \
    KERNEL(name) {                                                                                 \
        BEGIN(D, TAKES_##A | TAKES_##B | TAKES_##C | ACCEPTS_CLAMP);                               \
        SOURCE_##A(a, 0);                                                                          \
        SOURCE_##B(b, 1);                                                                          \
        SOURCE_##C(c, 2);                                                                          \
        if (instruction->clamp)                                                                    \
            TERNARY_LOOP(D, A, B, C, saturating)                                                   \
        else                                                                                       \
            TERNARY_LOOP(D, A, B, C, wrapping)                                                     \
        END(D);                                                                                    \
    }
#define ACCUMULATE(name, D, A, B, ...) TERNARY(name, D, A, B, D, __VA_ARGS__)
// `chosen`: the lane's bit of the third source.
#define CHOICE(name, D, A, B, ...)                                                                 \
    KERNEL(name) {                                                                                 \
        BEGIN(D, TAKES_##A | TAKES_##B);                                                           \
        SOURCE_##A(a, 0);                                                                          \
        SOURCE_##B(b, 1);                                                                          \
        lane_words choices;                                                                        \
        vector_spread(vector_mask_source(wave, instruction, 2), choices);                          \
        EACH_LANE(lane) {                                                                          \
            VALUE_##A(a);                                                                          \
            VALUE_##B(b);                                                                          \
            const bool chosen = choices[lane] != 0;                                                \
            RESULT_##D(__VA_ARGS__);                                                               \
        }                                                                                          \
        END(D);                                                                                    \
    }
#define COMPARE_MASK(A, B, ...)                                                                    \
    if (vector_is_modified(instruction) &&                                                         \
        !vector_accepts(wave, instruction, TAKES_##A | TAKES_##B))                                 \
        return;                                                                                    \
    SOURCE_##A(a, 0);                                                                              \
    SOURCE_##B(b, 1);                                                                              \
    uint8_t conditions[WAVE_LANES];                                                                \
    EACH_LANE(lane) {                                                                              \
        VALUE_##A(a);                                                                              \
        VALUE_##B(b);                                                                              \
        const bool condition = (__VA_ARGS__);                                                      \
        conditions[lane] = condition;                                                              \
    }                                                                                              \
    const uint64_t mask = vector_gather(conditions)
#define COMPARE(name, A, B, ...)                                                                   \
    KERNEL(v_cmp_##name) {                                                                         \
        COMPARE_MASK(A, B, __VA_ARGS__);                                                           \
        vector_write_mask(wave, instruction, 0, mask);                                             \
    }                                                                                              \
    KERNEL(v_cmpx_##name) {                                                                        \
        COMPARE_MASK(A, B, __VA_ARGS__);                                                           \
        const uint64_t written = mask & vector_written_lanes(wave, instruction);                   \
        vector_write_mask(wave, instruction, 0, mask);                                             \
        wave_set_scalar_64(wave, SCALAR_EXEC, written);                                            \
    }
#define CARRYING(name, carries_in, ...)                                                            \
    KERNEL(name) {                                                                                 \
        BEGIN(u32, 0);                                                                             \
        SOURCE_u32(a, 0);                                                                          \
        SOURCE_u32(b, 1);                                                                          \
        lane_words carries;                                                                        \
        vector_spread(carries_in ? vector_mask_source(wave, instruction, 2) : 0, carries);         \
        uint8_t conditions[WAVE_LANES];                                                            \
        EACH_LANE(lane) {                                                                          \
            VALUE_u32(a);                                                                          \
            VALUE_u32(b);                                                                          \
            const uint32_t carry = carries[lane] & 1;                                              \
            (void)carry;                                                                           \
            const uint64_t sum = (__VA_ARGS__);                                                    \
            conditions[lane] = sum >> 32 & 1;                                                      \
            low[lane] = (uint32_t)sum;                                                             \
        }                                                                                          \
        vector_write_mask(wave, instruction, 1, vector_gather(conditions));                        \
        END(u32);                                                                                  \
    }
// Two 32-bit values a lane, each source's picked by op_sel and op_sel_hi.
#define PACKED_SOURCE(x, s)                                                                        \
    lane_words x##_scratch_0, x##_scratch_1;                                                       \
    const uint32_t *const x##_0 =                                                                  \
        packed_source(wave, instruction, s, instruction->op_sel >> (s)&1,                          \
                      instruction->neg_lo >> (s)&1, x##_scratch_0);                                \
    const uint32_t *const x##_1 =                                                                  \
        packed_source(wave, instruction, s, instruction->op_sel_hi >> (s)&1,                       \
                      instruction->neg_hi >> (s)&1, x##_scratch_1)
#define PACKED_PAIR(name, sources, ...)                                                            \
    KERNEL(name) {                                                                                 \
        BEGIN(u64, ACCEPTS_PACKING);                                                               \
        PACKED_SOURCE(a, 0);                                                                       \
        PACKED_SOURCE(b, 1);                                                                       \
        PACKED_SOURCE(c, (sources)-1);                                                             \
        EACH_LANE(lane) {                                                                          \
            uint32_t a = a_0[lane], b = b_0[lane], c = c_0[lane];                                  \
            const uint32_t first = (__VA_ARGS__);                                                  \
            a = a_1[lane], b = b_1[lane], c = c_1[lane];                                           \
            const uint32_t second = (__VA_ARGS__);                                                 \
            low[lane] = first;                                                                     \
            high[lane] = second;                                                                   \
            (void)c;                                                                               \
        }                                                                                          \
        END(u64);                                                                                  \
    }
// Two 16-bit values a lane, of type T (u16, i16 or f16). A source's halves are picked by op_sel and
// op_sel_hi, and of f16 turned by neg_lo and neg_hi.
#define HALVES_LOOP(T, ...)                                                                        \
    EACH_LANE(lane) {                                                                              \
        const uint32_t words[3] = {a_words[lane], b_words[lane], c_words[lane]};                   \
        uint32_t halves[2];                                                                        \
        for (unsigned half = 0; half < 2; half++) {                                                \
            const HALF_##T a = HALF_VALUE_##T(words[0] >> 16 * half);                              \
            const HALF_##T b = HALF_VALUE_##T(words[1] >> 16 * half);                              \
            const HALF_##T c = HALF_VALUE_##T(words[2] >> 16 * half);                              \
            (void)c;                                                                               \
            halves[half] = HALF_RESULT_##T(__VA_ARGS__);                                           \
        }                                                                                          \
        low[lane] = halves[0] | halves[1] << 16;                                                   \
    }
#define HALF_u16 uint16_t
#define HALF_i16 int16_t
#define HALF_f16 float
#define HALF_VALUE_u16(bits) (uint16_t)(bits)
#define HALF_VALUE_i16(bits) (int16_t)(bits)
#define HALF_VALUE_f16(bits) f32_of_f16((bits)&0xffff)
#define HALF_RESULT_u16(...) (uint16_t)(__VA_ARGS__)
#define HALF_RESULT_i16(...) (uint16_t)(__VA_ARGS__)
#define HALF_RESULT_f16(...) f16_bits(__VA_ARGS__)
#define HALVES_SOURCE(x, s, signs)                                                                 \
    lane_words x##_scratch;                                                                        \
    const uint32_t *const x##_words = halves_source(wave, instruction, s, signs, x##_scratch)
#define PACKED_HALVES(name, sources, T, plain, clamped)                                            \
    KERNEL(name) {                                                                                 \
        BEGIN(u32, ACCEPTS_PACKING | ACCEPTS_CLAMP);                                               \
        HALVES_SOURCE(a, 0, SIGNED_##T);                                                           \
        HALVES_SOURCE(b, 1, SIGNED_##T);                                                           \
        HALVES_SOURCE(c, (sources)-1, SIGNED_##T);                                                 \
        if (instruction->clamp)                                                                    \
            HALVES_LOOP(T, clamped)                                                                \
        else                                                                                       \
            HALVES_LOOP(T, plain)                                                                  \
        END(u32);                                                                                  \
    }
#define PACKED_INTEGER(name, T, ...)                                                               \
    KERNEL(name) {                                                                                 \
        BEGIN(u32, ACCEPTS_PACKING);                                                               \
        HALVES_SOURCE(a, 0, false);                                                                \
        HALVES_SOURCE(b, 1, false);                                                                \
        const uint32_t *const c_words = b_words;                                                   \
        HALVES_LOOP(T, __VA_ARGS__)                                                                \
        END(u32);                                                                                  \
    }
#define SIGNED_u16 false
#define SIGNED_i16 false
#define SIGNED_f16 true
// A sum of c and of products of the halves of a and b, which are of type T.
#define DOT_HALVES(name, D, T, C, plain, clamped)                                                  \
    KERNEL(name) {                                                                                 \
        BEGIN(D, ACCEPTS_PACKING | ACCEPTS_CLAMP);                                                 \
        HALVES_SOURCE(a, 0, SIGNED_##T);                                                           \
        HALVES_SOURCE(b, 1, SIGNED_##T);                                                           \
        SOURCE_##C(c, 2);                                                                          \
        if (instruction->clamp)                                                                    \
            TERNARY_LOOP(D, h2, h2, C, clamped)                                                    \
        else                                                                                       \
            TERNARY_LOOP(D, h2, h2, C, plain)                                                      \
        END(D);                                                                                    \
    }
#define VARIED(name, operands, function)
#define FUNCTION(name, operands, function)

static inline const uint32_t *packed_source(struct wave *wave,
                                            const struct instruction *instruction, unsigned source,
                                            unsigned word, bool negated, lane_words scratch) {
    const uint32_t *values =
        vector_source(wave, instruction, source, word, MEANING_INTEGER, scratch);
    if (!negated)
        return values;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        scratch[lane] = values[lane] ^ 0x80000000;
    return scratch;
}

// Words whose halves stand in order and have their signs.
static inline const uint32_t *halves_source(struct wave *wave,
                                            const struct instruction *instruction, unsigned source,
                                            bool has_signs, lane_words scratch) {
    const uint32_t *values = vector_source(wave, instruction, source, 0, MEANING_INTEGER, scratch);
    const bool first = instruction->op_sel >> source & 1;
    const bool second = instruction->op_sel_hi >> source & 1;
    const bool turns_first = instruction->neg_lo >> source & 1;
    const bool turns_second = instruction->neg_hi >> source & 1;
    if ((turns_first || turns_second) && !has_signs)
        wave_fail(wave, instruction, "neg_lo or neg_hi is not known with this instruction");
    if (!first && second && !turns_first && !turns_second)
        return values;
    const uint32_t turned = (turns_first ? 0x8000 : 0) | (turns_second ? 0x80000000 : 0);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        const uint32_t value = values[lane];
        scratch[lane] = pack_16(first ? value >> 16 : value, second ? value >> 16 : value) ^ turned;
    }
    return scratch;
}

#include "runtime/simulator/vector_matrix.h"

#include "runtime/simulator/vector_instructions.def"

// ---- functions that are no expression of a row --------------------------------------------------
// Two words of two sources: op_sel picks the first's for the low one, the second's for the high
// one.
KERNEL(vector_pk_mov) {
    BEGIN(u64, ACCEPTS_PACKING);
    lane_words a_scratch, b_scratch;
    const uint32_t *a =
        packed_source(wave, instruction, 0, instruction->op_sel & 1, false, a_scratch);
    const uint32_t *b =
        packed_source(wave, instruction, 1, instruction->op_sel >> 1 & 1, false, b_scratch);
    if (instruction->neg_lo | instruction->neg_hi)
        wave_fail(wave, instruction, "neg_lo or neg_hi is not known with this instruction");
    EACH_LANE(lane) {
        const uint32_t first = a[lane], second = b[lane];
        low[lane] = first;
        high[lane] = second;
    }
    END(u64);
}

KERNEL(vector_mad_u64_u32) {
    BEGIN(u64, 0);
    SOURCE_u32(a, 0);
    SOURCE_u32(b, 1);
    SOURCE_u64(c, 2);
    uint8_t carries[WAVE_LANES];
    EACH_LANE(lane) {
        VALUE_u32(a);
        VALUE_u32(b);
        VALUE_u64(c);
        const uint64_t sum = (uint64_t)a * b + c;
        carries[lane] = sum < c;
        low[lane] = (uint32_t)sum;
        high[lane] = (uint32_t)(sum >> 32);
    }
    vector_write_mask(wave, instruction, 1, vector_gather(carries));
    END(u64);
}

KERNEL(vector_mad_i64_i32) {
    BEGIN(u64, 0);
    SOURCE_i32(a, 0);
    SOURCE_i32(b, 1);
    SOURCE_u64(c, 2);
    uint8_t carries[WAVE_LANES];
    EACH_LANE(lane) {
        VALUE_i32(a);
        VALUE_i32(b);
        VALUE_u64(c);
        const uint64_t product = (uint64_t)((int64_t)a * b), sum = product + c;
        // Bit 64 of the sum: its sign, but where the 64 bits overflow.
        const bool sign = (((product ^ sum) & (c ^ sum)) ^ sum) >> 63;
        carries[lane] = sign;
        low[lane] = (uint32_t)sum;
        high[lane] = (uint32_t)(sum >> 32);
    }
    vector_write_mask(wave, instruction, 1, vector_gather(carries));
    END(u64);
}

#define DIV_SCALE(T)                                                                               \
    KERNEL(vector_div_scale_##T) {                                                                 \
        BEGIN(T, 0);                                                                               \
        SOURCE_##T(a, 0);                                                                          \
        SOURCE_##T(b, 1);                                                                          \
        SOURCE_##T(c, 2);                                                                          \
        uint8_t conditions[WAVE_LANES];                                                            \
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {                                       \
            VALUE_##T(a);                                                                          \
            VALUE_##T(b);                                                                          \
            VALUE_##T(c);                                                                          \
            bool later;                                                                            \
            RESULT_##T(div_scale_##T(a, b, c, &later));                                            \
            conditions[lane] = later;                                                              \
        }                                                                                          \
        vector_write_mask(wave, instruction, 1, vector_gather(conditions));                        \
        END(T);                                                                                    \
    }
DIV_SCALE(f32)
DIV_SCALE(f64)

#define DIV_FMAS(T)                                                                                \
    KERNEL(vector_div_fmas_##T) {                                                                  \
        BEGIN(T, 0);                                                                               \
        SOURCE_##T(a, 0);                                                                          \
        SOURCE_##T(b, 1);                                                                          \
        SOURCE_##T(c, 2);                                                                          \
        const uint64_t scaled = wave_scalar_64(wave, SCALAR_VCC);                                  \
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {                                       \
            VALUE_##T(a);                                                                          \
            VALUE_##T(b);                                                                          \
            VALUE_##T(c);                                                                          \
            RESULT_##T(div_fmas_##T(a, b, c, scaled >> lane & 1));                                 \
        }                                                                                          \
        END(T);                                                                                    \
    }
DIV_FMAS(f32)
DIV_FMAS(f64)

// A source of v_fma_mix as f32: op_sel_hi tells that it is f16, and op_sel which half.
static inline const uint32_t *mixed_source(struct wave *wave, const struct instruction *instruction,
                                           unsigned source, lane_words scratch) {
    const struct operand *operand = &instruction->sources[source];
    if (!(instruction->op_sel_hi >> source & 1)) {
        if (instruction->op_sel >> source & 1)
            wave_fail(wave, instruction, "op_sel of an f32 source");
        return vector_source(wave, instruction, source, 0, MEANING_F32, scratch);
    }
    const unsigned shift = instruction->op_sel >> source & 1 ? 16 : 0;
    const uint32_t kept = operand->absolute ? 0x7fffffff : UINT32_MAX;
    const uint32_t turned = operand->negate ? 0x80000000 : 0;
    if (operand->kind == OPERAND_VECTOR && operand->first < wave->vector_count) {
        const uint32_t *values = wave->vectors[operand->first];
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            scratch[lane] = (f32_bits(f32_of_f16(values[lane] >> shift & 0xffff)) & kept) ^ turned;
    } else {
        uint32_t value = 0;
        if (operand->kind == OPERAND_SCALAR && operand->first < SCALAR_REGISTERS)
            value = wave->scalars[operand->first];
        else
            wave_fail(wave, instruction, "an f16 source that is no register");
        value = (f32_bits(f32_of_f16(value >> shift & 0xffff)) & kept) ^ turned;
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            scratch[lane] = value;
    }
    return scratch;
}

#define MIXED(name, D, finish, ...)                                                                \
    KERNEL(name) {                                                                                 \
        BEGIN(D, ACCEPTS_PACKING);                                                                 \
        lane_words a_scratch, b_scratch, c_scratch;                                                \
        const uint32_t *a_words = mixed_source(wave, instruction, 0, a_scratch);                   \
        const uint32_t *b_words = mixed_source(wave, instruction, 1, b_scratch);                   \
        const uint32_t *c_words = mixed_source(wave, instruction, 2, c_scratch);                   \
        EACH_LANE(lane) {                                                                          \
            const float sum = fmaf(f32_from_bits(a_words[lane]), f32_from_bits(b_words[lane]),     \
                                   f32_from_bits(c_words[lane]));                                  \
            low[lane] = (__VA_ARGS__);                                                             \
        }                                                                                          \
        finish;                                                                                    \
    }
MIXED(vector_fma_mix, f32, END(f32), f32_bits(sum))
MIXED(vector_fma_mixlo, kf16, END(kf16), f16_bits(sum))
MIXED(vector_fma_mixhi, kf16,
      vector_write(wave, instruction, 0, WIDTH_16_HIGH, MEANING_F16, low, NULL), f16_bits(sum))

// Two f32 rounded to 8 bits each, into a half of the destination.
#define PACK_SMALL(name, convert)                                                                  \
    KERNEL(name) {                                                                                 \
        BEGIN(k16, ACCEPTS_HALVES);                                                                \
        SOURCE_f32(a, 0);                                                                          \
        SOURCE_f32(b, 1);                                                                          \
        EACH_LANE(lane) {                                                                          \
            low[lane] = convert(f32_from_bits(a_words[lane])) |                                    \
                        convert(f32_from_bits(b_words[lane])) << 8;                                \
        }                                                                                          \
        END(k16);                                                                                  \
    }
PACK_SMALL(vector_cvt_pk_fp8_f32, fp8_bits)
PACK_SMALL(vector_cvt_pk_bf8_f32, bf8_bits)
