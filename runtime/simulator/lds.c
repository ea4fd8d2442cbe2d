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

// Whether lane after lane has its own word behind the one before: then no two meet in a bank.
static bool is_contiguous(const struct lds_access *access) {
    uint32_t differences = 0;
    for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
        differences |= access->addresses[lane] ^ (access->addresses[0] + lane * access->bytes);
    return differences == 0;
}

// Addresses of the active lanes: register + offset. False after telling where one leaves the LDS.
static bool take_addresses(struct wave *wave, const struct instruction *instruction,
                           uint32_t offset, uint32_t bytes, struct lds_access *access) {
    const uint32_t *base = wave->vectors[instruction->sources[0].first];
    struct workgroup *workgroup = wave->workgroup;
    access->bytes = bytes;
    access->lanes = wave_exec(wave);
    uint32_t highest = 0;
    for (uint32_t lane = 0; lane < WAVE_LANES; lane++) {
        access->addresses[lane] = base[lane] + offset;
        const uint32_t active = (uint32_t)(access->lanes >> lane & 1);
        const uint32_t address = active * access->addresses[lane];
        highest = address > highest ? address : highest;
    }
    const uint64_t end = (uint64_t)highest + bytes;
    if (access->lanes && end > workgroup->lds_bytes) {
        wave_fail(wave, instruction, "reaches byte 0x%" PRIx64 " of 0x%" PRIx32 " bytes of LDS",
                  end - 1, workgroup->lds_bytes);
        return false;
    }
    // Wider accesses want their own alignment, unless the mode for unaligned ones is on: the
    // compiler relies on it for 8 bytes and more.
    workgroup->counts.lds_bytes += (uint64_t)__builtin_popcountll(access->lanes) * bytes;
    if (access->lanes && !is_contiguous(access))
        workgroup->counts.lds_conflict_cycles += conflict_cycles(access);
    return true;
}

// ---- read ---------------------------------------------------------------------------------------

// The lanes' [access->bytes] go to data, `stride` bytes from lane to lane.
static void gather(const struct workgroup *workgroup, const struct lds_access *access,
                   unsigned char *data, size_t stride) {
    const unsigned char *lds = workgroup->lds;
    if (access->lanes == UINT64_MAX && access->bytes == 4 && stride == 4) {
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            memcpy(data + lane * 4, lds + access->addresses[lane], 4);
        return;
    }
    if (access->lanes == UINT64_MAX && access->bytes == 16 && stride == 16) {
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            memcpy(data + lane * 16, lds + access->addresses[lane], 16);
        return;
    }
    for (uint64_t lanes = access->lanes; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        memcpy(data + lane * stride, lds + access->addresses[lane], access->bytes);
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
    gather(wave->workgroup, &access, arrival->data, bytes);
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
    gather(wave->workgroup, &first, arrival->data, 2 * (size_t)bytes);
    gather(wave->workgroup, &second, arrival->data + bytes, 2 * (size_t)bytes);
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
        if (returns)
            memcpy(arrival->data + (size_t)lane * bytes, &before, bytes);
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
        const uint32_t value = arrival->lanes >> source & 1 ? from[source] : 0;
        memcpy(arrival->data + lane * sizeof value, &value, sizeof value);
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
        const uint32_t value = arrival->lanes >> source & 1 ? from[source] : 0;
        memcpy(arrival->data + lane * sizeof value, &value, sizeof value);
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
        memcpy(arrival->data + to * sizeof *from, &from[lane], sizeof *from);
    }
}

void lds_nothing(struct wave *wave, const struct instruction *instruction) {
    (void)instruction;
    arrivals_add(wave, COUNTER_LDS_AND_SCALAR);
}
