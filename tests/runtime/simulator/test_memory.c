// Memory as CUs see it: what of a store another CU must see, and what it may miss, by scope.
#include "runtime/simulator/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { XCDS = 4, CUS = 2, WORDS = 1 << 16 };

struct chip_memory {
    struct memory *memory;
    uint32_t *words; // [WORDS]
};

static struct chip_memory opened(uint64_t seed) {
    static const uint32_t iods[XCDS] = {0, 1, 2, 3};
    const struct memory_shape shape = {.xcds = XCDS,
                                       .cus_per_xcd = CUS,
                                       .iods = 4,
                                       .iod_of_xcd = iods,
                                       .l1_bytes = 8192,
                                       .l1_ways = 64,
                                       .l2_bytes = 16384,
                                       .l2_ways = 16,
                                       .line_bytes = 128};
    struct chip_memory chip;
    struct monogen_error error;
    chip.memory = memory_open(&shape, seed, &error);
    if (!chip.memory)
        fail_msg("%s", error.message);
    chip.words = calloc(WORDS, sizeof *chip.words);
    assert_non_null(chip.words);
    if (!memory_add(chip.memory, chip.words, WORDS * sizeof *chip.words, "words", &error))
        fail_msg("%s", error.message);
    return chip;
}

static void close_memory(struct chip_memory *chip) {
    memory_close(chip->memory);
    free(chip->words);
}

static struct memory_access access_to(const struct chip_memory *chip, uint32_t xcd, uint32_t cu,
                                      size_t word, uint8_t cache, uint64_t *address) {
    *address = (uint64_t)(uintptr_t)&chip->words[word];
    return (struct memory_access){
        .xcd = xcd, .cu = cu, .lanes = 1, .addresses = address, .bytes = 4, .cache = cache};
}

static uint32_t load(struct chip_memory *chip, uint32_t xcd, uint32_t cu, size_t word,
                     uint8_t cache) {
    uint64_t address;
    uint32_t value = 0;
    unsigned bad_lane;
    const struct memory_access access = access_to(chip, xcd, cu, word, cache, &address);
    assert_true(memory_load(chip->memory, &access, &value, &bad_lane));
    return value;
}

static void store(struct chip_memory *chip, uint32_t xcd, uint32_t cu, size_t word, uint8_t cache,
                  uint32_t value) {
    uint64_t address;
    unsigned bad_lane;
    const struct memory_access access = access_to(chip, xcd, cu, word, cache, &address);
    assert_true(memory_store(chip->memory, &access, &value, &bad_lane));
}

// A reader that has the line already; then the writer stores 7 and a turn ends. What the reader
// finds with its own scope.
static uint32_t seen(uint32_t reader_xcd, uint32_t reader_cu, uint8_t store_cache,
                     uint8_t load_cache) {
    struct chip_memory chip = opened(1);
    assert_int_equal(load(&chip, reader_xcd, reader_cu, 5, 0), 0);
    store(&chip, 0, 0, 5, store_cache, 7);
    memory_end_turn(chip.memory);
    const uint32_t value = load(&chip, reader_xcd, reader_cu, 5, load_cache);
    close_memory(&chip);
    return value;
}

static void scopes_of_messages(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint32_t xcd, cu;
        uint8_t store, load;
        uint32_t seen;
    } rows[] = {
        {"the writer's own CU", 0, 0, 0, 0, 7},
        {"another CU, plain", 0, 1, 0, 0, 0}, // from its L1
        {"another CU, load of workgroup scope", 0, 1, 0, CACHE_SC0, 0},
        {"another CU, load of agent scope", 0, 1, 0, CACHE_SC1, 7}, // from their L2
        {"another XCD, plain", 1, 0, 0, 0, 0},
        {"another XCD, load of agent scope alone", 1, 0, 0, CACHE_SC1, 0}, // not written through
        {"another XCD, store of agent scope alone", 1, 0, CACHE_SC1, 0, 0},
        {"another XCD, store of workgroup scope", 1, 0, CACHE_SC0, CACHE_SC1, 0},
        {"another XCD, both of agent scope", 1, 0, CACHE_SC1, CACHE_SC1, 7},
        {"another XCD, both of system scope", 1, 1, CACHE_SC0 | CACHE_SC1, CACHE_SC0 | CACHE_SC1,
         7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint32_t value = seen(rows[i].xcd, rows[i].cu, rows[i].store, rows[i].load);
        if (value != rows[i].seen)
            fail_msg("%s: saw %u, not %u", rows[i].what, value, rows[i].seen);
    }
}

// Plain data and a flag of agent scope: the data is seen if, and only if, the writer has written
// back and the reader has invalidated.
static void release_and_acquire(void **state) {
    (void)state;
    for (unsigned fences = 0; fences < 16; fences++) {
        const bool released = fences & 1, acquired = fences & 2;
        const uint8_t release = fences & 4 ? CACHE_SC0 : CACHE_SC1;
        const uint8_t acquire = fences & 8 ? CACHE_SC0 : CACHE_SC1;
        struct chip_memory chip = opened(fences);
        load(&chip, 2, 1, 100, 0); // the reader has the data's line, in L1 and L2
        store(&chip, 0, 0, 100, 0, 42);
        if (released)
            memory_write_back(chip.memory, 0, release);
        store(&chip, 0, 0, 4000, CACHE_SC1, 1);
        memory_end_turn(chip.memory);
        assert_int_equal(load(&chip, 2, 1, 4000, CACHE_SC1), 1);
        if (acquired)
            memory_invalidate(chip.memory, 2, 1, acquire);
        const bool wide = release == CACHE_SC1 && acquire == CACHE_SC1;
        const uint32_t expected = released && acquired && wide ? 42 : 0;
        const uint32_t value = load(&chip, 2, 1, 100, 0);
        if (value != expected)
            fail_msg("fences %u: saw %u, not %u", fences, value, expected);
        close_memory(&chip);
    }
}

// Until the turn ends only the writer's XCD sees what is written through; memory has it afterwards.
static void a_turn(void **state) {
    (void)state;
    struct chip_memory chip = opened(3);
    const uint64_t before = memory_version(chip.memory);
    store(&chip, 0, 0, 9, CACHE_SC1, 3);
    assert_int_equal(load(&chip, 0, 1, 9, CACHE_SC1), 3);
    assert_int_equal(load(&chip, 1, 0, 9, CACHE_SC1), 0);
    assert_int_equal(chip.words[9], 0);
    memory_end_turn(chip.memory);
    assert_int_equal(chip.words[9], 3);
    assert_true(memory_version(chip.memory) != before);
    assert_int_equal(load(&chip, 1, 0, 9, CACHE_SC1), 3);
    const uint64_t quiet = memory_version(chip.memory);
    memory_end_turn(chip.memory);
    assert_true(memory_version(chip.memory) == quiet);
    close_memory(&chip);
}

// Neighbours in a line are not written along.
static void bytes_of_a_line_are_kept_apart(void **state) {
    (void)state;
    struct chip_memory chip = opened(4);
    store(&chip, 0, 0, 32, 0, 1);
    store(&chip, 1, 0, 33, 0, 2);
    store(&chip, 2, 0, 34, CACHE_SC1, 3);
    memory_end_turn(chip.memory);
    memory_end_launch(chip.memory);
    assert_int_equal(chip.words[32], 1);
    assert_int_equal(chip.words[33], 2);
    assert_int_equal(chip.words[34], 3);
    assert_int_equal(load(&chip, 3, 1, 32, 0), 1); // caches are empty again
    close_memory(&chip);
}

// More dirty lines than L2 has room for: the oldest are written back.
static void dirty_lines_are_evicted(void **state) {
    (void)state;
    struct chip_memory chip = opened(5);
    for (uint32_t i = 0; i < 1024; i++)
        store(&chip, 0, 0, 32 * (size_t)i, 0, i + 1);
    memory_end_turn(chip.memory);
    unsigned there = 0;
    for (uint32_t i = 0; i < 1024; i++)
        there += chip.words[32 * (size_t)i] == i + 1;
    assert_int_equal(there, 1024 - 16384 / 128);
    for (uint32_t i = 0; i < 1024; i++)
        assert_int_equal(load(&chip, 0, 1, 32 * (size_t)i, 0), i + 1);
    close_memory(&chip);
}

static void atomics_happen_in_memory(void **state) {
    (void)state;
    struct chip_memory chip = opened(6);
    store(&chip, 0, 0, 50, 0, 100); // dirty in the L2 of XCD 0
    uint64_t addresses[WAVE_LANES];
    uint32_t values[WAVE_LANES], before[2][WAVE_LANES];
    bool performed[2] = {false, false};
    unsigned bad_lane;
    for (unsigned lane = 0; lane < WAVE_LANES; lane++) {
        addresses[lane] = (uint64_t)(uintptr_t)&chip.words[50];
        values[lane] = 1;
    }
    for (uint32_t xcd = 0; xcd < 2; xcd++) {
        const struct memory_access access = {
            .xcd = xcd, .lanes = UINT64_MAX, .addresses = addresses, .bytes = 4};
        assert_true(memory_atomic(chip.memory, &access, ATOMIC_ADD, values, before[xcd],
                                  &performed[xcd], &bad_lane));
        assert_false(performed[xcd]);
    }
    memory_end_turn(chip.memory);
    assert_true(performed[0] && performed[1]);
    assert_int_equal(chip.words[50], 100 + 2 * WAVE_LANES);
    // XCD 0 adds to its own 100; whoever came first, the other saw what it had left.
    assert_true(before[0][0] == 100 || before[0][0] == 100 + WAVE_LANES || before[1][0] == 0);
    assert_int_equal(before[0][63], before[0][0] + 63);
    close_memory(&chip);
}

// The scalar cache knows of nothing until it is invalidated.
static void scalar_loads_are_not_coherent(void **state) {
    (void)state;
    struct chip_memory chip = opened(7);
    uint32_t value;
    const uint64_t address = (uint64_t)(uintptr_t)&chip.words[200];
    assert_true(memory_load_scalar(chip.memory, 0, 0, address, 4, &value));
    store(&chip, 0, 0, 200, 0, 5);
    memory_end_turn(chip.memory);
    assert_true(memory_load_scalar(chip.memory, 0, 0, address, 4, &value));
    assert_int_equal(value, 0);
    memory_invalidate_scalar(chip.memory, 0, 0);
    assert_true(memory_load_scalar(chip.memory, 0, 0, address, 4, &value));
    assert_int_equal(value, 5);
    assert_false(memory_load_scalar(chip.memory, 0, 0, address + WORDS * 4 - 803, 4, &value));
    close_memory(&chip);
}

// 64 lanes of 16 bytes, straddling lines: bytes, lines and where they came from.
static void runs_are_counted(void **state) {
    (void)state;
    struct chip_memory chip = opened(8);
    for (uint32_t i = 0; i < WORDS; i++)
        chip.words[i] = i;
    uint64_t addresses[WAVE_LANES];
    uint32_t data[WAVE_LANES][4];
    unsigned bad_lane;
    uint64_t local = 0, remote = 0;
    for (uint32_t run = 0; run < WORDS / 256 - 1; run++) {
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            addresses[lane] = (uint64_t)(uintptr_t)&chip.words[run * 256 + lane * 4 + 2];
        const struct memory_access access = {
            .xcd = 1, .lanes = UINT64_MAX, .addresses = addresses, .bytes = 16, .cache = CACHE_NT};
        assert_true(memory_load(chip.memory, &access, data, &bad_lane));
        for (unsigned lane = 0; lane < WAVE_LANES; lane++)
            assert_int_equal(data[lane][3], run * 256 + lane * 4 + 5);
    }
    struct memory_counts counts;
    memory_count(chip.memory, 1, &counts);
    // Each run reads 9 lines, of which the one before has left the first.
    assert_int_equal(counts.l2_misses, (WORDS / 256 - 1) * 8 + 1);
    assert_int_equal(counts.l2_hits, WORDS / 256 - 2);
    local = counts.local_bytes;
    remote = counts.remote_bytes;
    assert_int_equal(local + remote, counts.l2_misses * 128);
    // Pages of 4 KiB walk the four IODs: one quarter is near.
    assert_in_range(local, (local + remote) / 4 - 4096, (local + remote) / 4 + 4096);
    close_memory(&chip);
}

static void other_addresses_are_refused(void **state) {
    (void)state;
    struct chip_memory chip = opened(9);
    uint64_t addresses[WAVE_LANES] = {(uint64_t)(uintptr_t)chip.words,
                                      (uint64_t)(uintptr_t)&chip.words[WORDS] - 2};
    uint32_t data[2];
    unsigned bad_lane = 0;
    const struct memory_access access = {.lanes = 3, .addresses = addresses, .bytes = 4};
    assert_false(memory_load(chip.memory, &access, data, &bad_lane));
    assert_int_equal(bad_lane, 1);
    char text[128];
    assert_true(memory_name(chip.memory, addresses[1], text, sizeof text));
    assert_string_equal(text, "words + 0x3fffe");
    assert_false(memory_name(chip.memory, 16, text, sizeof text));
    close_memory(&chip);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_of_messages),
        cmocka_unit_test(release_and_acquire),
        cmocka_unit_test(a_turn),
        cmocka_unit_test(bytes_of_a_line_are_kept_apart),
        cmocka_unit_test(dirty_lines_are_evicted),
        cmocka_unit_test(atomics_happen_in_memory),
        cmocka_unit_test(scalar_loads_are_not_coherent),
        cmocka_unit_test(runs_are_counted),
        cmocka_unit_test(other_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
