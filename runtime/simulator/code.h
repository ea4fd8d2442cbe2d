// The instructions of a code object, decoded from the disassembler's listing.
#ifndef RUNTIME_SIMULATOR_CODE_H
#define RUNTIME_SIMULATOR_CODE_H

#include "runtime/error.h"
#include "runtime/simulator/instruction.h"

#include <stddef.h>

struct code {
    struct instruction *instructions; // [count], by address; one listing may hold several kernels
    size_t count;
    char *listing; // its text, whose lines errors quote
    size_t listing_bytes;
};

// Decodes `listing` ([bytes], as comgr's disassembler writes it; need not end in a zero). An
// instruction that no table has is decoded into one that fails when it is executed, with its text
// and address: data in a text section, or a path never taken, hinders nobody. `accumulation_first`:
// the vector register that a0 is. False after filling *error (MONOGEN_BAD_INPUT), whose message
// names `name` and the line.
bool code_decode(struct code *code, const char *name, const char *listing, size_t bytes,
                 uint32_t accumulation_first, struct monogen_error *error);
void code_close(struct code *code);

// Index of the instruction at `address`, or code->count where none starts there.
size_t code_find(const struct code *code, uint64_t address);

// The text of an instruction as the listing has it, without its encoding: a pointer into the
// listing and *length.
const char *code_text(const struct code *code, const struct instruction *instruction,
                      size_t *length);

// The row of the instruction tables for a mnemonic without its encoding ([length] bytes), or NULL.
const struct instruction_kind *instruction_kind_find(const char *name, size_t length);

#endif
