#include "runtime/simulator/arrivals.h"

#include "runtime/simulator/code.h"

#include <stdlib.h>
#include <string.h>

enum { ARRIVAL_DATA_BYTES = WAVE_LANES * ARRIVAL_LANE_BYTES_MOST };

struct queue {
    struct arrival entries[VECTOR_MEMORY_MOST + 1]; // a ring
    unsigned first, count, scalars;
};

struct arrivals {
    struct queue queues[WAIT_COUNTERS];
    unsigned wait_for[WAIT_COUNTERS]; // of a wave that waits: the counts it wants
    uint32_t random;
};

static const unsigned most[WAIT_COUNTERS] = {VECTOR_MEMORY_MOST, LDS_AND_SCALAR_MOST};

struct arrivals *arrivals_open(void) {
    struct arrivals *arrivals = calloc(1, sizeof *arrivals);
    if (arrivals)
        arrivals->random = 1;
    return arrivals;
}

void arrivals_close(struct arrivals *arrivals) {
    if (!arrivals)
        return;
    for (int q = 0; q < WAIT_COUNTERS; q++)
        for (size_t i = 0; i < sizeof arrivals->queues[q].entries / sizeof(struct arrival); i++)
            free(arrivals->queues[q].entries[i].data);
    free(arrivals);
}

static struct arrival *entry(struct queue *queue, unsigned i) {
    return &queue->entries[(queue->first + i) % (VECTOR_MEMORY_MOST + 1)];
}

// ---- delivery -----------------------------------------------------------------------------------

static void deliver_scalar(struct wave *wave, const struct arrival *arrival) {
    memcpy(&wave->scalars[arrival->first], arrival->data, arrival->words * sizeof(uint32_t));
}

void arrival_words_of_lanes(uint32_t *words, const unsigned char *data, uint32_t bytes) {
    if (bytes == 16) {
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            for (unsigned word = 0; word < 4; word++)
                memcpy(&words[word * WAVE_LANES + lane], data + lane * 16 + word * 4, 4);
        return;
    }
    const uint32_t whole = bytes / 4, rest = bytes % 4;
    for (uint32_t word = 0; word < whole; word++)
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            memcpy(&words[word * WAVE_LANES + lane], data + (size_t)lane * bytes + word * 4, 4);
    for (unsigned lane = 0; rest && lane < WAVE_LANES; lane++) {
        words[whole * WAVE_LANES + lane] = 0;
        memcpy(&words[whole * WAVE_LANES + lane], data + (size_t)lane * bytes + whole * 4, rest);
    }
}

static void deliver_words(struct wave *wave, const struct arrival *arrival) {
    const unsigned words = arrival->lane_bytes / 4;
    for (unsigned word = 0; word < words; word++) {
        uint32_t *to = wave->vectors[arrival->first + word];
        const uint32_t *from = arrival->data + word * WAVE_LANES;
        if (arrival->lanes == UINT64_MAX)
            memcpy(to, from, WAVE_LANES * sizeof *to);
        else
            for (uint64_t lanes = arrival->lanes; lanes; lanes &= lanes - 1)
                to[__builtin_ctzll(lanes)] = from[__builtin_ctzll(lanes)];
    }
}

static uint32_t widen(const struct arrival *arrival, uint32_t before, uint32_t value) {
    if (arrival->signed_bits && value >> (arrival->signed_bits - 1))
        value |= UINT32_MAX << arrival->signed_bits;
    switch ((enum widening)arrival->widening) {
    case WIDENING_LOW_HALF:
        return (before & 0xFFFF0000u) | (value & 0xFFFFu);
    case WIDENING_HIGH_HALF:
        return (before & 0xFFFFu) | value << 16;
    case WIDENING_NONE:
    case WIDENING_ZERO:
    case WIDENING_SIGN:
        break;
    }
    return value;
}

static void deliver_narrow(struct wave *wave, const struct arrival *arrival) {
    uint32_t *to = wave->vectors[arrival->first];
    for (uint64_t lanes = arrival->lanes; lanes; lanes &= lanes - 1) {
        const unsigned lane = (unsigned)__builtin_ctzll(lanes);
        to[lane] = widen(arrival, to[lane], arrival->data[lane]);
    }
}

static void deliver(struct wave *wave, const struct arrival *arrival) {
    if (!arrival->has_result)
        return;
    if (arrival->is_scalar) {
        deliver_scalar(wave, arrival);
        return;
    }
    if (arrival->waits_for_memory) {
        unsigned char lanes[ARRIVAL_DATA_BYTES];
        memcpy(lanes, arrival->data, sizeof lanes);
        arrival_words_of_lanes(arrival->data, lanes, arrival->lane_bytes);
    }
    if (arrival->widening == WIDENING_NONE)
        deliver_words(wave, arrival);
    else
        deliver_narrow(wave, arrival);
}

static bool is_there(const struct arrival *arrival) {
    return !arrival->waits_for_memory || arrival->performed;
}

// ---- counters -----------------------------------------------------------------------------------

static bool deliver_oldest(struct wave *wave, struct queue *queue) {
    struct arrival *oldest = entry(queue, 0);
    if (!is_there(oldest))
        return false;
    deliver(wave, oldest);
    queue->scalars -= oldest->is_scalar;
    queue->first = (queue->first + 1) % (VECTOR_MEMORY_MOST + 1);
    queue->count--;
    return true;
}

// Any of them, as scalar loads may overtake each other.
static bool deliver_any(struct wave *wave, struct queue *queue) {
    uint32_t *random = &wave->arrivals->random;
    *random = *random * 1664525u + 1013904223u;
    const unsigned chosen = (*random >> 16) % queue->count;
    for (unsigned i = chosen; i > 0; i--) {
        const struct arrival later = *entry(queue, i);
        *entry(queue, i) = *entry(queue, i - 1);
        *entry(queue, i - 1) = later;
    }
    return deliver_oldest(wave, queue);
}

static bool drain(struct wave *wave, enum wait_counter counter, unsigned left) {
    struct queue *queue = &wave->arrivals->queues[counter];
    while (queue->count > left)
        if (!(queue->scalars && left > 0 ? deliver_any(wave, queue) : deliver_oldest(wave, queue)))
            return false;
    return true;
}

void arrivals_wait(struct wave *wave, unsigned vector_memory, unsigned lds_and_scalar) {
    wave->arrivals->wait_for[COUNTER_VECTOR_MEMORY] = vector_memory;
    wave->arrivals->wait_for[COUNTER_LDS_AND_SCALAR] = lds_and_scalar;
    const bool vectors = drain(wave, COUNTER_VECTOR_MEMORY, vector_memory);
    const bool others = drain(wave, COUNTER_LDS_AND_SCALAR, lds_and_scalar);
    wave->state = vectors && others ? WAVE_READY : WAVE_WAITING;
}

void arrivals_resume(struct wave *wave) {
    arrivals_wait(wave, wave->arrivals->wait_for[COUNTER_VECTOR_MEMORY],
                  wave->arrivals->wait_for[COUNTER_LDS_AND_SCALAR]);
}

struct arrival *arrivals_add(struct wave *wave, enum wait_counter counter) {
    struct queue *queue = &wave->arrivals->queues[counter];
    if (queue->count == most[counter]) {
        unsigned left[WAIT_COUNTERS] = {VECTOR_MEMORY_MOST, LDS_AND_SCALAR_MOST};
        left[counter] = most[counter] - 1;
        arrivals_wait(wave, left[COUNTER_VECTOR_MEMORY], left[COUNTER_LDS_AND_SCALAR]);
        if (wave->state == WAVE_WAITING) {
            wave->next--;
            return NULL;
        }
    }
    struct arrival *added = entry(queue, queue->count);
    uint32_t *data = added->data ? added->data : malloc(ARRIVAL_DATA_BYTES);
    *added = (struct arrival){.counter = counter, .data = data};
    if (!data) {
        wave_fail(wave, &wave->code->instructions[wave->next - 1], "out of memory");
        return NULL;
    }
    queue->count++;
    return added;
}

struct arrival *arrivals_add_scalar(struct wave *wave, unsigned first, unsigned words) {
    struct arrival *added = arrivals_add(wave, COUNTER_LDS_AND_SCALAR);
    if (!added)
        return NULL;
    added->has_result = added->is_scalar = true;
    added->first = (uint16_t)first;
    added->words = (uint16_t)words;
    wave->arrivals->queues[COUNTER_LDS_AND_SCALAR].scalars++;
    return added;
}

unsigned arrivals_outstanding(const struct wave *wave, enum wait_counter counter) {
    return wave->arrivals->queues[counter].count;
}
