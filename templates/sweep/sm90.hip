//@ -- How fast memory can be read, to compare a kernel with: by plain loads at full occupancy, and by
//@ -- bulk copies into a ring in shared memory, with nothing done to what was read. Both go over the
//@ -- memory again and again without a pause. generator/commands/sweep_device.c launches them.
//@ local sweep = plan.sweep
// Sweep of $(plan.machine.prelude): reads memory and does nothing else.
//@ verbatim("device/" .. plan.machine.prelude .. ".h")

struct Result {
    u64 bytes; // that were read
    u32 check; // the sum of the words; bulk: of the first ones of the units left in the ring
    u32 unused;
};

struct Arguments {
    const u8 *memory;
    Result *result;
    u64 bytes;  // of memory, a multiple of 1 MiB
    u32 passes; // over it
    u32 unused;
};

// What this workgroup reads: every gridDim.x-th unit, over all passes.
struct Walk {
    u32 units, at, left;
    __device__ __forceinline__ Walk(const Arguments &block, u32 unit_bytes)
        : units((u32)(block.bytes / unit_bytes)), at(blockIdx.x % units),
          left((units * block.passes + gridDim.x - 1 - blockIdx.x) / gridDim.x) {}
    __device__ __forceinline__ u64 next() { // the unit's number
        const u32 unit = at;
        for (at += gridDim.x; at >= units;)
            at -= units;
        left--;
        return unit;
    }
};

// ---- plain loads
constexpr u32 THREADS = $(sweep.plain_threads), LOADS = 4;

extern "C" __global__ void __launch_bounds__(THREADS, $(sweep.plain_workgroups_per_cu))
    sweep_plain(const Arguments block) {
    constexpr u32 UNIT_VECTORS = THREADS * LOADS;
    const u32x4 *vectors = (const u32x4 *)block.memory + threadIdx.x;
    Walk walk(block, UNIT_VECTORS * sizeof(u32x4));
    if (threadIdx.x == 0)
        atomicAdd(&block.result->bytes, (u64)walk.left * UNIT_VECTORS * sizeof(u32x4));
    u32 check = 0;
    while (walk.left > 0) {
        const u32x4 *from = vectors + walk.next() * UNIT_VECTORS;
        u32x4 loaded[LOADS];
        UNROLL
        for (u32 i = 0; i < LOADS; i++)
            loaded[i] = load_streamed(from + i * THREADS);
        UNROLL
        for (u32 i = 0; i < LOADS; i++) // else the compiler would drop the loads
            check += loaded[i].x + loaded[i].y + loaded[i].z + loaded[i].w;
    }
    atomicAdd(&block.result->check, check);
}

// ---- bulk copies
constexpr u32 UNIT_BYTES = 16 << 10, MOST_UNITS = 32;
constexpr u64 TIMEOUT_NS = 2000000000; // of a copy
extern __shared__ __align__(128) u8 ring[];

DEVICE u32 ring_units() {
    u32 bytes;
    asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(bytes));
    return bytes / UNIT_BYTES < MOST_UNITS ? bytes / UNIT_BYTES : MOST_UNITS;
}

// One thread does it all: it asks for the next unit as soon as one has landed.
extern "C" __global__ void __launch_bounds__($(sweep.bulk_threads), 1)
    sweep_bulk(const Arguments block) {
    static __shared__ u64 landed[MOST_UNITS];
    if (threadIdx.x != 0)
        return;
    const u32 slots = ring_units();
    for (u32 slot = 0; slot < slots; slot++)
        open_barrier(landed + slot, 1);
    publish_barriers();

    Walk walk(block, UNIT_BYTES);
    const u32 mine = walk.left;
    for (u32 slot = 0; slot < slots && walk.left > 0; slot++)
        copy_to_lds(ring + slot * UNIT_BYTES, block.memory + walk.next() * UNIT_BYTES, UNIT_BYTES,
                    landed + slot);
    u32 slot = 0, parity = 0;
    for (u32 unit = 0; unit < mine; unit++) {
        await_barrier(landed + slot, parity, TIMEOUT_NS);
        if (walk.left > 0)
            copy_to_lds(ring + slot * UNIT_BYTES, block.memory + walk.next() * UNIT_BYTES,
                        UNIT_BYTES, landed + slot);
        if (++slot == slots) {
            slot = 0;
            parity ^= 1;
        }
    }
    u32 check = 0;
    for (slot = 0; slot < slots && slot < mine; slot++)
        check += *(const u32 *)(ring + slot * UNIT_BYTES);
    atomicAdd(&block.result->check, check);
    atomicAdd(&block.result->bytes, (u64)mine * UNIT_BYTES);
}
