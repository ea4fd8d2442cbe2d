// Flat and global memory instructions, atomics, and those that clean the caches.
#include "runtime/simulator/arrivals.h"
#include "runtime/simulator/memory_functions.h"
#include "runtime/simulator/workgroup.h"

#include <inttypes.h>
#include <string.h>

// Addresses of all lanes: 64 bits in a register pair, or a scalar base and 32 bits in a register;
// and the offset. A flat instruction has no scalar base. False after telling what is wrong.
static bool take_addresses(struct wave *wave, const struct instruction *instruction,
                           const struct operand *address, const struct operand *base,
                           uint64_t addresses[WAVE_LANES]) {
    const uint64_t offset = (uint64_t)(int64_t)instruction->offset;
    const uint32_t *low = wave->vectors[address->first];
    if (base->kind == OPERAND_SCALAR) {
        const uint64_t start = wave_scalar_64(wave, base->first) + offset;
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            addresses[lane] = start + low[lane];
        return true;
    }
    if (address->words != 2) {
        wave_fail(wave, instruction, "an address of %u bits", address->words * 32u);
        return false;
    }
    const uint32_t *high = wave->vectors[address->first + 1];
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        addresses[lane] = (low[lane] | (uint64_t)high[lane] << 32) + offset;
    return true;
}

static struct memory_access access_of(const struct wave *wave,
                                      const struct instruction *instruction,
                                      const uint64_t *addresses) {
    return (struct memory_access){.xcd = wave->workgroup->xcd,
                                  .cu = wave->workgroup->cu,
                                  .lanes = wave_exec(wave),
                                  .addresses = addresses,
                                  .bytes = instruction->kind->memory_bytes,
                                  .cache = instruction->cache};
}

static void tell_bad_address(struct wave *wave, const struct instruction *instruction,
                             const uint64_t *addresses, unsigned lane) {
    char place[160];
    memory_name(wave->workgroup->memory, addresses[lane], place, sizeof place);
    wave_fail(wave, instruction, "lane %u reaches %u bytes at 0x%" PRIx64 ": %s", lane,
              instruction->kind->memory_bytes, addresses[lane], place);
}

// ---- load ---------------------------------------------------------------------------------------

static void load(struct wave *wave, const struct instruction *instruction, enum widening widening,
                 bool is_signed) {
    struct arrival *arrival = arrivals_add(wave, COUNTER_VECTOR_MEMORY);
    if (!arrival)
        return;
    uint64_t addresses[WAVE_LANES];
    if (!take_addresses(wave, instruction, &instruction->sources[0], &instruction->sources[1],
                        addresses))
        return;
    const struct memory_access access = access_of(wave, instruction, addresses);
    wave->loaded_address =
        access.lanes ? addresses[__builtin_ctzll(access.lanes)] : wave->loaded_address;
    arrival->has_result = true;
    arrival->lane_bytes = (uint8_t)access.bytes;
    arrival->first = instruction->destinations[0].first;
    arrival->lanes = access.lanes;
    arrival->widening = (uint8_t)widening;
    arrival->signed_bits = is_signed ? (uint8_t)(access.bytes * 8) : 0;
    unsigned char data[WAVE_LANES * ARRIVAL_LANE_BYTES_MOST];
    unsigned bad_lane;
    if (!access.lanes)
        return;
    if (memory_load(wave->workgroup->memory, &access, data, &bad_lane))
        arrival_words_of_lanes(arrival->data, data, access.bytes);
    else
        tell_bad_address(wave, instruction, addresses, bad_lane);
}

void global_load(struct wave *wave, const struct instruction *instruction) {
    load(wave, instruction, WIDENING_NONE, false);
}
void global_load_zero(struct wave *wave, const struct instruction *instruction) {
    load(wave, instruction, WIDENING_ZERO, false);
}
void global_load_sign(struct wave *wave, const struct instruction *instruction) {
    load(wave, instruction, WIDENING_SIGN, true);
}
void global_load_low(struct wave *wave, const struct instruction *instruction) {
    load(wave, instruction, WIDENING_LOW_HALF, false);
}
void global_load_high(struct wave *wave, const struct instruction *instruction) {
    load(wave, instruction, WIDENING_HIGH_HALF, false);
}
void global_load_low_sign(struct wave *wave, const struct instruction *instruction) {
    load(wave, instruction, WIDENING_LOW_HALF, true);
}
void global_load_high_sign(struct wave *wave, const struct instruction *instruction) {
    load(wave, instruction, WIDENING_HIGH_HALF, true);
}

// ---- store --------------------------------------------------------------------------------------

// The lanes' bytes of registers `first` ...: data[lane][bytes].
static void take_data(const struct wave *wave, uint32_t first, uint32_t bytes, unsigned shift_bits,
                      size_t stride, unsigned char *data) {
    for (uint32_t at = 0; at < bytes; at += 4) {
        const uint32_t *from = wave->vectors[first + at / 4];
        const size_t size = bytes - at < 4 ? bytes - at : 4;
        for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
            const uint32_t word = from[lane] >> shift_bits;
            memcpy(data + lane * stride + at, &word, size);
        }
    }
}

static void store(struct wave *wave, const struct instruction *instruction, unsigned shift_bits) {
    if (!arrivals_add(wave, COUNTER_VECTOR_MEMORY))
        return;
    uint64_t addresses[WAVE_LANES];
    if (!take_addresses(wave, instruction, &instruction->sources[0], &instruction->sources[2],
                        addresses))
        return;
    const struct memory_access access = access_of(wave, instruction, addresses);
    unsigned char data[WAVE_LANES * ARRIVAL_LANE_BYTES_MOST];
    take_data(wave, instruction->sources[1].first, access.bytes, shift_bits, access.bytes, data);
    unsigned bad_lane;
    if (access.lanes && !memory_store(wave->workgroup->memory, &access, data, &bad_lane))
        tell_bad_address(wave, instruction, addresses, bad_lane);
}

void global_store(struct wave *wave, const struct instruction *instruction) {
    store(wave, instruction, 0);
}
void global_store_high(struct wave *wave, const struct instruction *instruction) {
    store(wave, instruction, 16);
}

// ---- atomics ------------------------------------------------------------------------------------

static void modify(struct wave *wave, const struct instruction *instruction,
                   enum atomic_operation operation) {
    struct arrival *arrival = arrivals_add(wave, COUNTER_VECTOR_MEMORY);
    if (!arrival)
        return;
    uint64_t addresses[WAVE_LANES];
    if (!take_addresses(wave, instruction, &instruction->sources[0], &instruction->sources[2],
                        addresses))
        return;
    struct memory_access access = access_of(wave, instruction, addresses);
    const bool returns = instruction->destinations[0].kind != OPERAND_ABSENT;
    arrival->has_result = returns;
    arrival->lane_bytes = (uint8_t)access.bytes;
    arrival->first = instruction->destinations[0].first;
    arrival->lanes = access.lanes;
    if (!access.lanes)
        return;
    arrival->waits_for_memory = true;
    unsigned char data[WAVE_LANES * ARRIVAL_LANE_BYTES_MOST];
    const uint32_t data_bytes = access.bytes * (operation == ATOMIC_COMPARE_SWAP ? 2 : 1);
    take_data(wave, instruction->sources[1].first, data_bytes, 0, data_bytes, data);
    unsigned bad_lane;
    if (!memory_atomic(wave->workgroup->memory, &access, operation, data,
                       returns ? arrival->data : NULL, &arrival->performed, &bad_lane))
        tell_bad_address(wave, instruction, addresses, bad_lane);
}

#define GLOBAL_ATOMIC(function, operation)                                                         \
    void function(struct wave *wave, const struct instruction *instruction) {                      \
        modify(wave, instruction, operation);                                                      \
    }
GLOBAL_ATOMIC(atomic_swap, ATOMIC_SWAP)
GLOBAL_ATOMIC(atomic_compare_swap, ATOMIC_COMPARE_SWAP)
GLOBAL_ATOMIC(atomic_add, ATOMIC_ADD)
GLOBAL_ATOMIC(atomic_sub, ATOMIC_SUB)
GLOBAL_ATOMIC(atomic_signed_min, ATOMIC_SIGNED_MIN)
GLOBAL_ATOMIC(atomic_unsigned_min, ATOMIC_UNSIGNED_MIN)
GLOBAL_ATOMIC(atomic_signed_max, ATOMIC_SIGNED_MAX)
GLOBAL_ATOMIC(atomic_unsigned_max, ATOMIC_UNSIGNED_MAX)
GLOBAL_ATOMIC(atomic_and, ATOMIC_AND)
GLOBAL_ATOMIC(atomic_or, ATOMIC_OR)
GLOBAL_ATOMIC(atomic_xor, ATOMIC_XOR)
GLOBAL_ATOMIC(atomic_increment, ATOMIC_INCREMENT)
GLOBAL_ATOMIC(atomic_decrement, ATOMIC_DECREMENT)
GLOBAL_ATOMIC(atomic_add_f32, ATOMIC_ADD_F32)
GLOBAL_ATOMIC(atomic_add_f64, ATOMIC_ADD_F64)
#undef GLOBAL_ATOMIC

// ---- caches -------------------------------------------------------------------------------------

void cache_invalidate(struct wave *wave, const struct instruction *instruction) {
    memory_invalidate(wave->workgroup->memory, wave->workgroup->xcd, wave->workgroup->cu,
                      instruction->cache);
}

// Counts on vmcnt until what was written back has arrived.
void cache_write_back(struct wave *wave, const struct instruction *instruction) {
    if (arrivals_add(wave, COUNTER_VECTOR_MEMORY))
        memory_write_back(wave->workgroup->memory, wave->workgroup->xcd, instruction->cache);
}
