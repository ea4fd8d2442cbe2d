#include "tests/support/vector_wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void vector_wave_open(struct vector_wave *wave) {
    memset(wave, 0, sizeof *wave);
    wave->vectors = aligned_alloc(64, VECTOR_WAVE_REGISTERS * sizeof *wave->vectors);
    assert_non_null(wave->vectors);
    for (uint32_t r = 0; r < VECTOR_WAVE_REGISTERS; r++)
        for (uint32_t lane = 0; lane < WAVE_LANES; lane++)
            wave->vectors[r][lane] = 0xa5000000 | r << 8 | lane;
    wave->wave.vectors = wave->vectors;
    wave->wave.vector_count = VECTOR_WAVE_REGISTERS;
    wave_set_scalar_64(&wave->wave, SCALAR_EXEC, UINT64_MAX);
}

void vector_wave_close(struct vector_wave *wave) { free(wave->vectors); }

unsigned vector_letter_words(char letter) {
    switch (letter) {
    case 'l':
    case 'd':
    case 'p':
    case 'c':
        return 2;
    case 'q':
        return 4;
    case 's':
        return 16;
    case 'z':
        return 32;
    default:
        return 1;
    }
}

unsigned vector_source_register(unsigned source) {
    return VECTOR_WAVE_FIRST_SOURCE + VECTOR_WAVE_APART * source;
}

struct instruction vector_instruction(const char *name) {
    struct instruction instruction = {.op_sel_hi = 0, .row_mask = 0xf, .bank_mask = 0xf};
    for (size_t k = 0; k < vector_instruction_count; k++)
        if (strcmp(vector_instructions[k].name, name) == 0)
            instruction.kind = &vector_instructions[k];
    if (!instruction.kind)
        fail_msg("no instruction %s", name);
    instruction.execute = instruction.kind->execute;
    if (strncmp(name, "v_pk_", 5) == 0 || strncmp(name, "v_dot", 5) == 0)
        instruction.op_sel_hi = 7;
    const struct operand *accumulated = NULL;
    unsigned destinations = 0, sources = 0;
    for (const char *at = instruction.kind->operands; *at; at++) {
        bool is_destination = *at == '=' || *at == '+', is_both = *at == '+';
        if (*at == ' ')
            continue;
        at += is_destination;
        struct operand operand = {.kind = OPERAND_VECTOR,
                                  .words = (uint8_t)vector_letter_words(*at)};
        bool to_scalar = strncmp(name, "v_read", 6) == 0;
        if (*at == 'c' || (is_destination && to_scalar))
            operand.kind = OPERAND_SCALAR;
        if (!is_destination) {
            operand.first =
                operand.kind == OPERAND_SCALAR ? 42 : (uint16_t)vector_source_register(sources);
            instruction.sources[sources++] = operand;
            continue;
        }
        operand.first = operand.kind == OPERAND_VECTOR ? 0 : destinations ? 44 : 40;
        instruction.destinations[destinations] = operand;
        if (is_both)
            accumulated = &instruction.destinations[destinations];
        destinations++;
    }
    if (accumulated)
        instruction.sources[sources] = *accumulated;
    return instruction;
}

void vector_execute(struct vector_wave *wave, const struct instruction *instruction) {
    instruction->execute(&wave->wave, instruction);
    if (wave->wave.state == WAVE_FAILED)
        fail_msg("%s", wave->wave.message);
}

void vector_refuses(struct vector_wave *wave, const struct instruction *instruction,
                    const char *part) {
    instruction->execute(&wave->wave, instruction);
    assert_int_equal(wave->wave.state, WAVE_FAILED);
    if (!strstr(wave->wave.message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, wave->wave.message);
    wave->wave.state = WAVE_READY;
}

void vector_fill(struct vector_wave *wave, unsigned number, uint32_t value) {
    for (unsigned lane = 0; lane < WAVE_LANES; lane++)
        wave->vectors[number][lane] = value;
}

void vector_fill_64(struct vector_wave *wave, unsigned number, uint64_t value) {
    vector_fill(wave, number, (uint32_t)value);
    vector_fill(wave, number + 1, (uint32_t)(value >> 32));
}
