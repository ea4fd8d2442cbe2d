// Numbers drawn from a seed (splitmix64).
#ifndef RUNTIME_SIMULATOR_RANDOM_H
#define RUNTIME_SIMULATOR_RANDOM_H

#include <stdint.h>

static inline uint64_t random_mix(uint64_t value) {
    value += 0x9E3779B97F4A7C15u;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

static inline uint64_t random_next(uint64_t *state) {
    const uint64_t drawn = random_mix(*state);
    *state += 0x9E3779B97F4A7C15u;
    return drawn;
}

#endif
