// What a wave has asked of memory and not received: results wait here until s_waitcnt lets them
// into their registers, so that a missing wait shows as an old value.
#ifndef RUNTIME_SIMULATOR_ARRIVALS_H
#define RUNTIME_SIMULATOR_ARRIVALS_H

#include "runtime/simulator/wave.h"

// The most that the counters of s_waitcnt count on gfx9; they wait for themselves at these.
enum { VECTOR_MEMORY_MOST = 63, LDS_AND_SCALAR_MOST = 15 };
enum { ARRIVAL_LANE_BYTES_MOST = 16 };

// data[lane][bytes] to words[ceil(bytes / 4)][lane].
void arrival_words_of_lanes(uint32_t *words, const unsigned char *data, uint32_t bytes);

// How what memory gave becomes registers.
enum widening {
    WIDENING_NONE, // whole words
    WIDENING_ZERO, // 1 or 2 bytes, zeros above
    WIDENING_SIGN,
    WIDENING_LOW_HALF, // 1 or 2 bytes to the low half of the register, the high half stays
    WIDENING_HIGH_HALF
};

struct arrival {
    enum wait_counter counter;
    bool is_scalar;                // to scalar registers, and in any order
    bool has_result;               // false: a store, which only counts
    bool waits_for_memory;         // an atomic: not before `performed`
    bool performed;                // set by memory_end_turn
    uint8_t lane_bytes;            // of data
    uint8_t widening, signed_bits; // enum widening; bits below the sign of WIDENING_*_HALF, or 0
    uint16_t first;                // register
    uint16_t words;                // scalar registers
    uint64_t lanes;
    // What came: word by word as registers are, [ceil(lane_bytes / 4)][WAVE_LANES]; of a scalar
    // load [words]; of an atomic lane by lane, [WAVE_LANES][lane_bytes].
    uint32_t *data;
};

struct arrivals *arrivals_open(void); // NULL: no memory
void arrivals_close(struct arrivals *arrivals);

// A new arrival of `counter`, zeroed but for its data, which has room for the largest. Valid until
// it is delivered. Where the counter is full the oldest is delivered first; NULL where that one
// waits for memory: the wave is WAVE_WAITING and its instruction is executed again.
struct arrival *arrivals_add(struct wave *wave, enum wait_counter counter);

// The same for a load to scalar registers `first` ..., whose data is [words * 4].
struct arrival *arrivals_add_scalar(struct wave *wave, unsigned first, unsigned words);

// s_waitcnt: delivers until at most that many are left of each counter. Scalar loads come in any
// order: while one is out, which arrivals a count above 0 leaves is drawn from the wave's own
// numbers. The wave is WAVE_WAITING afterwards where memory owes one.
void arrivals_wait(struct wave *wave, unsigned vector_memory, unsigned lds_and_scalar);
// Of a WAVE_WAITING wave: tries again, and makes it WAVE_READY where that succeeds.
void arrivals_resume(struct wave *wave);

unsigned arrivals_outstanding(const struct wave *wave, enum wait_counter counter);

#endif
