#include "runtime/rope_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct device {
    float *table;
    size_t uploads;
};

static bool upload(struct device *device, const struct device_memory *to, size_t offset,
                   const void *from, size_t bytes, struct monogen_error *error) {
    (void)error;
    assert_true(offset <= to->bytes && bytes <= to->bytes - offset);
    memcpy((unsigned char *)device->table + offset, from, bytes);
    device->uploads++;
    return true;
}

static const struct backend memory_backend = {.name = "memory", .upload = upload};

static void angles_are_rounded_to_f32(void **state) {
    (void)state;
    const double frequencies[3] = {1.0, 0.1, 1.0 / 3.0};
    const struct manifest_rope rope = {
        .rows = 100000, .inverse_frequencies = frequencies, .pair_count = 3, .amplitude = 1.25};
    float table[2][3][2];
    rope_table_fill(&rope, 99998, 2, &table[0][0][0]);
    for (unsigned row = 0; row < 2; row++)
        for (unsigned pair = 0; pair < 3; pair++) {
            volatile float frequency = (float)frequencies[pair];
            volatile float angle = (float)(99998 + row) * frequency;
            assert_true(table[row][pair][0] == (float)(1.25 * cos((double)angle)));
            assert_true(table[row][pair][1] == (float)(1.25 * sin((double)angle)));
        }
}

// Two tables, one behind the other, the first one larger than the staging.
static void large_tables_are_loaded_in_pieces(void **state) {
    (void)state;
    double frequencies[32];
    for (unsigned i = 0; i < 32; i++)
        frequencies[i] = pow(10000, -(double)i / 32);
    const size_t first_bytes = (size_t)40001 * 32 * 8;
    const struct manifest_rope ropes[] = {
        {.rows = 40001, .inverse_frequencies = frequencies, .pair_count = 32, .amplitude = 1},
        {.offset = first_bytes,
         .rows = 77,
         .inverse_frequencies = frequencies + 5,
         .pair_count = 3,
         .amplitude = 2}};
    const struct manifest manifest = {.ropes = ropes, .rope_count = 2};
    const size_t bytes = rope_tables_bytes(&manifest);
    assert_int_equal(bytes, first_bytes + 77 * 3 * 8);
    float *expected = malloc(bytes);
    struct device device = {.table = calloc(1, bytes)};
    assert_non_null(expected);
    assert_non_null(device.table);
    rope_table_fill(&ropes[0], 0, ropes[0].rows, expected);
    rope_table_fill(&ropes[1], 0, ropes[1].rows, expected + first_bytes / sizeof(float));
    struct device_memory memory = {.bytes = bytes};
    assert_true(rope_tables_load(&manifest, &memory_backend, &device, &memory, NULL));
    assert_true(device.uploads > 2);
    assert_memory_equal(device.table, expected, bytes);
    free(device.table);
    free(expected);
}

static void no_rotary_embedding_needs_no_table(void **state) {
    (void)state;
    const struct manifest manifest = {0};
    struct device device = {0};
    struct device_memory memory = {0};
    assert_int_equal(rope_tables_bytes(&manifest), 0);
    assert_true(rope_tables_load(&manifest, &memory_backend, &device, &memory, NULL));
    assert_int_equal(device.uploads, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(angles_are_rounded_to_f32),
        cmocka_unit_test(large_tables_are_loaded_in_pieces),
        cmocka_unit_test(no_rotary_embedding_needs_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
