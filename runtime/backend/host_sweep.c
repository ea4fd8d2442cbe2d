#include "runtime/backend/host_sweep.h"

#include "runtime/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { STRIDE_BYTES = 256, STACK_BYTES = 1 << 16 };

// ---- reading ------------------------------------------------------------------------------------

// A reader of [bytes], a multiple of STRIDE_BYTES, from an address aligned like a vector. Its loads
// go into a sum, and the sum into an empty asm, so that the compiler has to make them all.
typedef void reader(const unsigned char *from, size_t bytes);

#define DEFINE_READER(name, target_attribute, vector_bytes)                                        \
    target_attribute static void name(const unsigned char *from, size_t bytes) {                   \
        typedef uint64_t vector __attribute__((vector_size(vector_bytes)));                        \
        enum { SUMS = 4, STEPS = STRIDE_BYTES / (vector_bytes) };                                  \
        vector sums[SUMS] = {{0}};                                                                 \
        for (const unsigned char *end = from + bytes; from < end; from += STRIDE_BYTES) {          \
            const vector *vectors = (const vector *)(const void *)from;                            \
            _Pragma("GCC unroll 16") for (int i = 0; i < STEPS; i++) sums[i % SUMS] ^= vectors[i]; \
        }                                                                                          \
        const vector sum = (sums[0] ^ sums[1]) ^ (sums[2] ^ sums[3]);                              \
        __asm__ volatile("" : : "m"(sum) : "memory");                                              \
    }

DEFINE_READER(read_plain, , 16)
#ifdef __x86_64__
DEFINE_READER(read_avx2, __attribute__((target("avx2"))), 32)
DEFINE_READER(read_avx512, __attribute__((target("avx512f"))), 64)
#endif

// The widest loads that the processor has: narrower ones do not always reach its bandwidth.
static reader *widest_reader(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return read_avx512;
    if (__builtin_cpu_supports("avx2"))
        return read_avx2;
#endif
    return read_plain;
}

// ---- threads ------------------------------------------------------------------------------------

// What all threads share. They start together, once all are there.
struct sweep {
    reader *read;
    pthread_mutex_t lock;
    pthread_cond_t gate_moved;
    enum { GATE_SHUT, GATE_OPEN, GATE_ABANDONED } gate;
};

struct share {
    struct sweep *sweep;
    const unsigned char *from;
    size_t bytes;
    pthread_t thread;
    double ended_seconds;
};

static void *read_share(void *pointer) {
    struct share *share = pointer;
    struct sweep *sweep = share->sweep;
    pthread_mutex_lock(&sweep->lock);
    while (sweep->gate == GATE_SHUT)
        pthread_cond_wait(&sweep->gate_moved, &sweep->lock);
    const bool open = sweep->gate == GATE_OPEN;
    pthread_mutex_unlock(&sweep->lock);
    if (open)
        sweep->read(share->from, share->bytes);
    share->ended_seconds = clock_seconds(CLOCK_MONOTONIC);
    return NULL;
}

static int start_threads(struct share *shares, unsigned threads, unsigned *started) {
    pthread_attr_t attributes;
    int problem = pthread_attr_init(&attributes);
    if (problem)
        return problem;
    problem = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (!problem && *started < threads) {
        problem =
            pthread_create(&shares[*started].thread, &attributes, read_share, &shares[*started]);
        *started += !problem;
    }
    pthread_attr_destroy(&attributes);
    return problem;
}

bool host_sweep(const void *memory, size_t bytes, unsigned threads, double *seconds) {
    struct sweep sweep = {.read = widest_reader(),
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .gate_moved = PTHREAD_COND_INITIALIZER};
    struct share *shares = calloc(threads, sizeof *shares);
    if (!shares)
        return false;
    const size_t strides = bytes / STRIDE_BYTES;
    for (unsigned i = 0; i < threads; i++) {
        const size_t first = strides * i / threads, end = strides * (i + 1ULL) / threads;
        shares[i] = (struct share){.sweep = &sweep,
                                   .from = (const unsigned char *)memory + first * STRIDE_BYTES,
                                   .bytes = (end - first) * STRIDE_BYTES};
    }
    unsigned started = 0;
    const int problem = start_threads(shares, threads, &started);
    pthread_mutex_lock(&sweep.lock);
    const double start_seconds = clock_seconds(CLOCK_MONOTONIC);
    sweep.gate = problem ? GATE_ABANDONED : GATE_OPEN;
    pthread_cond_broadcast(&sweep.gate_moved);
    pthread_mutex_unlock(&sweep.lock);
    double end_seconds = start_seconds;
    for (unsigned i = 0; i < started; i++) {
        pthread_join(shares[i].thread, NULL);
        if (shares[i].ended_seconds > end_seconds)
            end_seconds = shares[i].ended_seconds;
    }
    pthread_cond_destroy(&sweep.gate_moved);
    pthread_mutex_destroy(&sweep.lock);
    free(shares);
    *seconds = end_seconds - start_seconds;
    errno = problem;
    return problem == 0;
}
