// Scalar loads, clocks and the scalar cache.
#include "runtime/simulator/arrivals.h"
#include "runtime/simulator/memory_functions.h"
#include "runtime/simulator/workgroup.h"

#include <inttypes.h>
#include <string.h>

// The offset stands in a scalar register, is a number, or both (`offset`).
static uint64_t offset_of(const struct wave *wave, const struct instruction *instruction) {
    const struct operand *operand = &instruction->sources[1];
    const uint64_t number = (uint64_t)(int64_t)instruction->offset;
    if (operand->kind == OPERAND_SCALAR)
        return number + wave->scalars[operand->first];
    return number + (operand->kind == OPERAND_CONSTANT ? (uint64_t)(int32_t)operand->bits : 0);
}

void scalar_load(struct wave *wave, const struct instruction *instruction) {
    const uint32_t bytes = instruction->kind->memory_bytes;
    const struct workgroup *workgroup = wave->workgroup;
    struct arrival *arrival =
        arrivals_add_scalar(wave, instruction->destinations[0].first, bytes / 4);
    if (!arrival)
        return;
    const uint64_t address =
        (wave_scalar_64(wave, instruction->sources[0].first) + offset_of(wave, instruction)) &
        ~(uint64_t)3;
    if (memory_load_scalar(workgroup->memory, workgroup->xcd, workgroup->cu, address, bytes,
                           arrival->data))
        return;
    char place[160];
    memory_name(workgroup->memory, address, place, sizeof place);
    wave_fail(wave, instruction, "reads %" PRIu32 " bytes at 0x%" PRIx64 ": %s", bytes, address,
              place);
}

static void time_of(struct wave *wave, const struct instruction *instruction, uint64_t ticks) {
    struct arrival *arrival = arrivals_add_scalar(wave, instruction->destinations[0].first, 2);
    if (arrival)
        memcpy(arrival->data, &ticks, sizeof ticks);
}

void scalar_time(struct wave *wave, const struct instruction *instruction) {
    time_of(wave, instruction, wave_clock_cycles(wave));
}

void scalar_real_time(struct wave *wave, const struct instruction *instruction) {
    time_of(wave, instruction, wave_clock_ticks(wave));
}

void scalar_invalidate(struct wave *wave, const struct instruction *instruction) {
    (void)instruction;
    memory_invalidate_scalar(wave->workgroup->memory, wave->workgroup->xcd, wave->workgroup->cu);
}

// Scalar stores are not modelled, so there is nothing to write back.
void scalar_write_back(struct wave *wave, const struct instruction *instruction) {
    (void)wave;
    (void)instruction;
}
