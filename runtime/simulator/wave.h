// A wave of 64 lanes: its registers, and what it has asked of memory and not received yet.
#ifndef RUNTIME_SIMULATOR_WAVE_H
#define RUNTIME_SIMULATOR_WAVE_H

#include "runtime/simulator/instruction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code;
struct workgroup;

enum wave_state {
    WAVE_READY,
    WAVE_AT_BARRIER,
    WAVE_ASLEEP,  // s_sleep: until memory that it read changes, or its time comes
    WAVE_WAITING, // s_waitcnt on what memory has not given yet
    WAVE_ENDED,
    WAVE_FAILED // wave_fail: the message is there
};

// The counters of s_waitcnt.
enum wait_counter { COUNTER_VECTOR_MEMORY, COUNTER_LDS_AND_SCALAR, WAIT_COUNTERS };

enum { WAVE_MESSAGE_BYTES = 320 };

struct wave {
    uint32_t scalars[SCALAR_REGISTERS];
    uint32_t (*vectors)[WAVE_LANES]; // [vector_count][lane], 64-byte aligned
    uint32_t vector_count;
    bool scc;
    enum wave_state state;
    uint32_t next;           // index of the next instruction
    const struct code *code; // of the code object
    uint64_t code_base;      // where address 0 of the code object lies: s_getpc tells the sum
    struct workgroup *workgroup;
    uint32_t index;            // within the workgroup
    uint32_t executed;         // instructions, in this turn
    uint64_t loaded_address;   // of the newest load from memory: its first lane's
    uint32_t xcd;              // what HW_REG_XCC_ID tells
    struct arrivals *arrivals; // loads whose results are not in their registers (arrivals.h)
    char message[WAVE_MESSAGE_BYTES];
};

static inline uint64_t wave_scalar_64(const struct wave *wave, unsigned first) {
    return wave->scalars[first] | (uint64_t)wave->scalars[first + 1] << 32;
}

static inline void wave_set_scalar_64(struct wave *wave, unsigned first, uint64_t value) {
    wave->scalars[first] = (uint32_t)value;
    wave->scalars[first + 1] = (uint32_t)(value >> 32);
}

static inline uint64_t wave_exec(const struct wave *wave) {
    return wave_scalar_64(wave, SCALAR_EXEC);
}

// What s_memtime and s_memrealtime tell: a coarse clock, the same for all waves of a chip but for
// what this one has executed in the turn.
uint64_t wave_clock_cycles(const struct wave *wave);
uint64_t wave_clock_ticks(const struct wave *wave);

// What scalar instructions ask of the chip (chip.c): s_sleep, s_barrier, s_endpgm; and s_waitcnt,
// until at most that many accesses are outstanding.
void wave_sleep(struct wave *wave, uint32_t duration);
void wave_barrier(struct wave *wave);
void wave_end(struct wave *wave);
void wave_wait(struct wave *wave, unsigned vector_memory, unsigned lds_and_scalar);

// Ends the wave with a message about `instruction`; the first one stays.
void wave_fail(struct wave *wave, const struct instruction *instruction, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
