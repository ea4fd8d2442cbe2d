// What the fake kernel and its tests agree on.
#ifndef TESTS_RUNTIME_FAKE_KERNEL_H
#define TESTS_RUNTIME_FAKE_KERNEL_H

#include <stdint.h>

enum {
    FAKE_VOCAB = 2048,
    FAKE_CONTEXT = 64,
    FAKE_STOP_TOKEN = 1,
    FAKE_EPOCHS_PER_STEP = 5,
    FAKE_WORKGROUPS = 4,
    FAKE_MANY_WORKGROUPS = 304,
    FAKE_PATIENT_TOKENS = 3, // that fake_patient makes before it wants to be stopped
};

// The token that follows tokens [count]: their sum, so that one wrong token or a lost KV entry
// changes all that come later.
static inline uint32_t fake_next_token(const uint32_t *tokens, uint32_t count) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += tokens[i];
    return sum % FAKE_VOCAB;
}

// Logit v after tokens [count].
static inline float fake_logit(const uint32_t *tokens, uint32_t count, uint32_t v) {
    return (float)fake_next_token(tokens, count) + (float)v / FAKE_VOCAB;
}

#endif
