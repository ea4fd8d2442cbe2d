// The types that rows of vector_instructions.def name, as macros that a row pastes together.
//
// SOURCE_T: where a source's words are. VALUE_T: its value of a lane. RESULT_T: a lane's result
// into its place. DESTINATION_T: its enum width and enum meaning; WORDS_T: its registers.
// ACCEPTS_T, TAKES_T: modifiers of a destination, of a source (vector.h).
#ifndef RUNTIME_SIMULATOR_VECTOR_TYPES_H
#define RUNTIME_SIMULATOR_VECTOR_TYPES_H

#include "runtime/simulator/vector_formats.h"

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
#define SOURCE_h2(x, s) SOURCE_WORD(x, s, MEANING_INTEGER)
#define SOURCE_u16(x, s) SOURCE_WORD(x, s, MEANING_INTEGER_16)
#define SOURCE_i16(x, s) SOURCE_WORD(x, s, MEANING_INTEGER_16)
#define SOURCE_f16(x, s) SOURCE_WORD(x, s, MEANING_F16)
#define SOURCE_x16(x, s) SOURCE_WORD(x, s, MEANING_F16)
#define SOURCE_u64(x, s) SOURCE_WORDS(x, s, MEANING_INTEGER, MEANING_INTEGER)
#define SOURCE_i64(x, s) SOURCE_WORDS(x, s, MEANING_INTEGER, MEANING_INTEGER)
#define SOURCE_f64(x, s) SOURCE_WORDS(x, s, MEANING_F64_LOW, MEANING_F64_HIGH)
#define SOURCE_x64(x, s) SOURCE_WORDS(x, s, MEANING_F64_LOW, MEANING_F64_HIGH)
#define SOURCE_b64(x, s) SOURCE_x64(x, s)

#define VALUE_u32(x) const uint32_t x = x##_words[lane]
#define VALUE_i32(x) const int32_t x = (int32_t)x##_words[lane]
#define VALUE_f32(x) const float x = f32_from_bits(x##_words[lane])
#define VALUE_x32(x) const uint32_t x = x##_words[lane]
#define VALUE_h2(x) const uint32_t x = x##_words[lane]
#define VALUE_u16(x) const uint16_t x = (uint16_t)x##_words[lane]
#define VALUE_i16(x) const int16_t x = (int16_t)x##_words[lane]
#define VALUE_f16(x) const float x = f32_of_f16(x##_words[lane])
#define VALUE_x16(x) const uint16_t x = (uint16_t)x##_words[lane]
#define VALUE_u64(x) const uint64_t x = pair_of(x##_words[lane], x##_high[lane])
#define VALUE_i64(x) const int64_t x = (int64_t)pair_of(x##_words[lane], x##_high[lane])
#define VALUE_f64(x) const double x = f64_from_bits(pair_of(x##_words[lane], x##_high[lane]))
#define VALUE_x64(x) const uint64_t x = pair_of(x##_words[lane], x##_high[lane])
#define VALUE_b64(x) VALUE_x64(x)

#define RESULT_WORDS(...)                                                                          \
    const uint64_t result = (__VA_ARGS__);                                                         \
    low[lane] = (uint32_t)result;                                                                  \
    high[lane] = (uint32_t)(result >> 32)
#define RESULT_u32(...) low[lane] = (uint32_t)(__VA_ARGS__)
#define RESULT_i32(...) low[lane] = (uint32_t)(__VA_ARGS__)
#define RESULT_f32(...) low[lane] = f32_bits(__VA_ARGS__)
#define RESULT_x32(...) low[lane] = (__VA_ARGS__)
#define RESULT_h2(...) low[lane] = (__VA_ARGS__)
#define RESULT_u16(...) low[lane] = (uint16_t)(__VA_ARGS__)
#define RESULT_k16(...) low[lane] = (uint16_t)(__VA_ARGS__)
#define RESULT_f16(...) low[lane] = f16_bits(__VA_ARGS__)
#define RESULT_kf16(...) low[lane] = f16_bits(__VA_ARGS__)
#define RESULT_u64(...) RESULT_WORDS(__VA_ARGS__)
#define RESULT_x64(...) RESULT_WORDS(__VA_ARGS__)
#define RESULT_f64(...) RESULT_WORDS(f64_bits(__VA_ARGS__))

#define DESTINATION_u32 WIDTH_32, MEANING_INTEGER
#define DESTINATION_i32 WIDTH_32, MEANING_INTEGER
#define DESTINATION_f32 WIDTH_32, MEANING_F32
#define DESTINATION_x32 WIDTH_32, MEANING_F32
#define DESTINATION_h2 WIDTH_32, MEANING_INTEGER
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
#define WORDS_h2 1
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
#define ACCEPTS_h2 0
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
#define TAKES_h2 0
#define TAKES_u16 ACCEPTS_HALVES
#define TAKES_i16 ACCEPTS_HALVES
#define TAKES_f16 ACCEPTS_HALVES
#define TAKES_x16 ACCEPTS_HALVES
#define TAKES_u64 0
#define TAKES_i64 0
#define TAKES_f64 0
#define TAKES_x64 0
#define TAKES_b64 0

#endif
