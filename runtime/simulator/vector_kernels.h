// The rows of vector_instructions.def as functions, included by vector_baseline.c and
// vector_avx2.c, which compile them for different processors; VARIANT(name) tells the two apart.
#include "runtime/simulator/vector.h"
#include "runtime/simulator/vector_arithmetic.h"

// ---- types
// --------------------------------------------------------------------------------------- SOURCE_T:
// where a source's words are. VALUE_T: its value of a lane. RESULT_T: a lane's result into its
// place. WORDS_T, WIDTH_T, MEANING_T of a destination. ACCEPTS_T, TAKES_T: modifiers of a
// destination, of a source.
#define SOURCE_WORD(x, s, meaning)                                                                 \
    lane_words x##_scratch;                                                                        \
    const uint32_t *const x##_words = vector_source(wave, instruction, s, 0, meaning, x##_scratch)
#define SOURCE_WORDS(x, s, meaning_low, meaning_high)                                              \
    SOURCE_WORD(x, s, meaning_low);                                                                \
    lane_words x##_high_scratch;                                                                   \
    const uint32_t *const x##_high =                                                               \
        vector_source(wave, instruction, s, 1, meaning_high, x##_high_scratch)
#define SOURCE_u32(x, s) SOURCE_WORD(x, s, MEANING_INTEGER)
#define SOURCE_i32(x, s) SOURCE_WORD(x, s, MEANING_INTEGER)
#define SOURCE_f32(x, s) SOURCE_WORD(x, s, MEANING_F32)
#define SOURCE_x32(x, s) SOURCE_WORD(x, s, MEANING_F32)
#define SOURCE_u16(x, s) SOURCE_WORD(x, s, MEANING_INTEGER_16)
#define SOURCE_i16(x, s) SOURCE_WORD(x, s, MEANING_INTEGER_16)
#define SOURCE_f16(x, s) SOURCE_WORD(x, s, MEANING_F16)
#define SOURCE_x16(x, s) SOURCE_WORD(x, s, MEANING_F16)
#define SOURCE_u64(x, s) SOURCE_WORDS(x, s, MEANING_INTEGER, MEANING_INTEGER)
#define SOURCE_i64(x, s) SOURCE_WORDS(x, s, MEANING_INTEGER, MEANING_INTEGER)
#define SOURCE_f64(x, s) SOURCE_WORDS(x, s, MEANING_F64_LOW, MEANING_F64_HIGH)
#define SOURCE_x64(x, s) SOURCE_WORDS(x, s, MEANING_F64_LOW, MEANING_F64_HIGH)

#define VALUE_u32(x) const uint32_t x = x##_words[lane]
#define VALUE_i32(x) const int32_t x = (int32_t)x##_words[lane]
#define VALUE_f32(x) const float x = f32_of(x##_words[lane])
#define VALUE_x32(x) const uint32_t x = x##_words[lane]
#define VALUE_u16(x) const uint16_t x = (uint16_t)x##_words[lane]
#define VALUE_i16(x) const int16_t x = (int16_t)x##_words[lane]
#define VALUE_f16(x) const float x = f32_of_f16(x##_words[lane])
#define VALUE_x16(x) const uint16_t x = (uint16_t)x##_words[lane]
#define VALUE_u64(x) const uint64_t x = pair_of(x##_words[lane], x##_high[lane])
#define VALUE_i64(x) const int64_t x = (int64_t)pair_of(x##_words[lane], x##_high[lane])
#define VALUE_f64(x) const double x = f64_of(pair_of(x##_words[lane], x##_high[lane]))
#define VALUE_x64(x) const uint64_t x = pair_of(x##_words[lane], x##_high[lane])

#define RESULT_WORDS(...)                                                                          \
    const uint64_t result = (__VA_ARGS__);                                                         \
    low[lane] = (uint32_t)result;                                                                  \
    high[lane] = (uint32_t)(result >> 32)
#define RESULT_u32(...) low[lane] = (uint32_t)(__VA_ARGS__)
#define RESULT_i32(...) low[lane] = (uint32_t)(__VA_ARGS__)
#define RESULT_f32(...) low[lane] = result_bits(__VA_ARGS__)
#define RESULT_x32(...) low[lane] = (__VA_ARGS__)
#define RESULT_u16(...) low[lane] = (uint16_t)(__VA_ARGS__)
#define RESULT_k16(...) low[lane] = (uint16_t)(__VA_ARGS__)
#define RESULT_f16(...) low[lane] = f16_result_bits(__VA_ARGS__)
#define RESULT_kf16(...) low[lane] = f16_result_bits(__VA_ARGS__)
#define RESULT_u64(...) RESULT_WORDS(__VA_ARGS__)
#define RESULT_x64(...) RESULT_WORDS(__VA_ARGS__)
#define RESULT_f64(...) RESULT_WORDS(result_bits_f64(__VA_ARGS__))

#define DESTINATION_u32 WIDTH_32, MEANING_INTEGER
#define DESTINATION_i32 WIDTH_32, MEANING_INTEGER
#define DESTINATION_f32 WIDTH_32, MEANING_F32
#define DESTINATION_x32 WIDTH_32, MEANING_F32
#define DESTINATION_u16 WIDTH_16_ZEROING, MEANING_INTEGER_16
#define DESTINATION_k16 WIDTH_16_KEEPING, MEANING_INTEGER_16
#define DESTINATION_f16 WIDTH_16_ZEROING, MEANING_F16
#define DESTINATION_kf16 WIDTH_16_KEEPING, MEANING_F16
#define DESTINATION_u64 WIDTH_64, MEANING_INTEGER
#define DESTINATION_x64 WIDTH_64, MEANING_F64_HIGH
#define DESTINATION_f64 WIDTH_64, MEANING_F64_HIGH

#define WORDS_u32 1
#define WORDS_i32 1
#define WORDS_f32 1
#define WORDS_x32 1
#define WORDS_u16 1
#define WORDS_k16 1
#define WORDS_f16 1
#define WORDS_kf16 1
#define WORDS_u64 2
#define WORDS_x64 2
#define WORDS_f64 2

#define ACCEPTS_u32 0
#define ACCEPTS_i32 0
#define ACCEPTS_f32 ACCEPTS_CLAMP
#define ACCEPTS_x32 ACCEPTS_CLAMP
#define ACCEPTS_u16 0
#define ACCEPTS_k16 0
#define ACCEPTS_f16 ACCEPTS_CLAMP
#define ACCEPTS_kf16 ACCEPTS_CLAMP
#define ACCEPTS_u64 0
#define ACCEPTS_x64 ACCEPTS_CLAMP
#define ACCEPTS_f64 ACCEPTS_CLAMP

#define TAKES_u32 0
#define TAKES_i32 0
#define TAKES_f32 0
#define TAKES_x32 0
#define TAKES_u16 ACCEPTS_HALVES
#define TAKES_i16 ACCEPTS_HALVES
#define TAKES_f16 ACCEPTS_HALVES
#define TAKES_x16 ACCEPTS_HALVES
#define TAKES_u64 0
#define TAKES_i64 0
#define TAKES_f64 0
#define TAKES_x64 0

// ---- results
// ------------------------------------------------------------------------------------- The arrays
// `low` and `high` that a loop fills: registers, or scratch where a result keeps half of its
// register (as these destinations do) or not all lanes are written as they come.
#define KEEPS(width, meaning) ((width) == WIDTH_16_KEEPING)
#define KEEPS_OF(destination) KEEPS(destination)
#define BEGIN(D, accepts)                                                                          \
    bool direct;                                                                                   \
    if (!vector_begin(wave, instruction, ACCEPTS_##D | (accepts), WORDS_##D, &direct))             \
        return;                                                                                    \
    direct = direct && !KEEPS_OF(DESTINATION_##D);                                                 \
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

// ---- rows
// ----------------------------------------------------------------------------------------
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
#define TERNARY(name, D, A, B, C, ...)                                                             \
    KERNEL(name) {                                                                                 \
        BEGIN(D, TAKES_##A | TAKES_##B | TAKES_##C);                                               \
        SOURCE_##A(a, 0);                                                                          \
        SOURCE_##B(b, 1);                                                                          \
        SOURCE_##C(c, 2);                                                                          \
        EACH_LANE(lane) {                                                                          \
            VALUE_##A(a);                                                                          \
            VALUE_##B(b);                                                                          \
            VALUE_##C(c);                                                                          \
            RESULT_##D(__VA_ARGS__);                                                               \
        }                                                                                          \
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

#include "runtime/simulator/vector_instructions.def"

// ---- functions that are no expression of a row
// ----------------------------------------------------- Two words of two sources: op_sel picks the
// first's for the low one, the second's for the high one.
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
        // Out of range: the sign of the sum is neither that of the product nor that of c.
        const bool differs = ((product ^ sum) & (c ^ sum)) >> 63;
        carries[lane] = differs;
        low[lane] = (uint32_t)sum;
        high[lane] = (uint32_t)(sum >> 32);
    }
    vector_write_mask(wave, instruction, 1, vector_gather(carries));
    END(u64);
}

KERNEL(vector_div_scale_f32) {
    BEGIN(f32, 0);
    SOURCE_f32(a, 0);
    SOURCE_f32(b, 1);
    SOURCE_f32(c, 2);
    uint8_t conditions[WAVE_LANES];
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        VALUE_f32(a);
        VALUE_f32(b);
        VALUE_f32(c);
        bool scaled;
        RESULT_f32(div_scale_f32(a, b, c, &scaled));
        conditions[lane] = scaled;
    }
    vector_write_mask(wave, instruction, 1, vector_gather(conditions));
    END(f32);
}

KERNEL(vector_div_fmas_f32) {
    BEGIN(f32, 0);
    SOURCE_f32(a, 0);
    SOURCE_f32(b, 1);
    SOURCE_f32(c, 2);
    const uint64_t scaled = wave_scalar_64(wave, SCALAR_VCC);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        VALUE_f32(a);
        VALUE_f32(b);
        VALUE_f32(c);
        RESULT_f32(div_fmas_f32(a, b, c, scaled >> lane & 1));
    }
    END(f32);
}
