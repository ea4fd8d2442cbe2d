// Device prelude: gfx942 (CDNA3). The primitives that stage templates and engines are written in,
// for 64-lane waves. Plain C++ for the HIP language, no headers.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32x2 __attribute__((ext_vector_type(2)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef u32 u32x4 __attribute__((ext_vector_type(4)));

#ifndef __HIP_DEVICE_COMPILE__
// hipcc compiles for the host as well, and wants its launch function declared.
struct dim3 {
    u32 x, y, z;
};
extern "C" int hipLaunchKernel(const void *, dim3, dim3, void **, unsigned long, void *);
#endif

#define DEVICE static inline __attribute__((device, always_inline))
#define LDS_VARIABLE(type, name) static __attribute__((shared)) type name
#define CONSTANT_TABLE static __attribute__((constant)) const
#define GLOBAL __attribute__((address_space(1)))
#define KERNEL_ENTRY(name, threads, decode)                                                        \
    extern "C" __attribute__((global, amdgpu_flat_work_group_size(threads, threads))) void name(   \
        const Arguments) {                                                                         \
        decode();                                                                                  \
    }
// The argument block, through a pointer that the compiler cannot see through: what is read from it
// is read again where it is used.
#define ARGUMENTS_ACCESS                                                                           \
    DEVICE const Arguments __attribute__((address_space(4))) * arguments() {                       \
        auto block = (const Arguments                                                              \
                      __attribute__((address_space(4))) *)__builtin_amdgcn_kernarg_segment_ptr();  \
        asm volatile("" : "+s"(block));                                                            \
        return block;                                                                              \
    }
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("clang loop unroll(disable)")
#define UNROLL_SOME NO_UNROLL

constexpr u32 WAVE_LANES = 64;

extern "C" __attribute__((device)) float __ocml_exp_f32(float);
extern "C" __attribute__((device)) float __ocml_rsqrt_f32(float);
extern "C" __attribute__((device)) float __ocml_tanh_f32(float);
extern "C" __attribute__((device)) float __ocml_erf_f32(float);

// ---- who am I
// Opaque, so that the compiler computes what follows from them where it is used, instead of keeping
// it in registers over the whole decode loop.
DEVICE u32 lane() {
    u32 x = __builtin_amdgcn_workitem_id_x() % WAVE_LANES;
    asm volatile("" : "+v"(x));
    return x;
}
DEVICE u32 wave() {
    u32 x = __builtin_amdgcn_readfirstlane(__builtin_amdgcn_workitem_id_x() / WAVE_LANES);
    asm volatile("" : "+s"(x));
    return x;
}
// The XCD that this workgroup runs on: HW_REG_XCC_ID is hwreg 20, bits 3:0.
DEVICE u32 xcd_id() { return __builtin_amdgcn_s_getreg(20 | (0 << 6) | ((4 - 1) << 11)); }
// A value that is the same in all lanes, as a scalar.
DEVICE u32 uniform(u32 x) { return __builtin_amdgcn_readfirstlane(x); }
DEVICE u64 uniform(u64 x) { return (u64)uniform((u32)(x >> 32)) << 32 | uniform((u32)x); }

// The same number, computed here: keeps what follows from it out of the registers of the whole
// loop.
DEVICE u32 fresh(u32 x) {
    asm volatile("" : "+s"(x));
    return x;
}
DEVICE u32 fresh_per_lane(u32 x) {
    asm volatile("" : "+v"(x));
    return x;
}
DEVICE u64 fresh(u64 x) {
    u32 low = (u32)x, high = (u32)(x >> 32);
    asm volatile("" : "+s"(low), "+s"(high));
    return (u64)high << 32 | low;
}

// ---- time
// Nanoseconds; s_memrealtime ticks at 100 MHz on this part.
DEVICE u64 clock_ns() { return __builtin_amdgcn_s_memrealtime() * 10; }
DEVICE void pause() { __builtin_amdgcn_s_sleep(1); }

// ---- within a workgroup
DEVICE void workgroup_barrier() {
    __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
    __builtin_amdgcn_s_barrier();
    __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}

// What a lane wrote to LDS is there for the others of its wave: they run in step, so that only the
// compiler must be kept from moving accesses.
DEVICE void wave_fence() {
    __builtin_amdgcn_fence(__ATOMIC_RELEASE, "wavefront");
    __builtin_amdgcn_wave_barrier();
    __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "wavefront");
}

// ---- between workgroups: relaxed, no fence; `sc1` keeps them coherent across XCDs
DEVICE u64 load_pair(const u64 *pair) {
    return __hip_atomic_load((u64 *)pair, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
}
// Pairs that a poll looks at, again where one is missing: loading all of a batch takes no branches.
constexpr u32 PAIRS_A_LOAD = 1;
DEVICE void poll_pairs(u64 (&pair)[1], const u64 *at, bool) { pair[0] = load_pair(at); }
DEVICE void store_pair(u64 *pair, u64 value) {
    __hip_atomic_store(pair, value, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
}
DEVICE u32 load_shared(const u32 *word) {
    return __hip_atomic_load((u32 *)word, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
}
// Returns what was there before.
DEVICE u32 add_shared(u32 *word, u32 amount) {
    return __hip_atomic_fetch_add(word, amount, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
}
// Stores `value` where there is 0; says whether it did.
DEVICE bool set_once(u32 *word, u32 value) {
    u32 expected = 0;
    return __hip_atomic_compare_exchange_strong(word, &expected, value, __ATOMIC_RELAXED,
                                                __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
}

// ---- with the host, while the kernel runs
DEVICE void store_host_pair(u64 *pair, u64 value) {
    __hip_atomic_store(pair, value, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM);
}
DEVICE u32 load_host(const u32 *word) {
    return __hip_atomic_load((u32 *)word, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM);
}

// ---- across the lanes of a wave
DEVICE u32 bits(float x) { return __builtin_bit_cast(u32, x); }
DEVICE float from_bits(u32 x) { return __builtin_bit_cast(float, x); }
DEVICE bool all_lanes(bool condition) { return __builtin_amdgcn_ballot_w64(!condition) == 0; }
// The value of lane ^ MASK.
template <int MASK> DEVICE u32 lane_xor(u32 x) {
    if constexpr (MASK == 1)
        return __builtin_amdgcn_update_dpp(0, x, 0xB1, 0xF, 0xF, true); // quad_perm 1,0,3,2
    else if constexpr (MASK == 2)
        return __builtin_amdgcn_update_dpp(0, x, 0x4E, 0xF, 0xF, true); // quad_perm 2,3,0,1
    else if constexpr (MASK < 32)
        return __builtin_amdgcn_ds_swizzle(x, MASK << 10 | 0x1F);
    else
        return __builtin_amdgcn_ds_bpermute((lane() ^ MASK) * 4, x);
}
// The value of a lane in the other half of 2 * MASK lanes: enough for a reduction, and cheaper.
template <int MASK> DEVICE u32 lane_partner(u32 x) {
    if constexpr (MASK == 4)
        return __builtin_amdgcn_update_dpp(0, x, 0x141, 0xF, 0xF, true); // row_half_mirror
    else if constexpr (MASK == 8)
        return __builtin_amdgcn_update_dpp(0, x, 0x140, 0xF, 0xF, true); // row_mirror
    else
        return lane_xor<MASK>(x);
}
// Sum over each aligned group of LANES lanes, in a fixed order, in every lane of the group.
template <int LANES> DEVICE float sum_over(float x) {
    if constexpr (LANES > 1)
        x += from_bits(lane_partner<1>(bits(x)));
    if constexpr (LANES > 2)
        x += from_bits(lane_partner<2>(bits(x)));
    if constexpr (LANES > 4)
        x += from_bits(lane_partner<4>(bits(x)));
    if constexpr (LANES > 8)
        x += from_bits(lane_partner<8>(bits(x)));
    if constexpr (LANES > 16)
        x += from_bits(lane_partner<16>(bits(x)));
    if constexpr (LANES > 32)
        x += from_bits(lane_partner<32>(bits(x)));
    return x;
}

// ---- memory and numbers
// Would bring a line that is read soon into L2; there is no instruction for it.
DEVICE void expect_line(const u8 *) {}
// 16 bytes that are read once: they bypass the caches' retention. Wants a per-lane address.
DEVICE u32x4 load_streamed(const u32x4 *at) { return __builtin_nontemporal_load(at); }
// Keeps the compiler from moving loads across this point.
DEVICE void schedule_fence() { __builtin_amdgcn_sched_barrier(0); }
DEVICE float bf16_low(u32 pair) { return from_bits(pair << 16); }
DEVICE float bf16_high(u32 pair) { return from_bits(pair & 0xFFFF0000u); }
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
DEVICE float fp16_to_float(fp16 x) { return (float)__builtin_bit_cast(_Float16, x); }
DEVICE float fp16_low(u32 pair) { return fp16_to_float((u16)pair); }
DEVICE float fp16_high(u32 pair) { return fp16_to_float((u16)(pair >> 16)); }
DEVICE float exponential(float x) { return __ocml_exp_f32(x); }
DEVICE float hyperbolic_tangent(float x) { return __ocml_tanh_f32(x); }
DEVICE float error_function(float x) { return __ocml_erf_f32(x); }
DEVICE float reciprocal_sqrt(float x) { return __ocml_rsqrt_f32(x); }
