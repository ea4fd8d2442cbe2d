// The tables of instructions that code.c looks names up in.
#ifndef RUNTIME_SIMULATOR_INSTRUCTION_TABLES_H
#define RUNTIME_SIMULATOR_INSTRUCTION_TABLES_H

#include "runtime/simulator/instruction.h"

#include <stddef.h>

extern const struct instruction_kind scalar_instructions[], vector_instructions[],
    memory_instructions[];
extern const size_t scalar_instruction_count, vector_instruction_count, memory_instruction_count;

#endif
