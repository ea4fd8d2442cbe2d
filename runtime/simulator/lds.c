// The DS instructions: LDS of a workgroup, and the exchanges between lanes that take its way.
#include "runtime/simulator/arrivals.h"
#include "runtime/simulator/atomic.h"
#include "runtime/simulator/memory_functions.h"
#include "runtime/simulator/workgroup.h"

#include <inttypes.h>
#include <string.h>

// LDS has 32 banks of 4 bytes ("AMD Instinct MI300" instruction set architecture, data share).
enum { BANKS = 32, BANK_BYTES = 4 };

// One access of each active lane, [bytes] at an address of its own.
struct lds_access {
    uint32_t addresses[WAVE_LANES];
    uint32_t bytes;
    uint64_t lanes;
};

static uint64_t first_bit(uint64_t lanes) { return lanes & (~lanes + 1); }

// Cycles that an access takes longer because lanes of a group want different words of one bank. A
// group is as many lanes as the banks serve in one cycle.
static uint64_t conflict_cycles(const struct lds_access *access) {
    const uint32_t words = access->bytes < BANK_BYTES ? 1 : access->bytes / BANK_BYTES;
    const uint32_t group = words == 3 ? BANKS / 4 : BANKS / words;
    uint64_t cycles = 0;
    for (uint32_t first = 0; first < WAVE_LANES; first += group) {
        uint32_t word_of[BANKS] = {0}, seen[BANKS] = {0}, most = 1;
        for (uint32_t lane = first; lane < first + group; lane++) {
            if (!(access->lanes >> lane & 1))
                continue;
            for (uint32_t word = 0; word < words; word++) {
                const uint32_t at = access->addresses[lane] / BANK_BYTES + word, bank = at % BANKS;
                if (seen[bank] && word_of[bank] == at)
                    continue;
                word_of[bank] = at;
                most = ++seen[bank] > most ? seen[bank] : most;
            }
        }
        cycles += most - 1;
    }
    return cycles;
}

// Whether the lanes' words follow each other, or are all the same: then no two meet in a bank.
static bool is_free_of_conflicts(const struct lds_access *access) {
    const uint32_t *addresses = access->addresses, bytes = access->bytes;
    uint32_t apart = 0, along = 0;
    if (access->lanes == UINT64_MAX) {
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++) {
            apart |= addresses[lane] ^ addresses[0];
            along |= addresses[lane] ^ (addresses[0] + lane * bytes);
        }
        return apart == 0 || along == 0;
    }
    const uint32_t first = (uint32_t)__builtin_ctzll(access->lanes);
    for (uint64_t lanes = access->lanes; lanes; lanes &= lanes - 1) {
        const uint32_t lane = (uint32_t)__builtin_ctzll(lanes);
        apart |= addresses[lane] ^ addresses[first];
        along |= addresses[lane] ^ (addresses[first] + (lane - first) * bytes);
    }
    return apart == 0 || along == 0;
}

// Addresses of the active lanes: register + offset. False after telling where one leaves the LDS.
static bool take_addresses(struct wave *wave, const struct instruction *instruction,
                           uint32_t offset, uint32_t bytes, struct lds_access *access) {
    const uint32_t *base = wave->vectors[instruction->sources[0].first];
    struct workgroup *workgroup = wave->workgroup;
    access->bytes = bytes;
    access->lanes = wave_exec(wave);
    uint32_t highest = 0;
    for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
        access->addresses[lane] = base[lane] + offset;
    if (access->lanes == UINT64_MAX)
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
            highest = access->addresses[lane] > highest ? access->addresses[lane] : highest;
    else
        for (uint64_t lanes = access->lanes; lanes; lanes &= lanes - 1) {
            const uint32_t address = access->addresses[__builtin_ctzll(lanes)];
            highest = address > highest ? address : highest;
        }
    const uint64_t end = (uint64_t)highest + bytes;
    if (access->lanes && end > workgroup->lds_bytes) {
        wave_fail(wave, instruction, "reaches byte 0x%" PRIx64 " of 0x%" PRIx32 " bytes of LDS",
                  end - 1, workgroup->lds_bytes);
        return false;
    }
    workgroup->counts.lds_bytes += (uint64_t)__builtin_popcountll(access->lanes) * bytes;
    if (access->lanes && !is_free_of_conflicts(access))
        workgroup->counts.lds_conflict_cycles += conflict_cycles(access);
    return true;
}

// ---- read ---------------------------------------------------------------------------------------

// The lanes' [access->bytes] become words: word w of lane l is words[w * WAVE_LANES + l].
static void gather(const struct workgroup *workgroup, const struct lds_access *access,
                   uint32_t *words) {
    const unsigned char *lds = workgroup->lds;
    const uint32_t whole = access->bytes / 4, rest = access->bytes % 4;
    const bool all = access->lanes == UINT64_MAX;
    for (uint32_t word = 0; word < whole; word++) {
        uint32_t *to = words + word * WAVE_LANES;
        if (all)
            for (unsigned lane = 0; lane < WAVE_LANES; lane++)
                memcpy(&to[lane], lds + access->addresses[lane] + word * 4, 4);
        else
            for (uint64_t lanes = access->lanes; lanes; lanes &= lanes - 1) {
                const unsigned lane = (unsigned)__builtin_ctzll(lanes);
                memcpy(&to[lane], lds + access->addresses[lane] + word * 4, 4);
            }
    }
    for (uint64_t lanes = rest ? access->lanes : 0; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        const unsigned char *from = lds + access->addresses[lane];
        words[lane] = rest == 1 ? from[0] : from[0] | (uint32_t)from[1] << 8;
    }
}

static struct arrival *expect(struct wave *wave, const struct instruction *instruction,
                              uint32_t lane_bytes) {
    struct arrival *arrival = arrivals_add(wave, COUNTER_LDS_AND_SCALAR);
    if (!arrival)
        return NULL;
    arrival->has_result = true;
    arrival->lane_bytes = (uint8_t)lane_bytes;
    arrival->first = instruction->destinations[0].first;
    arrival->lanes = wave_exec(wave);
    return arrival;
}

static void read(struct wave *wave, const struct instruction *instruction, enum widening widening,
                 bool is_signed) {
    const uint32_t bytes = instruction->kind->memory_bytes;
    struct lds_access access;
    if (!take_addresses(wave, instruction, (uint32_t)instruction->offset, bytes, &access))
        return;
    struct arrival *arrival = expect(wave, instruction, bytes);
    if (!arrival)
        return;
    arrival->widening = (uint8_t)widening;
    arrival->signed_bits = is_signed ? (uint8_t)(bytes * 8) : 0;
    gather(wave->workgroup, &access, arrival->data);
}

void lds_read(struct wave *wave, const struct instruction *instruction) {
    read(wave, instruction, WIDENING_NONE, false);
}
void lds_read_zero(struct wave *wave, const struct instruction *instruction) {
    read(wave, instruction, WIDENING_ZERO, false);
}
void lds_read_sign(struct wave *wave, const struct instruction *instruction) {
    read(wave, instruction, WIDENING_SIGN, true);
}
void lds_read_low(struct wave *wave, const struct instruction *instruction) {
    read(wave, instruction, WIDENING_LOW_HALF, false);
}
void lds_read_high(struct wave *wave, const struct instruction *instruction) {
    read(wave, instruction, WIDENING_HIGH_HALF, false);
}
void lds_read_low_sign(struct wave *wave, const struct instruction *instruction) {
    read(wave, instruction, WIDENING_LOW_HALF, true);
}
void lds_read_high_sign(struct wave *wave, const struct instruction *instruction) {
    read(wave, instruction, WIDENING_HIGH_HALF, true);
}

static void read_two(struct wave *wave, const struct instruction *instruction, uint32_t unit) {
    const uint32_t bytes = instruction->kind->memory_bytes;
    struct lds_access first, second;
    if (!take_addresses(wave, instruction, (uint32_t)instruction->offset * unit, bytes, &first) ||
        !take_addresses(wave, instruction, (uint32_t)instruction->offset1 * unit, bytes, &second))
        return;
    struct arrival *arrival = expect(wave, instruction, 2 * bytes);
    if (!arrival)
        return;
    gather(wave->workgroup, &first, arrival->data);
    gather(wave->workgroup, &second, arrival->data + bytes / 4 * WAVE_LANES);
}

void lds_read_two(struct wave *wave, const struct instruction *instruction) {
    read_two(wave, instruction, instruction->kind->memory_bytes);
}
void lds_read_two_far(struct wave *wave, const struct instruction *instruction) {
    read_two(wave, instruction, instruction->kind->memory_bytes * 64u);
}

// ---- write --------------------------------------------------------------------------------------

// The lanes' words, of registers `first` ..., go to their addresses. Where two lanes write the same
// place the higher one stays.
static void scatter(struct wave *wave, const struct lds_access *access, uint32_t first,
                    unsigned shift_bits) {
    unsigned char *lds = wave->workgroup->lds;
    for (uint64_t lanes = access->lanes; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        unsigned char *to = lds + access->addresses[lane];
        for (uint32_t at = 0; at < access->bytes; at += 4) {
            const uint32_t word = wave->vectors[first + at / 4][lane] >> shift_bits;
            memcpy(to + at, &word, access->bytes - at < 4 ? access->bytes - at : 4);
        }
    }
}

static bool count_write(struct wave *wave) {
    return arrivals_add(wave, COUNTER_LDS_AND_SCALAR) != NULL;
}

static void write(struct wave *wave, const struct instruction *instruction, unsigned shift_bits) {
    struct lds_access access;
    if (take_addresses(wave, instruction, (uint32_t)instruction->offset,
                       instruction->kind->memory_bytes, &access) &&
        count_write(wave))
        scatter(wave, &access, instruction->sources[1].first, shift_bits);
}

void lds_write(struct wave *wave, const struct instruction *instruction) {
    write(wave, instruction, 0);
}
void lds_write_high(struct wave *wave, const struct instruction *instruction) {
    write(wave, instruction, 16);
}

static void write_two(struct wave *wave, const struct instruction *instruction, uint32_t unit) {
    const uint32_t bytes = instruction->kind->memory_bytes;
    struct lds_access first, second;
    if (!take_addresses(wave, instruction, (uint32_t)instruction->offset * unit, bytes, &first) ||
        !take_addresses(wave, instruction, (uint32_t)instruction->offset1 * unit, bytes, &second) ||
        !count_write(wave))
        return;
    scatter(wave, &first, instruction->sources[1].first, 0);
    scatter(wave, &second, instruction->sources[2].first, 0);
}

void lds_write_two(struct wave *wave, const struct instruction *instruction) {
    write_two(wave, instruction, instruction->kind->memory_bytes);
}
void lds_write_two_far(struct wave *wave, const struct instruction *instruction) {
    write_two(wave, instruction, instruction->kind->memory_bytes * 64u);
}

// ---- atomics ------------------------------------------------------------------------------------

static uint64_t lane_value(const struct wave *wave, uint32_t first, uint32_t bytes, unsigned lane) {
    uint64_t value = wave->vectors[first][lane];
    if (bytes == 8)
        value |= (uint64_t)wave->vectors[first + 1][lane] << 32;
    return value;
}

// Lane after lane. Of a comparing one sources[1] is what is compared, sources[2] the new value.
static void modify(struct wave *wave, const struct instruction *instruction,
                   enum atomic_operation operation) {
    const uint32_t bytes = instruction->kind->memory_bytes;
    const bool compares = operation == ATOMIC_COMPARE_SWAP;
    const uint32_t compared = instruction->sources[1].first;
    const uint32_t value = instruction->sources[compares ? 2 : 1].first;
    struct lds_access access;
    if (!take_addresses(wave, instruction, (uint32_t)instruction->offset, bytes, &access))
        return;
    const bool returns = instruction->destinations[0].kind != OPERAND_ABSENT;
    struct arrival *arrival =
        returns ? expect(wave, instruction, bytes) : arrivals_add(wave, COUNTER_LDS_AND_SCALAR);
    if (!arrival)
        return;
    for (uint64_t lanes = access.lanes; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        unsigned char *at = wave->workgroup->lds + access.addresses[lane];
        uint64_t before = 0;
        memcpy(&before, at, bytes);
        const uint64_t after =
            atomic_result(operation, bytes, before, lane_value(wave, value, bytes, lane),
                          compares ? lane_value(wave, compared, bytes, lane) : 0);
        memcpy(at, &after, bytes);
        if (returns) {
            arrival->data[lane] = (uint32_t)before;
            arrival->data[WAVE_LANES + lane] = (uint32_t)(before >> 32);
        }
    }
}

#define LDS_ATOMIC(function, operation)                                                            \
    void function(struct wave *wave, const struct instruction *instruction) {                      \
        modify(wave, instruction, operation);                                                      \
    }
LDS_ATOMIC(lds_swap, ATOMIC_SWAP)
LDS_ATOMIC(lds_compare_swap, ATOMIC_COMPARE_SWAP)
LDS_ATOMIC(lds_add, ATOMIC_ADD)
LDS_ATOMIC(lds_sub, ATOMIC_SUB)
LDS_ATOMIC(lds_increment, ATOMIC_INCREMENT)
LDS_ATOMIC(lds_decrement, ATOMIC_DECREMENT)
LDS_ATOMIC(lds_signed_min, ATOMIC_SIGNED_MIN)
LDS_ATOMIC(lds_signed_max, ATOMIC_SIGNED_MAX)
LDS_ATOMIC(lds_unsigned_min, ATOMIC_UNSIGNED_MIN)
LDS_ATOMIC(lds_unsigned_max, ATOMIC_UNSIGNED_MAX)
LDS_ATOMIC(lds_and, ATOMIC_AND)
LDS_ATOMIC(lds_or, ATOMIC_OR)
LDS_ATOMIC(lds_xor, ATOMIC_XOR)
LDS_ATOMIC(lds_add_f32, ATOMIC_ADD_F32)
LDS_ATOMIC(lds_add_f64, ATOMIC_ADD_F64)
#undef LDS_ATOMIC

// ---- exchanges between lanes --------------------------------------------------------------------

// The lane that `lane` reads in ds_swizzle_b32 with this offset.
static unsigned swizzled(unsigned offset, unsigned lane) {
    if (offset >> 15) // four fields of two bits: within each four lanes
        return (lane & ~3u) | (offset >> (lane % 4 * 2) & 3);
    const unsigned and_mask = offset & 31, or_mask = offset >> 5 & 31, xor_mask = offset >> 10 & 31;
    return (lane & 32) | (((lane & and_mask) | or_mask) ^ xor_mask);
}

void lds_swizzle(struct wave *wave, const struct instruction *instruction) {
    const unsigned offset = (unsigned)instruction->offset & 0xFFFF;
    if (offset >= 0xC000) {
        wave_fail(wave, instruction, "a swizzle mode that gfx942 does not have: 0x%x", offset);
        return;
    }
    struct arrival *arrival = expect(wave, instruction, 4);
    if (!arrival)
        return;
    const uint32_t *from = wave->vectors[instruction->sources[0].first];
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        const unsigned source = swizzled(offset, lane);
        arrival->data[lane] = arrival->lanes >> source & 1 ? from[source] : 0;
    }
}

// Each lane reads the lane that its address names; one that is not active gives 0.
void lds_permute_back(struct wave *wave, const struct instruction *instruction) {
    struct arrival *arrival = expect(wave, instruction, 4);
    if (!arrival)
        return;
    const uint32_t *address = wave->vectors[instruction->sources[0].first];
    const uint32_t *from = wave->vectors[instruction->sources[1].first];
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        const unsigned source = (address[lane] + (uint32_t)instruction->offset) / 4 % WAVE_LANES;
        arrival->data[lane] = arrival->lanes >> source & 1 ? from[source] : 0;
    }
}

// Each active lane writes to the lane that its address names, the highest wins; who gets nothing
// gets 0.
void lds_permute(struct wave *wave, const struct instruction *instruction) {
    struct arrival *arrival = expect(wave, instruction, 4);
    if (!arrival)
        return;
    const uint32_t *address = wave->vectors[instruction->sources[0].first];
    const uint32_t *from = wave->vectors[instruction->sources[1].first];
    memset(arrival->data, 0, WAVE_LANES * sizeof *from);
    for (uint64_t lanes = arrival->lanes; lanes; lanes = lanes ^ first_bit(lanes)) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        const unsigned to = (address[lane] + (uint32_t)instruction->offset) / 4 % WAVE_LANES;
        arrival->data[to] = from[lane];
    }
}

void lds_nothing(struct wave *wave, const struct instruction *instruction) {
    (void)instruction;
    arrivals_add(wave, COUNTER_LDS_AND_SCALAR);
}
