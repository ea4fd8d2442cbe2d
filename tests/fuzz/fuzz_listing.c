// Listings of a disassembler. One that is accepted keeps the promises of code.h: instructions by
// ascending address, found by it, each with its text; operands and targets within bounds.
#include "runtime/simulator/code.h"
#include "tests/fuzz/input.h"

static void require_operand(const struct operand *operand) {
    if (operand->kind == OPERAND_SCALAR || operand->kind == OPERAND_VECTOR)
        input_require(operand->words >= 1 && operand->words <= 32 && operand->first < 1024,
                      "an operand is a few registers");
}

static void require_instruction(const struct code *code, size_t index) {
    const struct instruction *instruction = &code->instructions[index];
    input_require(instruction->kind && instruction->execute, "an instruction can be executed");
    input_require(index == 0 || code->instructions[index - 1].address < instruction->address,
                  "addresses ascend");
    input_require(code_find(code, instruction->address) == index, "an address is found");
    input_require(instruction->target <= code->count, "a target is an instruction, or none");
    for (int i = 0; i < DESTINATIONS_MAX; i++)
        require_operand(&instruction->destinations[i]);
    for (int i = 0; i < SOURCES_MAX; i++)
        require_operand(&instruction->sources[i]);
    size_t length;
    const char *text = code_text(code, instruction, &length);
    input_require(length > 0 && text >= code->listing &&
                      text + length <= code->listing + code->listing_bytes,
                  "its text stands in the listing");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct code code;
    struct monogen_error error;
    if (!code_decode(&code, "listing", (const char *)bytes, size, 256, &error))
        return 0;
    for (size_t i = 0; i < code.count; i++)
        require_instruction(&code, i);
    code_close(&code);
    return 0;
}
