// One machine instruction of gfx942, decoded: what executes it, its operands and its modifiers.
#ifndef RUNTIME_SIMULATOR_INSTRUCTION_H
#define RUNTIME_SIMULATOR_INSTRUCTION_H

#include <stdbool.h>
#include <stdint.h>

struct wave;
struct instruction;

// Executes one instruction for all lanes of a wave. The program counter already stands at the next
// instruction; a branch sets it. What goes wrong is told with wave_fail().
typedef void instruction_function(struct wave *wave, const struct instruction *instruction);

enum { WAVE_LANES = 64 };

// Scalar registers by the numbers that the instruction set gives them as operands ("AMD Instinct
// MI300" instruction set reference, scalar operands): s0 .. s101, then these. 64-bit ones come as
// a pair, the low half first.
enum {
    SCALAR_FLAT_SCRATCH = 102,
    SCALAR_XNACK_MASK = 104,
    SCALAR_VCC = SCALAR_XNACK_MASK + 2,
    SCALAR_TTMP0 = 108,
    SCALAR_M0 = 124,
    SCALAR_EXEC = 126,
    SCALAR_REGISTERS = 128
};

enum operand_kind {
    OPERAND_ABSENT,
    OPERAND_SCALAR,   // scalar registers `first`, `first` + 1 ...
    OPERAND_VECTOR,   // vector registers `first` ...: v0 is 0, a0 the wave's first accumulation one
    OPERAND_CONSTANT, // `bits`: an inline constant or a literal, as wide as the operand's type
    OPERAND_SCC,      // src_scc
    OPERAND_VCCZ,     // src_vccz
    OPERAND_EXECZ,    // src_execz
    OPERAND_OFF       // "off": no base, or no offset, of an address
};

// What of a 32-bit register an SDWA operand is.
enum part {
    PART_DWORD,
    PART_BYTE_0,
    PART_BYTE_1,
    PART_BYTE_2,
    PART_BYTE_3,
    PART_WORD_0,
    PART_WORD_1
};

struct operand {
    uint8_t kind;  // enum operand_kind
    uint8_t words; // registers: 1, 2, 3, 4, 8, 16 or 32
    uint8_t part;  // enum part; SDWA
    bool negate, absolute, sign_extend;
    uint16_t first;
    uint64_t bits;
};

// SDWA: what becomes of the rest of the destination.
enum rest { REST_PAD, REST_SIGN_EXTEND, REST_PRESERVE };

// DPP: which lane a lane of the first source reads.
enum dpp {
    DPP_NONE,
    DPP_QUAD_PERM, // dpp_argument: four fields of two bits
    DPP_ROW_SHL,   // dpp_argument: 1 to 15 lanes
    DPP_ROW_SHR,
    DPP_ROW_ROR,
    DPP_WAVE_SHL,
    DPP_WAVE_ROL,
    DPP_WAVE_SHR,
    DPP_WAVE_ROR,
    DPP_ROW_MIRROR,
    DPP_ROW_HALF_MIRROR,
    DPP_ROW_BCAST_15,
    DPP_ROW_BCAST_31,
    DPP_ROW_NEWBCAST // dpp_argument: the lane of the row that all read
};

// Bits of `cache`: what a memory access may find in caches (LLVM AMDGPUUsage, memory model gfx942).
enum { CACHE_SC0 = 1, CACHE_SC1 = 2, CACHE_NT = 4 };

// What counters tell apart.
enum instruction_class {
    CLASS_SCALAR_ALU,
    CLASS_SCALAR_MEMORY,
    CLASS_BRANCH,
    CLASS_WAIT, // s_waitcnt, s_nop, s_sleep, s_barrier
    CLASS_VECTOR_ALU,
    CLASS_MATRIX,
    CLASS_LDS,
    CLASS_GLOBAL, // also flat and scratch
    CLASS_ATOMIC,
    CLASS_CACHE, // buffer_inv, buffer_wbl2
    INSTRUCTION_CLASSES
};

// A row of the instruction tables (*_instructions.def): a mnemonic without its encoding
// (_e32, _e64, _dpp, _sdwa), and what executes it.
//
// `operands` lists the operands of the text in order, a letter each, blanks between them do not
// count; a destination has = before its letter, an operand that is both has +, and ? stands before
// the = of a destination that the text may leave out (atomics without a result):
//   i  32 bits (integer)        f  f32                   h  f16, or 16-bit integer, in 32 bits
//   l  64 bits (integer)        d  f64                   p  two f32, or two 32-bit integers
//   c  carry or condition of each lane: 64-bit scalar register, vcc or a constant
//   a  address or data of a memory access: any number of registers, or "off"
//   n  a plain number, which goes to `immediate`         t  branch target
//   w  wait counts, hwreg(...) or sendmsg(...), which go to `immediate` in their encoded form
//   3  96 bits    q  128 bits    o  256 bits    s  512 bits    z  1024 bits
struct instruction_kind {
    const char *name;
    const char *operands;
    instruction_function *execute;
    enum instruction_class class;
    uint8_t memory_bytes; // a lane's, of a memory access; else 0
};

enum { DESTINATIONS_MAX = 2, SOURCES_MAX = 4 };

struct instruction {
    instruction_function *execute;
    const struct instruction_kind *kind;
    uint64_t address; // of the code object
    uint32_t line;    // of the listing
    uint32_t size;    // bytes: 4, 8 or 12
    uint32_t target;  // of a branch: index of an instruction
    struct operand destinations[DESTINATIONS_MAX];
    struct operand sources[SOURCES_MAX]; // an operand marked + stands here too, last

    uint8_t dpp, dpp_argument, row_mask, bank_mask; // enum dpp
    bool bound_ctrl;                                // lanes without a source read 0
    bool is_sdwa;
    uint8_t destination_part, destination_rest; // SDWA: enum part, enum rest
    // Bit s: of source s. Packed operands and op_sel of 16-bit ones.
    uint8_t op_sel, op_sel_hi, neg_lo, neg_hi;
    bool clamp;
    uint8_t output_multiplier_log2; // omod; 7 for div:2
    uint8_t cache;                  // CACHE_* bits
    int32_t offset, offset1;        // of a memory access, bytes; ds_read2 and such: their units
    uint32_t immediate;             // letters n and w; MFMA: cbsz | abid << 4 | blgp << 8
};

#endif
