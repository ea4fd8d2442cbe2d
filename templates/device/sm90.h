// Device prelude: sm_90 (NVIDIA Hopper). The primitives that stage templates and engines are
// written in, for 32-lane waves. A CU is a streaming multiprocessor, LDS its shared memory. Plain
// CUDA C++, no headers.
#pragma nv_diag_suppress 177 // not every kernel uses every function and number
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE static __device__ __forceinline__
// More than 48 KiB must be asked for at the launch: the variable is all of that memory. Bulk copies
// to where a row of its banks starts are the fastest.
#define LDS_VARIABLE(type, name) extern __shared__ __align__(128) type name##_in_shared_memory[]
#define lds lds_in_shared_memory[0]
#define CONSTANT_TABLE static __constant__ const
#define GLOBAL
#define KERNEL_ENTRY(name, threads, decode)                                                        \
    extern "C" __global__ void __launch_bounds__(threads, 1) name(const Arguments block) {         \
        if (threadIdx.x == 0)                                                                      \
            shared_arguments[0] = block;                                                           \
        __syncthreads();                                                                           \
        decode();                                                                                  \
    }
// Every function reads the argument block, which is the kernel's: it lies in shared memory.
#define ARGUMENTS_ACCESS                                                                           \
    static __shared__ Arguments shared_arguments[1];                                               \
    DEVICE const Arguments *arguments() { return shared_arguments; }
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
#define UNROLL_SOME _Pragma("unroll 4")

constexpr u32 WAVE_LANES = 32, ALL_LANES = 0xFFFFFFFF;

// ---- vectors
struct f32x2 {
    float x, y;
};
DEVICE f32x2 operator*(f32x2 a, f32x2 b) { return f32x2{a.x * b.x, a.y * b.y}; }
DEVICE f32x2 &operator+=(f32x2 &a, f32x2 b) {
    a.x += b.x;
    a.y += b.y;
    return a;
}
struct __align__(16) f32x4 {
    float x, y, z, w;
};
struct __align__(16) u32x4 {
    u32 x, y, z, w;
    __device__ __forceinline__ u32 operator[](int i) const {
        return i == 0 ? x : i == 1 ? y : i == 2 ? z : w;
    }
};

// ---- who am I
DEVICE u32 lane() { return threadIdx.x % WAVE_LANES; }
DEVICE u32 wave() { return threadIdx.x / WAVE_LANES; }
DEVICE u32 xcd_id() { return 0; } // one die
// The value of lane 0 in all lanes.
DEVICE u32 uniform(u32 x) { return __shfl_sync(ALL_LANES, x, 0); }
DEVICE u64 uniform(u64 x) { return __shfl_sync(ALL_LANES, x, 0); }

// The same number, computed here: keeps what follows from it out of the registers of the whole
// loop.
DEVICE u32 fresh(u32 x) {
    asm volatile("" : "+r"(x));
    return x;
}
DEVICE u32 fresh_per_lane(u32 x) { return x; }
DEVICE u64 fresh(u64 x) {
    asm volatile("" : "+l"(x));
    return x;
}

// ---- time
DEVICE u64 clock_ns() {
    u64 now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}
DEVICE void pause() {}

// ---- within a workgroup
DEVICE void workgroup_barrier() { __syncthreads(); }
// For `waves` of its waves, always the same for one `name` of 1 to 15.
DEVICE void waves_barrier(u32 name, u32 waves) {
    asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(waves * WAVE_LANES) : "memory");
}
// What a lane wrote to LDS is there for the others of its wave.
DEVICE void wave_fence() { __syncwarp(); }

// ---- between workgroups: relaxed, no fence
DEVICE u64 load_pair(const u64 *pair) {
    u64 value;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(pair) : "memory");
    return value;
}
// Pairs that a poll looks at, again where one is missing: what is there need not pass the crossbar
// again, on which others' weights are under way. Each pair arrives as a whole, two of them with one
// load.
constexpr u32 PAIRS_A_LOAD = 2;
DEVICE void poll_pairs(u64 (&pair)[1], const u64 *at, bool missing) {
    if (missing)
        pair[0] = load_pair(at);
}
DEVICE void poll_pairs(u64 (&pair)[2], const u64 *at, bool missing) {
    if (missing)
        asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];"
                     : "=l"(pair[0]), "=l"(pair[1])
                     : "l"(at)
                     : "memory");
}
DEVICE void store_pair(u64 *pair, u64 value) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(pair), "l"(value) : "memory");
}
DEVICE u32 load_shared(const u32 *word) {
    u32 value;
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
    return value;
}
// Returns what was there before.
DEVICE u32 add_shared(u32 *word, u32 amount) { return atomicAdd(word, amount); }
// Stores `value` where there is 0; says whether it did.
DEVICE bool set_once(u32 *word, u32 value) { return atomicCAS(word, 0u, value) == 0; }

// ---- with the host, while the kernel runs
DEVICE void store_host_pair(u64 *pair, u64 value) {
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(pair), "l"(value) : "memory");
}
DEVICE u32 load_host(const u32 *word) {
    u32 value;
    asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
    return value;
}

// ---- across the lanes of a wave
DEVICE u32 bits(float x) { return __float_as_uint(x); }
DEVICE float from_bits(u32 x) { return __uint_as_float(x); }
DEVICE bool all_lanes(bool condition) { return __all_sync(ALL_LANES, condition); }
// The value of lane ^ MASK.
template <int MASK> DEVICE u32 lane_xor(u32 x) { return __shfl_xor_sync(ALL_LANES, x, MASK); }
DEVICE float from_lane(float x, u32 lane) { return __shfl_sync(ALL_LANES, x, lane); }
// Sum over each aligned group of LANES lanes, in a fixed order, in every lane of the group.
template <int LANES> DEVICE float sum_over(float x) {
    UNROLL
    for (int mask = 1; mask < LANES; mask *= 2)
        x += __shfl_xor_sync(ALL_LANES, x, mask);
    return x;
}

// ---- copies to LDS by the copy engine, and the barriers in LDS that tell when they are done. A
// barrier goes from one phase to the next when as many have arrived as it was opened for, and all
// bytes are there that were announced; waits are for the end of a phase, even or odd. Who arrives
// is a wave of the same workgroup, or a copy: a wait of seconds is a fault of the kernel itself.
DEVICE u32 address_in_lds(const void *at) { return (u32)__cvta_generic_to_shared(at); }
DEVICE void open_barrier(u64 *barrier, u32 arrivals) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(address_in_lds(barrier)), "r"(arrivals)
                 : "memory");
}
// What was opened can be used, also by copies, after the next barrier of the workgroup.
DEVICE void publish_barriers() {
    asm volatile("fence.mbarrier_init.release.cluster;\n\tfence.proxy.async;" ::: "memory");
}
DEVICE void arrive_at_barrier(u64 *barrier) {
    asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(address_in_lds(barrier)) : "memory");
}
DEVICE bool barrier_passed(u64 *barrier, u32 phase) {
    u32 done;
    asm volatile("{\n\t.reg .pred done;\n\t"
                 "mbarrier.try_wait.parity.shared.b64 done, [%1], %2;\n\t"
                 "selp.u32 %0, 1, 0, done;\n\t}"
                 : "=r"(done)
                 : "r"(address_in_lds(barrier)), "r"(phase & 1)
                 : "memory");
    return done;
}
DEVICE void await_barrier(u64 *barrier, u32 phase, u64 limit_ns = 5000000000) {
    u64 since = 0;
    for (u32 tries = 1; !barrier_passed(barrier, phase); tries++) {
        if (tries % 1024 == 0) {
            since = since ? since : clock_ns();
            if (clock_ns() - since > limit_ns)
                asm volatile("trap;");
        }
    }
}
// What is read once should not push out of L2 what is read again: "evict first", encoded as
// createpolicy does.
constexpr u64 READ_ONCE = 0x12F0000000000000;
// One lane: copies weights.
DEVICE void copy_to_lds(void *to, const void *from, u32 bytes, u64 *barrier) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(address_in_lds(barrier)),
                 "r"(bytes)
                 : "memory");
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
                 ".L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(address_in_lds(to)),
                 "l"(from), "r"(bytes), "r"(address_in_lds(barrier)), "l"(READ_ONCE)
                 : "memory");
}

// ---- matrix instructions: sum[16][8] += a[16][16] * b[16][8], four sums to a lane
#define MULTIPLY(type)                                                                             \
    DEVICE void multiply_##type(float *sum, u32x4 a, u32 b_low, u32 b_high) {                      \
        asm("mma.sync.aligned.m16n8k16.row.col.f32." MULTIPLY_##type                               \
            " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                     \
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])                               \
            : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b_low), "r"(b_high));                    \
    }
#define MULTIPLY_bf16 "bf16.bf16.f32"
#define MULTIPLY_fp16 "f16.f16.f32"
MULTIPLY(bf16)
MULTIPLY(fp16)

// ---- memory and numbers
// Brings a line that is read soon into L2.
DEVICE void expect_line(const u8 *at) { asm volatile("prefetch.global.L2 [%0];" ::"l"(at)); }
// The same of many bytes, a multiple of 16, by one lane; they are read once.
DEVICE void expect_bytes(const void *at, u32 bytes) {
    asm volatile("cp.async.bulk.prefetch.L2.global.L2::cache_hint [%0], %1, %2;" ::"l"(at),
                 "r"(bytes), "l"(READ_ONCE)
                 : "memory");
}
// 16 bytes that are read once.
DEVICE u32x4 load_streamed(const u32x4 *at) {
    u32x4 v;
    asm volatile("ld.global.L1::no_allocate.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], %5;"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(at), "l"(READ_ONCE)
                 : "memory");
    return v;
}
DEVICE void schedule_fence() {}
DEVICE float infinity() { return from_bits(0x7F800000); }
DEVICE float bf16_low(u32 pair) { return from_bits(pair << 16); }
DEVICE float bf16_high(u32 pair) { return from_bits(pair & 0xFFFF0000u); }
// The low, and the high, halves of two words, those of `a` first.
DEVICE u32 low_halves(u32 a, u32 b) { return __byte_perm(a, b, 0x5410); }
DEVICE u32 high_halves(u32 a, u32 b) { return __byte_perm(a, b, 0x7632); }
typedef float fp32;
typedef u16 bf16, fp16; // as bits
DEVICE float fp32_to_float(fp32 x) { return x; }
DEVICE float bf16_to_float(bf16 x) { return from_bits((u32)x << 16); }
// To nearest, ties to even; NaN stays NaN.
DEVICE u16 float_to_bf16(float x) {
    u16 value;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(value) : "f"(x));
    return value;
}
// Both at once, `low` in the low half.
DEVICE u32 floats_to_bf16(float low, float high) {
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}
DEVICE float fp16_to_float(fp16 x) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(x));
    return value;
}
// To nearest; what is beyond the range becomes infinite.
DEVICE u16 float_to_fp16(float x) {
    u16 value;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(value) : "f"(x));
    return value;
}
DEVICE float fp16_low(u32 pair) { return fp16_to_float((u16)pair); }
DEVICE float fp16_high(u32 pair) { return fp16_to_float((u16)(pair >> 16)); }
DEVICE float exponential(float x) { return expf(x); }
DEVICE float hyperbolic_tangent(float x) { return tanhf(x); }
DEVICE float error_function(float x) { return erff(x); }
DEVICE float reciprocal_sqrt(float x) { return rsqrtf(x); }
