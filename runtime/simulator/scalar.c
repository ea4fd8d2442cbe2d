// The scalar instructions: what the rows of scalar_instructions.def do.
#include "runtime/simulator/code.h"
#include "runtime/simulator/instruction_tables.h"
#include "runtime/simulator/wave.h"

#include <inttypes.h>
#include <stddef.h>

// ---- operands -----------------------------------------------------------------------------------

static uint32_t source_u32(const struct wave *wave, const struct operand *operand) {
    switch ((enum operand_kind)operand->kind) {
    case OPERAND_SCALAR:
        return wave->scalars[operand->first];
    case OPERAND_CONSTANT:
        return (uint32_t)operand->bits;
    case OPERAND_SCC:
        return wave->scc;
    case OPERAND_VCCZ:
        return wave_scalar_64(wave, SCALAR_VCC) == 0;
    case OPERAND_EXECZ:
        return wave_exec(wave) == 0;
    case OPERAND_ABSENT:
    case OPERAND_VECTOR:
    case OPERAND_OFF:
        break;
    }
    return 0; // can_execute() keeps these away
}

static int32_t source_i32(const struct wave *wave, const struct operand *operand) {
    return (int32_t)source_u32(wave, operand);
}

static uint64_t source_u64(const struct wave *wave, const struct operand *operand) {
    if (operand->kind == OPERAND_SCALAR)
        return wave_scalar_64(wave, operand->first);
    return operand->kind == OPERAND_CONSTANT ? operand->bits : source_u32(wave, operand);
}

static void set_u32(struct wave *wave, const struct operand *operand, uint32_t value) {
    wave->scalars[operand->first] = value;
}

static void set_i32(struct wave *wave, const struct operand *operand, int32_t value) {
    set_u32(wave, operand, (uint32_t)value);
}

static void set_u64(struct wave *wave, const struct operand *operand, uint64_t value) {
    wave_set_scalar_64(wave, operand->first, value);
}

// Scalar instructions know no vector registers, and none of the modifiers of sources.
static bool can_execute(struct wave *wave, const struct instruction *instruction) {
    for (int i = 0; i < SOURCES_MAX; i++) {
        const struct operand *operand = &instruction->sources[i];
        if (operand->kind == OPERAND_VECTOR || operand->kind == OPERAND_OFF || operand->negate ||
            operand->absolute || operand->sign_extend) {
            wave_fail(wave, instruction, "an operand that no scalar instruction has");
            return false;
        }
    }
    const struct operand *destination = &instruction->destinations[0];
    if (destination->kind == OPERAND_ABSENT || destination->kind == OPERAND_SCALAR)
        return true;
    wave_fail(wave, instruction, "a destination that no scalar instruction has");
    return false;
}

// ---- what the rows compute with -----------------------------------------------------------------

static bool overflows(uint32_t a, uint32_t b, uint32_t sum) {
    return ((a ^ sum) & (b ^ sum)) >> 31;
}

static uint32_t magnitude(uint32_t a) { return a >> 31 ? 0 - a : a; }

static uint32_t ones(uint64_t a) { return (uint32_t)__builtin_popcountll(a); }

static uint32_t first_one(uint64_t a) { return a ? (uint32_t)__builtin_ctzll(a) : UINT32_MAX; }

// Of the lowest `width` bits; all zero: -1.
static uint32_t leading_zeros(uint64_t a, uint32_t width) {
    return a ? (uint32_t)__builtin_clzll(a) - (64 - width) : UINT32_MAX;
}

static uint64_t reversed(uint64_t a) {
    uint64_t result = 0;
    for (int i = 0; i < 64; i++)
        result |= (a >> i & 1) << (63 - i);
    return result;
}

// `count` bits from `first` on, of a number of `width` bits.
static uint64_t field(uint64_t a, uint32_t first, uint32_t count, uint32_t width) {
    const uint64_t shifted = a >> first;
    return count >= width ? shifted : shifted & (((uint64_t)1 << count) - 1);
}

static uint64_t signed_field(uint64_t a, uint32_t first, uint32_t count, uint32_t width) {
    const uint32_t there = count < width - first ? count : width - first;
    const uint64_t bits = field(a, first, there, 64);
    const bool is_negative = there > 0 && bits >> (there - 1) & 1;
    return is_negative && there < 64 ? bits | UINT64_MAX << there : bits;
}

// Four bits are all 1 where one of them is.
static uint64_t whole_quads(uint64_t a) {
    const uint64_t any = a | a >> 1 | a >> 2 | a >> 3;
    return (any & 0x1111111111111111u) * 15;
}

static uint64_t replicated(uint32_t a) {
    uint64_t result = 0;
    for (int i = 0; i < 32; i++)
        result |= (uint64_t)(a >> i & 1) * 3 << (2 * i);
    return result;
}

// ---- rows ---------------------------------------------------------------------------------------

typedef uint32_t type_u32;
typedef int32_t type_i32;
typedef uint64_t type_u64;

#define KEEP scc
#define EXECUTE(name) static void execute_##name(struct wave *wave, const struct instruction *at)
#define CHECK                                                                                      \
    if (!can_execute(wave, at))                                                                    \
        return;                                                                                    \
    const bool scc = wave->scc;                                                                    \
    (void)scc

#define BINARY(name, to, from, other, result, condition)                                           \
    EXECUTE(name) {                                                                                \
        CHECK;                                                                                     \
        const type_##from a = source_##from(wave, &at->sources[0]);                                \
        const type_##other b = source_##other(wave, &at->sources[1]);                              \
        const type_##to d = result;                                                                \
        set_##to(wave, &at->destinations[0], d);                                                   \
        wave->scc = condition;                                                                     \
    }
#define UNARY(name, to, from, result, condition)                                                   \
    EXECUTE(name) {                                                                                \
        CHECK;                                                                                     \
        const type_##from a = source_##from(wave, &at->sources[0]);                                \
        const type_##to d = result;                                                                \
        set_##to(wave, &at->destinations[0], d);                                                   \
        wave->scc = condition;                                                                     \
    }
#define UPDATE(name, to, from, result)                                                             \
    EXECUTE(name) {                                                                                \
        CHECK;                                                                                     \
        const type_##from a = source_##from(wave, &at->sources[0]);                                \
        const type_##to d = source_##to(wave, &at->destinations[0]);                               \
        set_##to(wave, &at->destinations[0], result);                                              \
    }
#define SAVE(name, result)                                                                         \
    EXECUTE(name) {                                                                                \
        CHECK;                                                                                     \
        const uint64_t a = source_u64(wave, &at->sources[0]), exec = wave_exec(wave);              \
        const uint64_t d = result;                                                                 \
        set_u64(wave, &at->destinations[0], exec);                                                 \
        wave_set_scalar_64(wave, SCALAR_EXEC, d);                                                  \
        wave->scc = d != 0;                                                                        \
    }
#define COMPARE(name, from, other, condition)                                                      \
    EXECUTE(name) {                                                                                \
        CHECK;                                                                                     \
        const type_##from a = source_##from(wave, &at->sources[0]);                                \
        const type_##other b = source_##other(wave, &at->sources[1]);                              \
        wave->scc = condition;                                                                     \
    }
#define number_u32 (at->immediate & 0xFFFF)
#define number_i32 (int16_t)(uint16_t) at->immediate
#define COMPARE_NUMBER(name, from, condition)                                                      \
    EXECUTE(name) {                                                                                \
        CHECK;                                                                                     \
        const type_##from a = source_##from(wave, &at->sources[0]), b = number_##from;             \
        wave->scc = condition;                                                                     \
    }
#define WITH_NUMBER(name, result, condition)                                                       \
    EXECUTE(name) {                                                                                \
        CHECK;                                                                                     \
        const uint32_t d = source_u32(wave, &at->destinations[0]);                                 \
        const uint32_t k = (uint32_t)number_i32;                                                   \
        (void)d;                                                                                   \
        set_u32(wave, &at->destinations[0], result);                                               \
        wave->scc = condition;                                                                     \
    }
#define BRANCH(name, condition)                                                                    \
    EXECUTE(name) {                                                                                \
        if (condition)                                                                             \
            wave->next = at->target;                                                               \
    }
#define OTHER(name, operands, class) EXECUTE(name);
#define NOTHING(name, operands)                                                                    \
    EXECUTE(name) {                                                                                \
        (void)wave;                                                                                \
        (void)at;                                                                                  \
    }
#include "runtime/simulator/scalar_instructions.def"
#undef BINARY
#undef UNARY
#undef UPDATE
#undef SAVE
#undef COMPARE
#undef COMPARE_NUMBER
#undef WITH_NUMBER
#undef BRANCH
#undef OTHER
#undef NOTHING

// ---- the program counter ------------------------------------------------------------------------

static uint64_t address_behind(const struct wave *wave, const struct instruction *at) {
    return wave->code_base + at->address + at->size;
}

static void jump(struct wave *wave, const struct instruction *at, uint64_t address) {
    const size_t target = code_find(wave->code, address - wave->code_base);
    if (target == wave->code->count)
        wave_fail(wave, at, "jumps to 0x%" PRIx64 ", where no instruction begins", address);
    else
        wave->next = (uint32_t)target;
}

EXECUTE(s_getpc_b64) {
    CHECK;
    set_u64(wave, &at->destinations[0], address_behind(wave, at));
}

EXECUTE(s_setpc_b64) {
    CHECK;
    jump(wave, at, source_u64(wave, &at->sources[0]));
}

EXECUTE(s_swappc_b64) {
    CHECK;
    const uint64_t address = source_u64(wave, &at->sources[0]);
    set_u64(wave, &at->destinations[0], address_behind(wave, at));
    jump(wave, at, address);
}

// ---- hardware registers -------------------------------------------------------------------------

// The operand: number of the register in bits 5:0, first bit in 10:6, count less one in 15:11.
enum { HARDWARE_MODE = 1, HARDWARE_XCC_ID = 20 };

EXECUTE(s_getreg_b32) {
    CHECK;
    const uint32_t number = at->immediate & 63, first = at->immediate >> 6 & 31;
    const uint32_t count = (at->immediate >> 11 & 31) + 1;
    if (number != HARDWARE_XCC_ID)
        wave_fail(wave, at, "hardware register %" PRIu32 " is not modelled", number);
    else
        set_u32(wave, &at->destinations[0], (uint32_t)field(wave->xcd, first, count, 32));
}

// The mode that kernels begin with is the only one there is: to nearest even, with denormals.
static void set_hardware_register(struct wave *wave, const struct instruction *at) {
    wave_fail(wave, at, "setting hardware register %" PRIu32 " is not modelled",
              at->immediate & 63);
}

EXECUTE(s_setreg_b32) { set_hardware_register(wave, at); }
EXECUTE(s_setreg_imm32_b32) { set_hardware_register(wave, at); }

// ---- registers by number ------------------------------------------------------------------------

// The operand's register and M0, which must be one of s0 to s101.
static bool find_relative(struct wave *wave, const struct instruction *at,
                          const struct operand *operand, unsigned words, uint32_t *found) {
    const uint64_t number = (uint64_t)operand->first + wave->scalars[SCALAR_M0];
    *found = (uint32_t)number;
    if (operand->kind == OPERAND_SCALAR && number + words <= SCALAR_FLAT_SCRATCH)
        return true;
    wave_fail(wave, at, "reaches register s%" PRIu64, number);
    return false;
}

EXECUTE(s_movrels_b32) {
    uint32_t from;
    if (find_relative(wave, at, &at->sources[0], 1, &from))
        set_u32(wave, &at->destinations[0], wave->scalars[from]);
}

EXECUTE(s_movrels_b64) {
    uint32_t from;
    if (find_relative(wave, at, &at->sources[0], 2, &from))
        set_u64(wave, &at->destinations[0], wave_scalar_64(wave, from));
}

EXECUTE(s_movreld_b32) {
    uint32_t to;
    CHECK;
    if (find_relative(wave, at, &at->destinations[0], 1, &to))
        wave->scalars[to] = source_u32(wave, &at->sources[0]);
}

EXECUTE(s_movreld_b64) {
    uint32_t to;
    CHECK;
    if (find_relative(wave, at, &at->destinations[0], 2, &to))
        wave_set_scalar_64(wave, to, source_u64(wave, &at->sources[0]));
}

// ---- waiting and the end ------------------------------------------------------------------------

// vmcnt in bits 3:0 and 15:14, lgkmcnt in 11:8; expcnt, for exports, has nothing to wait for.
EXECUTE(s_waitcnt) {
    wave_wait(wave, (at->immediate & 15) | (at->immediate >> 14 & 3) << 4, at->immediate >> 8 & 15);
}

EXECUTE(s_barrier) {
    (void)at;
    wave_barrier(wave);
}

EXECUTE(s_sleep) { wave_sleep(wave, at->immediate); }

EXECUTE(s_endpgm) {
    (void)at;
    wave_end(wave);
}

EXECUTE(s_trap) { wave_fail(wave, at, "the kernel traps"); }

// ---- the table ----------------------------------------------------------------------------------

#define letter_u32 "i"
#define letter_i32 "i"
#define letter_u64 "l"

const struct instruction_kind scalar_instructions[] = {
#define ROW(name, operands, class) {#name, operands, execute_##name, class, 0},
#define BINARY(name, to, from, other, result, condition)                                           \
    ROW(name, "=" letter_##to letter_##from letter_##other, CLASS_SCALAR_ALU)
#define UNARY(name, to, from, result, condition)                                                   \
    ROW(name, "=" letter_##to letter_##from, CLASS_SCALAR_ALU)
#define UPDATE(name, to, from, result) ROW(name, "=" letter_##to letter_##from, CLASS_SCALAR_ALU)
#define SAVE(name, result) ROW(name, "=ll", CLASS_SCALAR_ALU)
#define COMPARE(name, from, other, condition)                                                      \
    ROW(name, letter_##from letter_##other, CLASS_SCALAR_ALU)
#define COMPARE_NUMBER(name, from, condition) ROW(name, letter_##from "n", CLASS_SCALAR_ALU)
#define WITH_NUMBER(name, result, condition) ROW(name, "=in", CLASS_SCALAR_ALU)
#define BRANCH(name, condition) ROW(name, "t", CLASS_BRANCH)
#define OTHER(name, operands, class) ROW(name, operands, class)
#define NOTHING(name, operands) ROW(name, operands, CLASS_WAIT)
#include "runtime/simulator/scalar_instructions.def"
};

const size_t scalar_instruction_count = sizeof scalar_instructions / sizeof *scalar_instructions;
