// Vector instructions that look at lanes other than their own, or at scalar registers.
#include "runtime/simulator/vector.h"

void vector_nop(struct wave *wave, const struct instruction *instruction) {
    (void)wave, (void)instruction;
}

static void write_scalar(struct wave *wave, const struct instruction *instruction, uint32_t value) {
    const struct operand *operand = &instruction->destinations[0];
    if (operand->kind != OPERAND_SCALAR || operand->first >= SCALAR_REGISTERS)
        wave_fail(wave, instruction, "a lane's value goes to a scalar register");
    else
        wave->scalars[operand->first] = value;
}

// Of a scalar source.
static unsigned lane_number(struct wave *wave, const struct instruction *instruction) {
    lane_words scratch;
    if (instruction->sources[1].kind == OPERAND_VECTOR) {
        wave_fail(wave, instruction, "the number of a lane is scalar");
        return 0;
    }
    return vector_source(wave, instruction, 1, 0, MEANING_INTEGER, scratch)[0] & 63;
}

// The first lane that is on, or lane 0 where none is.
void vector_readfirstlane(struct wave *wave, const struct instruction *instruction) {
    lane_words scratch;
    bool direct;
    if (!vector_begin(wave, instruction, 0, 0, &direct))
        return;
    const uint64_t exec = wave_exec(wave);
    const unsigned lane = exec ? (unsigned)__builtin_ctzll(exec) : 0;
    write_scalar(wave, instruction,
                 vector_source(wave, instruction, 0, 0, MEANING_INTEGER, scratch)[lane]);
}

// Whether the lane is on does not matter to v_readlane and v_writelane.
void vector_readlane(struct wave *wave, const struct instruction *instruction) {
    lane_words scratch;
    const uint32_t *values = vector_source(wave, instruction, 0, 0, MEANING_INTEGER, scratch);
    write_scalar(wave, instruction, values[lane_number(wave, instruction)]);
}

void vector_writelane(struct wave *wave, const struct instruction *instruction) {
    lane_words scratch;
    const uint32_t value = vector_source(wave, instruction, 0, 0, MEANING_INTEGER, scratch)[0];
    const unsigned lane = lane_number(wave, instruction);
    if (instruction->sources[0].kind == OPERAND_VECTOR || !vector_has(wave, instruction, 0, 1))
        wave_fail(wave, instruction, "a scalar value goes to a lane of a vector register");
    else
        wave->vectors[instruction->destinations[0].first][lane] = value;
}

// How many bits below the lane's own are set in the half of a mask of lanes that starts at `first`.
static void count_below(struct wave *wave, const struct instruction *instruction, unsigned first) {
    lane_words mask_scratch, sum_scratch, counts;
    bool direct;
    if (!vector_begin(wave, instruction, 0, 1, &direct))
        return;
    const uint32_t *masks = vector_source(wave, instruction, 0, 0, MEANING_INTEGER, mask_scratch);
    const uint32_t *sums = vector_source(wave, instruction, 1, 0, MEANING_INTEGER, sum_scratch);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        uint64_t below = (UINT64_C(1) << lane) - 1;
        uint32_t counted = masks[lane] & (uint32_t)(below >> first);
        counts[lane] = (uint32_t)__builtin_popcount(counted) + sums[lane];
    }
    vector_write(wave, instruction, 0, WIDTH_32, MEANING_INTEGER, counts, NULL);
}

void vector_mbcnt_lo(struct wave *wave, const struct instruction *instruction) {
    count_below(wave, instruction, 0);
}

void vector_mbcnt_hi(struct wave *wave, const struct instruction *instruction) {
    count_below(wave, instruction, 32);
}

void vector_swap(struct wave *wave, const struct instruction *instruction) {
    bool direct;
    if (!vector_begin(wave, instruction, 0, 1, &direct))
        return;
    if (!vector_has(wave, instruction, 0, 1) || !vector_has(wave, instruction, 1, 1)) {
        wave_fail(wave, instruction, "a register that the wave does not have");
        return;
    }
    uint32_t *first = wave->vectors[instruction->destinations[0].first];
    uint32_t *second = wave->vectors[instruction->destinations[1].first];
    const uint64_t lanes = vector_written_lanes(wave, instruction);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        if (lanes >> lane & 1) {
            uint32_t value = first[lane];
            first[lane] = second[lane];
            second[lane] = value;
        }
}
