#include "runtime/simulator/atomic.h"

#include <string.h>

static int64_t as_signed(uint32_t bytes, uint64_t value) {
    return bytes == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value;
}

static uint64_t add_f32(uint64_t before, uint64_t value) {
    const uint32_t bits[2] = {(uint32_t)before, (uint32_t)value};
    float terms[2], sum;
    uint32_t result;
    memcpy(terms, bits, sizeof terms);
    sum = terms[0] + terms[1];
    memcpy(&result, &sum, sizeof result);
    return result;
}

static uint64_t add_f64(uint64_t before, uint64_t value) {
    const uint64_t bits[2] = {before, value};
    double terms[2], sum;
    uint64_t result;
    memcpy(terms, bits, sizeof terms);
    sum = terms[0] + terms[1];
    memcpy(&result, &sum, sizeof result);
    return result;
}

uint64_t atomic_result(enum atomic_operation operation, uint32_t bytes, uint64_t before,
                       uint64_t value, uint64_t compared) {
    const bool less = as_signed(bytes, value) < as_signed(bytes, before);
    uint64_t result = before;
    switch (operation) {
    case ATOMIC_ADD:
        result = before + value;
        break;
    case ATOMIC_SUB:
        result = before - value;
        break;
    case ATOMIC_SWAP:
        result = value;
        break;
    case ATOMIC_COMPARE_SWAP:
        result = before == compared ? value : before;
        break;
    case ATOMIC_AND:
        result = before & value;
        break;
    case ATOMIC_OR:
        result = before | value;
        break;
    case ATOMIC_XOR:
        result = before ^ value;
        break;
    case ATOMIC_SIGNED_MIN:
        result = less ? value : before;
        break;
    case ATOMIC_SIGNED_MAX:
        result = less ? before : value;
        break;
    case ATOMIC_UNSIGNED_MIN:
        result = value < before ? value : before;
        break;
    case ATOMIC_UNSIGNED_MAX:
        result = value < before ? before : value;
        break;
    case ATOMIC_INCREMENT: // wraps to 0 behind `value`
        result = before >= value ? 0 : before + 1;
        break;
    case ATOMIC_DECREMENT: // wraps to `value` behind 0
        result = before == 0 || before > value ? value : before - 1;
        break;
    case ATOMIC_ADD_F32:
        result = add_f32(before, value);
        break;
    case ATOMIC_ADD_F64:
        result = add_f64(before, value);
        break;
    }
    return bytes == 4 ? (uint32_t)result : result;
}
