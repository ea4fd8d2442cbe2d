#include "runtime/simulator/vector.h"

#include <string.h>

bool vector_accepts(struct wave *wave, const struct instruction *instruction, unsigned accepts) {
    const char *refused = NULL;
    if (instruction->clamp && !(accepts & ACCEPTS_CLAMP))
        refused = "clamp";
    if (instruction->op_sel && !(accepts & (ACCEPTS_HALVES | ACCEPTS_PACKING)))
        refused = "op_sel";
    if ((instruction->neg_lo || instruction->neg_hi) && !(accepts & ACCEPTS_PACKING))
        refused = "neg_lo or neg_hi";
    // The hardware ignores it while denormals are kept or the IEEE mode is on.
    if (instruction->output_multiplier_log2)
        refused = "an output multiplier";
    if ((instruction->dpp || instruction->is_sdwa) && accepts & ACCEPTS_PACKING)
        refused = "DPP or SDWA";
    if (refused)
        wave_fail(wave, instruction, "%s is not known with this instruction", refused);
    return !refused;
}

// ---- DPP ----------------------------------------------------------------------------------------
enum { NO_LANE = WAVE_LANES };

// The lane that each lane reads, or NO_LANE where there is none.
static void dpp_lanes(const struct instruction *instruction, uint8_t from[WAVE_LANES]) {
    const unsigned argument = instruction->dpp_argument;
    const unsigned quad[4] = {argument & 3, argument >> 2 & 3, argument >> 4 & 3, argument >> 6};
#define FROM(...)                                                                                  \
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)                                             \
        from[lane] = (uint8_t)(__VA_ARGS__);                                                       \
    break
    switch ((enum dpp)instruction->dpp) {
    case DPP_NONE:
        FROM(lane);
    case DPP_QUAD_PERM:
        FROM((lane & ~3U) | quad[lane & 3]);
    case DPP_ROW_SHL:
        FROM((lane & 15) + argument < 16 ? lane + argument : NO_LANE);
    case DPP_ROW_SHR:
        FROM((lane & 15) >= argument ? lane - argument : NO_LANE);
    case DPP_ROW_ROR:
        FROM((lane & ~15U) | ((lane - argument) & 15));
    case DPP_WAVE_SHL:
        FROM(lane + 1); // the last one: NO_LANE
    case DPP_WAVE_ROL:
        FROM((lane + 1) & 63);
    case DPP_WAVE_SHR:
        FROM(lane ? lane - 1 : NO_LANE);
    case DPP_WAVE_ROR:
        FROM((lane - 1) & 63);
    case DPP_ROW_MIRROR:
        FROM(lane ^ 15);
    case DPP_ROW_HALF_MIRROR:
        FROM(lane ^ 7);
    case DPP_ROW_BCAST_15:
        FROM(lane >= 16 ? (lane & ~15U) - 1 : NO_LANE);
    case DPP_ROW_BCAST_31:
        FROM(lane >= 32 ? 31 : NO_LANE);
    case DPP_ROW_NEWBCAST:
        FROM((lane & ~15U) | (argument & 15));
    }
#undef FROM
}

// Lanes that have a source: it lies within reach, and its lane is on.
static uint64_t dpp_valid_lanes(const struct wave *wave, const struct instruction *instruction) {
    uint8_t from[WAVE_LANES];
    uint64_t valid = 0, exec = wave_exec(wave);
    dpp_lanes(instruction, from);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        if (from[lane] != NO_LANE)
            valid |= (exec >> from[lane] & 1) << lane;
    return valid;
}

static void dpp_read(const struct wave *wave, const struct instruction *instruction,
                     const uint32_t *values, lane_words out) {
    uint8_t from[WAVE_LANES];
    uint32_t readable[WAVE_LANES + 1];
    lane_words on;
    dpp_lanes(instruction, from);
    vector_spread(wave_exec(wave), on);
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        readable[lane] = values[lane] & on[lane];
    readable[NO_LANE] = 0;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        out[lane] = readable[from[lane]];
}

uint64_t vector_written_lanes(const struct wave *wave, const struct instruction *instruction) {
    uint64_t lanes = wave_exec(wave);
    if (instruction->dpp == DPP_NONE)
        return lanes;
    if (instruction->row_mask != 15 || instruction->bank_mask != 15)
        for (unsigned bank = 0; bank < 16; bank++)
            if (!(instruction->row_mask >> bank / 4 & instruction->bank_mask >> bank % 4 & 1))
                lanes &= ~(UINT64_C(0xf) << 4 * bank);
    return instruction->bound_ctrl ? lanes : lanes & dpp_valid_lanes(wave, instruction);
}

// ---- sources ------------------------------------------------------------------------------------
static bool scalar_value(struct wave *wave, const struct instruction *instruction,
                         const struct operand *operand, unsigned word, uint32_t *value) {
    *value = 0;
    switch ((enum operand_kind)operand->kind) {
    case OPERAND_SCALAR:
        if (operand->first + word >= SCALAR_REGISTERS)
            break;
        *value = wave->scalars[operand->first + word];
        return true;
    case OPERAND_CONSTANT:
        *value = word < 2 ? (uint32_t)(operand->bits >> 32 * word) : 0;
        return true;
    case OPERAND_SCC:
        *value = word == 0 && wave->scc;
        return true;
    case OPERAND_VCCZ:
        *value = word == 0 && wave_scalar_64(wave, SCALAR_VCC) == 0;
        return true;
    case OPERAND_EXECZ:
        *value = word == 0 && wave_exec(wave) == 0;
        return true;
    case OPERAND_VECTOR:
        wave_fail(wave, instruction, "vector register %u of a wave that has %u",
                  operand->first + word, wave->vector_count);
        return false;
    case OPERAND_ABSENT:
    case OPERAND_OFF:
        break;
    }
    wave_fail(wave, instruction, "a source that is no value");
    return false;
}

static void select_part(const struct operand *operand, lane_words values) {
    static const struct {
        unsigned shift, bits;
    } parts[] = {[PART_DWORD] = {0, 32},  [PART_BYTE_0] = {0, 8},  [PART_BYTE_1] = {8, 8},
                 [PART_BYTE_2] = {16, 8}, [PART_BYTE_3] = {24, 8}, [PART_WORD_0] = {0, 16},
                 [PART_WORD_1] = {16, 16}};
    unsigned shift = parts[operand->part].shift, bits = parts[operand->part].bits;
    uint32_t mask = bits == 32 ? UINT32_MAX : (1U << bits) - 1;
    uint32_t sign = operand->sign_extend ? 1U << (bits - 1) : 0;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        values[lane] = ((values[lane] >> shift & mask) ^ sign) - sign;
}

const uint32_t *vector_source_slow(struct wave *wave, const struct instruction *instruction,
                                   unsigned source, unsigned word, enum meaning meaning,
                                   lane_words scratch) {
    const struct operand *operand = &instruction->sources[source];
    bool by_dpp = source == 0 && instruction->dpp != DPP_NONE;
    if (operand->kind == OPERAND_VECTOR && operand->first + word < wave->vector_count) {
        const uint32_t *values = wave->vectors[operand->first + word];
        if (by_dpp)
            dpp_read(wave, instruction, values, scratch);
        else
            memcpy(scratch, values, sizeof(lane_words));
    } else {
        uint32_t value;
        if (!scalar_value(wave, instruction, operand, word, &value) || by_dpp)
            wave_fail(wave, instruction, "DPP of a source that is no vector register");
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            scratch[lane] = value;
    }
    if (operand->part != PART_DWORD || operand->sign_extend)
        select_part(operand, scratch);
    bool is_16 = meaning == MEANING_F16 || meaning == MEANING_INTEGER_16;
    if (is_16 && instruction->op_sel >> source & 1)
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            scratch[lane] >>= 16;
    if ((operand->negate || operand->absolute) && meaning != MEANING_F64_LOW) {
        uint32_t sign = meaning == MEANING_F16 ? 0x8000 : 0x80000000;
        uint32_t kept = operand->absolute ? ~sign : UINT32_MAX, turned = operand->negate ? sign : 0;
        if (meaning == MEANING_INTEGER || meaning == MEANING_INTEGER_16)
            wave_fail(wave, instruction, "negation or magnitude of an integer source");
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            scratch[lane] = (scratch[lane] & kept) ^ turned;
    }
    return scratch;
}

uint64_t vector_mask_source(struct wave *wave, const struct instruction *instruction,
                            unsigned source) {
    const struct operand *operand = &instruction->sources[source];
    uint32_t low, high;
    if (operand->kind == OPERAND_VECTOR || !scalar_value(wave, instruction, operand, 0, &low) ||
        !scalar_value(wave, instruction, operand, 1, &high)) {
        wave_fail(wave, instruction, "a condition that is no pair of scalar registers");
        return 0;
    }
    return low | (uint64_t)high << 32;
}

// ---- destinations -------------------------------------------------------------------------------
static void clamp_values(enum meaning meaning, lane_words low, lane_words high) {
    // Negative: 0 of all but -0, whose sign goes; NaN: 0 (DX10 clamp); above 1: 1. As integers.
    const uint32_t one = meaning == MEANING_F16   ? 0x3c00
                         : meaning == MEANING_F32 ? 0x3f800000
                                                  : 0x3ff00000;
    const uint32_t infinity = meaning == MEANING_F16   ? 0x7c00
                              : meaning == MEANING_F32 ? 0x7f800000
                                                       : 0x7ff00000;
    const uint32_t sign = meaning == MEANING_F16 ? 0x8000 : 0x80000000;
    uint32_t *top = meaning == MEANING_F64_HIGH ? high : low;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        uint32_t value = top[lane];
        bool is_nan = value > infinity ||
                      (meaning == MEANING_F64_HIGH && value == infinity && low[lane] != 0);
        bool is_zero = value & sign || is_nan;
        if (is_zero || value >= one) {
            low[lane] = 0;
            top[lane] = is_zero ? 0 : one;
        }
    }
}

static void merge(uint32_t *to, const uint32_t *from, const uint32_t *lanes, uint32_t bits) {
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        uint32_t mask = lanes[lane] & bits;
        to[lane] = (to[lane] & ~mask) | (from[lane] & mask);
    }
}

// A result of which SDWA keeps a part.
static void merge_part(const struct instruction *instruction, uint32_t *to, const uint32_t *from,
                       const uint32_t *lanes) {
    unsigned part = instruction->destination_part;
    bool is_byte = part >= PART_BYTE_0 && part <= PART_BYTE_3;
    unsigned bits = part == PART_DWORD ? 32 : is_byte ? 8 : 16;
    unsigned shift = part == PART_DWORD ? 0
                     : is_byte          ? 8 * (part - PART_BYTE_0)
                                        : 16 * (part - PART_WORD_0);
    uint32_t field = bits == 32 ? UINT32_MAX : ((1U << bits) - 1) << shift;
    uint32_t above = bits + shift == 32 ? 0 : UINT32_MAX << (bits + shift);
    lane_words values;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        uint32_t value = from[lane] << shift & field;
        if (instruction->destination_rest == REST_SIGN_EXTEND && from[lane] >> (bits - 1) & 1)
            value |= above;
        values[lane] = value;
    }
    merge(to, values, lanes, instruction->destination_rest == REST_PRESERVE ? field : UINT32_MAX);
}

// The bit of op_sel that picks the half of the destination: it follows those of the sources.
static bool into_high_half(const struct instruction *instruction) {
    unsigned count = 0;
    while (count < SOURCES_MAX && instruction->sources[count].kind != OPERAND_ABSENT)
        count++;
    return instruction->op_sel >> count & 1;
}

void vector_write(struct wave *wave, const struct instruction *instruction, unsigned d,
                  enum width width, enum meaning meaning, const uint32_t *low,
                  const uint32_t *high) {
    const unsigned words = width == WIDTH_64 ? 2 : 1;
    if (!vector_has(wave, instruction, d, words)) {
        wave_fail(wave, instruction, "a destination that is no vector register of the wave's %u",
                  wave->vector_count);
        return;
    }
    lane_words clamped_low, clamped_high, lanes;
    if (instruction->clamp && meaning != MEANING_INTEGER && meaning != MEANING_INTEGER_16) {
        memcpy(clamped_low, low, sizeof clamped_low);
        if (high)
            memcpy(clamped_high, high, sizeof clamped_high);
        clamp_values(meaning, clamped_low, clamped_high);
        low = clamped_low;
        high = high ? clamped_high : NULL;
    }
    uint32_t(*to)[WAVE_LANES] = wave->vectors + instruction->destinations[d].first;
    vector_spread(vector_written_lanes(wave, instruction), lanes);
    if (instruction->is_sdwa) {
        merge_part(instruction, to[0], low, lanes);
    } else if (width == WIDTH_16_HIGH ||
               ((width == WIDTH_16_KEEPING || width == WIDTH_16_ZEROING) &&
                into_high_half(instruction))) {
        lane_words shifted;
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            shifted[lane] = low[lane] << 16;
        merge(to[0], shifted, lanes, 0xffff0000);
    } else {
        merge(to[0], low, lanes, width == WIDTH_16_KEEPING ? 0xffff : UINT32_MAX);
        if (words == 2)
            merge(to[1], high, lanes, UINT32_MAX);
    }
}

void vector_write_mask(struct wave *wave, const struct instruction *instruction, unsigned d,
                       uint64_t mask) {
    const struct operand *operand = &instruction->destinations[d];
    if (operand->kind != OPERAND_SCALAR || operand->first + 2U > SCALAR_REGISTERS) {
        wave_fail(wave, instruction, "conditions go to a pair of scalar registers");
        return;
    }
    wave_set_scalar_64(wave, operand->first, mask & vector_written_lanes(wave, instruction));
}
