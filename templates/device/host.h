// Device prelude: the CPU. The primitives that stage templates and engines are written in, where a
// CU is a thread, a workgroup is one wave, and a wave is one lane.
#include <sched.h>
#include <time.h>

#include <atomic>
#include <cmath>
#include <cstring>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32x8 __attribute__((vector_size(32)));
typedef u32 u32x8 __attribute__((vector_size(32)));
typedef u16 u16x8 __attribute__((vector_size(16)));

#define DEVICE static inline __attribute__((always_inline))
#define LDS_VARIABLE(type, name) alignas(64) static thread_local type name
#define CONSTANT_TABLE static const
#define GLOBAL
#define KERNEL_ENTRY(name, threads, decode)                                                        \
    extern "C" void name(const void *argument_block, unsigned workgroup) {                         \
        (void)workgroup;                                                                           \
        current_arguments = (const Arguments *)argument_block;                                     \
        choose_pause(CUS);                                                                         \
        decode();                                                                                  \
    }
#define ARGUMENTS_ACCESS                                                                           \
    static thread_local const Arguments *current_arguments;                                        \
    DEVICE const Arguments *arguments() { return current_arguments; }
#define UNROLL
#define NO_UNROLL
#define UNROLL_SOME

constexpr u32 WAVE_LANES = 1;

// ---- who am I
DEVICE u32 lane() { return 0; }
DEVICE u32 wave() { return 0; }
DEVICE u32 xcd_id() { return 0; } // one CPU, one XCD
DEVICE u32 uniform(u32 x) { return x; }
DEVICE u64 uniform(u64 x) { return x; }

DEVICE u32 fresh(u32 x) { return x; }
DEVICE u32 fresh_per_lane(u32 x) { return x; }
DEVICE u64 fresh(u64 x) { return x; }

// ---- time
DEVICE u64 clock_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}
// Between two polls. With a processor for every CU what is awaited comes soon, and a yield might
// give this one's time slice away to another program: only every POLLS_A_YIELD-th poll yields.
// Where CUs outnumber processors each does, for what is awaited may wait for this very processor.
constexpr u32 POLLS_A_YIELD = 50;
static thread_local u32 polls, polls_a_yield;
DEVICE void pause() {
    if (++polls < polls_a_yield) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        return;
    }
    polls = 0;
    sched_yield();
}
DEVICE void choose_pause(u32 cus) {
    cpu_set_t processors;
    const bool known = sched_getaffinity(0, sizeof processors, &processors) == 0;
    polls_a_yield = known && (u32)CPU_COUNT(&processors) >= cus ? POLLS_A_YIELD : 1;
}

// ---- within a workgroup: one lane needs no barrier
DEVICE void workgroup_barrier() {}
DEVICE void wave_fence() {}

// ---- between workgroups
DEVICE u64 load_pair(const u64 *pair) { return __atomic_load_n(pair, __ATOMIC_RELAXED); }
// Pairs that a poll looks at, again where one is missing.
constexpr u32 PAIRS_A_LOAD = 1;
DEVICE void poll_pairs(u64 (&pair)[1], const u64 *at, bool) { pair[0] = load_pair(at); }
DEVICE void store_pair(u64 *pair, u64 value) { __atomic_store_n(pair, value, __ATOMIC_RELAXED); }
DEVICE u32 load_shared(const u32 *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
// Returns what was there before.
DEVICE u32 add_shared(u32 *word, u32 amount) {
    return __atomic_fetch_add(word, amount, __ATOMIC_RELAXED);
}
// Stores `value` where there is 0; says whether it did.
DEVICE bool set_once(u32 *word, u32 value) {
    u32 expected = 0;
    return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

// ---- with the caller, while the kernel runs
DEVICE void store_host_pair(u64 *pair, u64 value) {
    __atomic_store_n(pair, value, __ATOMIC_RELEASE);
}
DEVICE u32 load_host(const u32 *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

// ---- across the lanes of a wave, of which there is one
DEVICE u32 bits(float x) { return __builtin_bit_cast(u32, x); }
DEVICE float from_bits(u32 x) { return __builtin_bit_cast(float, x); }
DEVICE bool all_lanes(bool condition) { return condition; }
template <int MASK> DEVICE u32 lane_xor(u32 x) { return x; }
template <int LANES> DEVICE float sum_over(float x) { return x; }

// ---- memory and numbers
// A line that is read soon; the processor's own prefetcher does.
DEVICE void expect_line(const u8 *) {}
DEVICE float infinity() { return __builtin_inff(); }
typedef float fp32;
typedef u16 bf16, fp16; // as bits
DEVICE float fp32_to_float(fp32 x) { return x; }
DEVICE float bf16_to_float(bf16 x) { return from_bits((u32)x << 16); }
// To nearest, ties to even; NaN stays NaN.
DEVICE u16 float_to_bf16(float x) {
    const u32 raw = bits(x);
    if (x != x)
        return (u16)(raw >> 16 | 0x40);
    return (u16)((raw + 0x7FFF + (raw >> 16 & 1)) >> 16);
}
// Exact, infinities and NaN included.
DEVICE float fp16_to_float(fp16 x) {
    const float magnitude = from_bits((u32)(x & 0x7FFF) << 13) * 0x1p112f;
    const u32 special = (x & 0x7C00) == 0x7C00 ? 0x7F800000u : 0;
    return from_bits(bits(magnitude) | special | (u32)(x & 0x8000) << 16);
}
DEVICE float hyperbolic_tangent(float x) { return std::tanh(x); }
DEVICE float error_function(float x) { return std::erf(x); }

// The low and the high halves of 8 words.
DEVICE f32x8 bf16_low(u32x8 words) { return (f32x8)(words << 16); }
DEVICE f32x8 bf16_high(u32x8 words) { return (f32x8)(words & 0xFFFF0000u); }
DEVICE f32x8 fp16_low(u32x8 words) { // as fp16_to_float
    const f32x8 magnitude = (f32x8)((words & 0x7FFF) << 13) * 0x1p112f;
    const u32x8 special = (u32x8)((words & 0x7C00) == 0x7C00) & 0x7F800000u;
    return (f32x8)((u32x8)magnitude | special | (words & 0x8000) << 16);
}
DEVICE f32x8 fp16_high(u32x8 words) { return fp16_low(words >> 16); }
DEVICE f32x8 load_floats(const float *at) {
    f32x8 x;
    std::memcpy(&x, at, sizeof x);
    return x;
}
DEVICE void store_floats(float *at, f32x8 x) { std::memcpy(at, &x, sizeof x); }

// Lane i of the result is the sum of the lanes of x[i]: ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
DEVICE f32x8 sum_each(const f32x8 (&x)[8]) {
    f32x8 pairs[4], fours[2];
    for (int i = 0; i < 4; i++)
        pairs[i] = __builtin_shufflevector(x[i * 2], x[i * 2 + 1], 0, 2, 8, 10, 4, 6, 12, 14) +
                   __builtin_shufflevector(x[i * 2], x[i * 2 + 1], 1, 3, 9, 11, 5, 7, 13, 15);
    for (int i = 0; i < 2; i++)
        fours[i] =
            __builtin_shufflevector(pairs[i * 2], pairs[i * 2 + 1], 0, 2, 8, 10, 4, 6, 12, 14) +
            __builtin_shufflevector(pairs[i * 2], pairs[i * 2 + 1], 1, 3, 9, 11, 5, 7, 13, 15);
    return __builtin_shufflevector(fours[0], fours[1], 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(fours[0], fours[1], 4, 5, 6, 7, 12, 13, 14, 15);
}

// e^x to 2 units in the last place for -87 <= x <= 88, and beyond it as at the nearer bound: a NaN
// stays one. x = n ln 2 + r; adding 1.5 * 2^23 rounds to n and leaves it in the low bits.
template <class Floats, class Words> DEVICE Floats exponential_of(Floats x) {
    x = x < -87.0f ? x * 0 - 87.0f : x;
    x = x > 88.0f ? x * 0 + 88.0f : x;
    const Floats shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Floats e = r * (1.0f / 5040) + 1.0f / 720;
    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = e * r + 0.5f;
    e = e * r + 1.0f;
    e = e * r + 1.0f;
    return __builtin_bit_cast(Floats, __builtin_bit_cast(Words, e) +
                                          (__builtin_bit_cast(Words, shifted) << 23));
}
DEVICE float exponential(float x) { return exponential_of<float, u32>(x); }
DEVICE f32x8 exponential(f32x8 x) { return exponential_of<f32x8, u32x8>(x); }
DEVICE float reciprocal_sqrt(float x) { return 1.0f / std::sqrt(x); }
