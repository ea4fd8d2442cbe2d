#include "runtime/simulator/instruction_tables.h"
#include "runtime/simulator/memory_functions.h"

const struct instruction_kind memory_instructions[] = {
#define INSTRUCTION(name, operands, function, class, bytes)                                        \
    {#name, operands, function, class, bytes},
#include "runtime/simulator/memory_instructions.def"
#undef INSTRUCTION
};

const size_t memory_instruction_count = sizeof memory_instructions / sizeof *memory_instructions;
