// A wave that executes single vector instructions, made without text.
#ifndef TESTS_SUPPORT_VECTOR_WAVE_H
#define TESTS_SUPPORT_VECTOR_WAVE_H

#include "runtime/simulator/instruction_tables.h"
#include "runtime/simulator/wave.h"

enum { VECTOR_WAVE_REGISTERS = 192, VECTOR_WAVE_FIRST_SOURCE = 48, VECTOR_WAVE_APART = 48 };

struct vector_wave {
    struct wave wave;
    uint32_t (*vectors)[WAVE_LANES]; // [VECTOR_WAVE_REGISTERS]
};

// All lanes are on, and registers hold numbers that depend on lane and register.
void vector_wave_open(struct vector_wave *wave);
void vector_wave_close(struct vector_wave *wave);

// The instruction of that name without modifiers. Its first destination is v0 ..., or s[40:41]
// where it takes scalar registers; source k starts at v48 + 48 k, one of conditions is s[42:43];
// further destinations are s[44:45]. What accumulates has v0 as its last source.
struct instruction vector_instruction(const char *name);
// The number of the register where source k starts.
unsigned vector_source_register(unsigned source);
// How many registers the letter of an operand stands for.
unsigned vector_letter_words(char letter);

// Executes it; fails the test where the wave failed.
void vector_execute(struct vector_wave *wave, const struct instruction *instruction);
// Executes it, and fails the test unless the wave fails with a message that has `part`.
void vector_refuses(struct vector_wave *wave, const struct instruction *instruction,
                    const char *part);

// One value in all lanes of a register, or of two, the low word first.
void vector_fill(struct vector_wave *wave, unsigned number, uint32_t value);
void vector_fill_64(struct vector_wave *wave, unsigned number, uint64_t value);

#endif
