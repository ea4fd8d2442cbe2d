// What the parts of the vector instructions share: operands as plain arrays of 64 lanes, and
// results put back as EXEC and the modifiers say. Modes are those that compute kernels have: IEEE
// and DX10 clamp on, denormals kept, to nearest even.
#ifndef RUNTIME_SIMULATOR_VECTOR_H
#define RUNTIME_SIMULATOR_VECTOR_H

#include "runtime/simulator/wave.h"

// A loop over lanes none of which reads what another writes: registers overlap wholly or not at
// all, so the compiler need not look.
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" // some call functions, and stay as they are
#define EACH_LANE(lane)                                                                            \
    _Pragma("clang loop vectorize(assume_safety)") for (unsigned lane = 0; lane < WAVE_LANES;      \
                                                        lane++)
#else
#define EACH_LANE(lane) _Pragma("GCC ivdep") for (unsigned lane = 0; lane < WAVE_LANES; lane++)
#endif

#define LANES_ALL UINT64_MAX
typedef uint32_t lane_words[WAVE_LANES] __attribute__((aligned(64)));

// What a word of an operand is to its instruction: which sign neg and abs change, and whether
// op_sel picks a half.
enum meaning {
    MEANING_INTEGER,
    MEANING_INTEGER_16,
    MEANING_F16,
    MEANING_F32,
    MEANING_F64_LOW, // no sign here
    MEANING_F64_HIGH
};

// Modifiers that an instruction takes. DPP and SDWA work with all, negation and magnitude with what
// has a sign.
enum {
    ACCEPTS_CLAMP = 1,
    ACCEPTS_HALVES = 2,  // op_sel, of 16-bit operands
    ACCEPTS_PACKING = 4, // op_sel, op_sel_hi, neg_lo, neg_hi
};

bool vector_accepts(struct wave *wave, const struct instruction *instruction, unsigned accepts);
const uint32_t *vector_source_slow(struct wave *wave, const struct instruction *instruction,
                                   unsigned source, unsigned word, enum meaning meaning,
                                   lane_words scratch);
// The lanes that a vector instruction writes: EXEC, less those that DPP leaves alone.
uint64_t vector_written_lanes(const struct wave *wave, const struct instruction *instruction);

// What becomes of a destination's half that a 16-bit result does not fill.
enum width { WIDTH_16_ZEROING, WIDTH_16_KEEPING, WIDTH_16_HIGH, WIDTH_32, WIDTH_64 };
// Clamps, and puts low (and, of 64 bits, high) into the destination `d` of the lanes written.
void vector_write(struct wave *wave, const struct instruction *instruction, unsigned d,
                  enum width width, enum meaning meaning, const uint32_t *low,
                  const uint32_t *high);
// One bit of each lane into a scalar destination; lanes not written get 0.
void vector_write_mask(struct wave *wave, const struct instruction *instruction, unsigned d,
                       uint64_t mask);
// A scalar operand of 64 bits, one of each lane.
uint64_t vector_mask_source(struct wave *wave, const struct instruction *instruction,
                            unsigned source);

static inline bool vector_is_modified(const struct instruction *instruction) {
    return instruction->dpp | instruction->is_sdwa | instruction->clamp |
           instruction->output_multiplier_log2 | instruction->op_sel | instruction->neg_lo |
           instruction->neg_hi;
}

// The values of a source word in all lanes: the register itself where nothing changes them, else
// `scratch`, filled.
static inline const uint32_t *vector_source(struct wave *wave,
                                            const struct instruction *instruction, unsigned source,
                                            unsigned word, enum meaning meaning,
                                            lane_words scratch) {
    const struct operand *operand = &instruction->sources[source];
    bool changed = operand->part | operand->negate | operand->absolute | operand->sign_extend |
                   (source == 0 && instruction->dpp) |
                   ((meaning == MEANING_F16 || meaning == MEANING_INTEGER_16) &&
                    instruction->op_sel >> source & 1);
    if (operand->kind == OPERAND_VECTOR && !changed && operand->first + word < wave->vector_count)
        return wave->vectors[operand->first + word];
    return vector_source_slow(wave, instruction, source, word, meaning, scratch);
}

// Where a result word goes: its register where it may go there directly, else `scratch`, from which
// vector_write takes it.
static inline uint32_t *vector_result(struct wave *wave, const struct instruction *instruction,
                                      unsigned d, unsigned word, bool direct, lane_words scratch) {
    return direct ? wave->vectors[instruction->destinations[d].first + word] : scratch;
}

// Whether destination `d` is vector registers that the wave has.
static inline bool vector_has(const struct wave *wave, const struct instruction *instruction,
                              unsigned d, unsigned words) {
    const struct operand *operand = &instruction->destinations[d];
    return operand->kind == OPERAND_VECTOR && operand->first + words <= wave->vector_count;
}

// Begins an instruction whose destination is `words` vector registers: false after wave_fail where
// a modifier is not taken. *direct: all lanes are written and as they come, so results may go
// straight into the registers, which are there.
static inline bool vector_begin(struct wave *wave, const struct instruction *instruction,
                                unsigned accepts, unsigned words, bool *direct) {
    bool modified = vector_is_modified(instruction);
    *direct = !modified && wave_exec(wave) == LANES_ALL && vector_has(wave, instruction, 0, words);
    return !modified || vector_accepts(wave, instruction, accepts);
}

// ~0 or 0 of each lane.
static inline void vector_spread(uint64_t mask, lane_words lanes) {
    static const uint32_t bits[32] = {
        1U << 0,  1U << 1,  1U << 2,  1U << 3,  1U << 4,  1U << 5,  1U << 6,  1U << 7,
        1U << 8,  1U << 9,  1U << 10, 1U << 11, 1U << 12, 1U << 13, 1U << 14, 1U << 15,
        1U << 16, 1U << 17, 1U << 18, 1U << 19, 1U << 20, 1U << 21, 1U << 22, 1U << 23,
        1U << 24, 1U << 25, 1U << 26, 1U << 27, 1U << 28, 1U << 29, 1U << 30, 1U << 31};
    const uint32_t low = (uint32_t)mask, high = (uint32_t)(mask >> 32);
    for (unsigned k = 0; k < 32; k++)
        lanes[k] = (low & bits[k]) == bits[k] ? UINT32_MAX : 0;
    for (unsigned k = 0; k < 32; k++)
        lanes[32 + k] = (high & bits[k]) == bits[k] ? UINT32_MAX : 0;
}

// A bit of each lane from a byte of each (0 or 1).
static inline uint64_t vector_gather(const uint8_t conditions[WAVE_LANES]) {
    uint64_t mask = 0;
    for (unsigned k = 0; k < 8; k++) {
        uint64_t eight = 0;
        for (unsigned j = 0; j < 8; j++)
            eight |= (uint64_t)conditions[8 * k + j] << 8 * j;
        mask |= (eight * UINT64_C(0x0102040810204080) >> 56) << 8 * k;
    }
    return mask;
}

// Functions that read or write other lanes than their own, or scalar registers.
instruction_function vector_nop, vector_readfirstlane, vector_readlane, vector_writelane,
    vector_mbcnt_lo, vector_mbcnt_hi, vector_swap;

#endif
