// The sweeps on a real NVIDIA GPU: that they read all of the memory, and what they read. Skipped
// where there is no such GPU.
#include "generator/commands/sweep_device.h"
#include "runtime/backend/backend.h"
#include "runtime/random_weights.h"
#include "tests/support/generated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    UNIT_BYTES = 16 << 10,  // of a bulk copy
    PIECE_BYTES = 16 << 20, // which the memory repeats
    LDS_BYTES = 200 << 10,
    LARGE_BYTES = 1 << 30,
    MEMORY_BYTES = 4 * PIECE_BYTES
};

struct sweeping {
    struct diagnostics diagnostics;
    struct plan_machine machine;
    struct sweep_device *sweep;
};

// Opens a sweep on all SMs. Skips the test where that is not possible.
static struct sweeping open_sweep(size_t memory_bytes, int *sms) {
    char line[1024];
    struct sweeping s = {0};
    struct generated made;
    struct installation installation;
    struct arena arena = {0};
    struct compile_result compiled;
    skip_without_compiler("nvrtc");
    if (!backend_cuda.probe("sm_90a", line, sizeof line)) {
        print_message("SKIPPED: %s\n", line);
        skip();
    }
    assert_int_equal(sscanf(line, "sm_90, %d SMs", sms), 1);
    generated_open(&made, &(struct wanted_generation){.spec = "austen-3m", .target = "h100"});
    assert_true(installation_find(&arena, &installation, &s.diagnostics));
    if (!sweep_device_compile(&made.generation.plan, &installation, NULL, &compiled,
                              &s.diagnostics)) {
        diagnostics_print(&s.diagnostics, stderr);
        fail_msg("the sweep does not compile");
    }
    s.machine = (struct plan_machine){.name = "test",
                                      .backend = "cuda",
                                      .isa = "sm_90a",
                                      .cus = *sms,
                                      .xcds_count = 1,
                                      .lds_capacity_bytes = LDS_BYTES};
    s.sweep = sweep_device_open(&s.machine, &compiled.object, memory_bytes, &s.diagnostics);
    if (!s.sweep)
        fail_msg("%s", s.diagnostics.items[0].message);
    compile_result_close(&compiled);
    generated_close(&made);
    arena_close(&arena);
    return s;
}

static void close_sweep(struct sweeping *s) {
    sweep_device_close(s->sweep);
    diagnostics_close(&s->diagnostics);
}

static struct swept run(struct sweeping *s, int way) {
    struct swept swept;
    if (!sweep_device_run(s->sweep, way, &swept, &s->diagnostics))
        fail_msg("%s: %s", sweep_device_way_name(way), s->diagnostics.items[0].message);
    return swept;
}

// The words of the memory's first piece, which the others repeat.
static uint32_t *piece_words(void) {
    uint32_t *words = malloc(PIECE_BYTES);
    assert_non_null(words);
    random_weights_fill(random_weights_key(0, "sweep"), 1, WEIGHT_BF16, 0, PIECE_BYTES / 2, words);
    return words;
}

static void plain_loads_read_every_word(void **state) {
    (void)state;
    int sms = 0;
    struct sweeping s = open_sweep(MEMORY_BYTES, &sms);
    uint32_t *words = piece_words(), sum = 0;
    for (size_t i = 0; i < PIECE_BYTES / sizeof *words; i++)
        sum += words[i];
    for (int launch = 0; launch < 2; launch++) {
        const struct swept swept = run(&s, SWEEP_PLAIN);
        const uint32_t expected = (uint32_t)(swept.bytes / PIECE_BYTES) * sum;
        if (swept.check != expected)
            fail_msg("the words' sum is %#x, it should be %#x", swept.check, expected);
    }
    free(words);
    close_sweep(&s);
}

// What is left in the rings are the units that come last, as the template deals them.
static void bulk_copies_bring_the_right_units(void **state) {
    (void)state;
    int sms = 0;
    struct sweeping s = open_sweep(MEMORY_BYTES, &sms);
    uint32_t *words = piece_words();
    for (int launch = 0; launch < 2; launch++) {
        const struct swept swept = run(&s, SWEEP_BULK);
        const uint64_t all = swept.bytes / UNIT_BYTES, slots = LDS_BYTES / UNIT_BYTES;
        uint32_t expected = 0;
        for (uint64_t sm = 0; sm < (uint64_t)sms; sm++) {
            const uint64_t mine = (all - sm + (uint64_t)sms - 1) / (uint64_t)sms;
            for (uint64_t i = mine - slots; i < mine; i++) {
                const uint64_t unit = sm + i * (uint64_t)sms;
                expected += words[unit * UNIT_BYTES % PIECE_BYTES / sizeof *words];
            }
        }
        if (swept.check != expected)
            fail_msg("the words' sum is %#x, it should be %#x", swept.check, expected);
    }
    free(words);
    close_sweep(&s);
}

// Both come near to each other: one that does not is slow for a reason of its own.
static void both_are_fast(void **state) {
    (void)state;
    int sms = 0;
    double best_gbps[SWEEP_DEVICE_WAYS] = {0};
    struct sweeping s = open_sweep(LARGE_BYTES, &sms);
    for (int round = 0; round < 4; round++)
        for (int way = 0; way < SWEEP_DEVICE_WAYS; way++) {
            const struct swept swept = run(&s, way);
            const double gbps = (double)swept.bytes * 1e-9 / swept.seconds;
            best_gbps[way] = gbps > best_gbps[way] ? gbps : best_gbps[way];
        }
    for (int way = 0; way < SWEEP_DEVICE_WAYS; way++)
        print_message("%s: %.1f GB/s\n", sweep_device_way_name(way), best_gbps[way]);
    assert_true(best_gbps[SWEEP_PLAIN] > 500);
    assert_true(best_gbps[SWEEP_BULK] > 0.8 * best_gbps[SWEEP_PLAIN]);
    assert_true(best_gbps[SWEEP_PLAIN] > 0.8 * best_gbps[SWEEP_BULK]);
    close_sweep(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_loads_read_every_word),
        cmocka_unit_test(bulk_copies_bring_the_right_units),
        cmocka_unit_test(both_are_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
