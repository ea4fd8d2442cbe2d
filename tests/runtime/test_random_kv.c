#include "runtime/float_formats.h"
#include "runtime/random_kv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A device that is plain memory without an address for the host.
struct device {
    unsigned char *memory;
    size_t uploads;
    bool full; // uploads fail
};

static bool upload(struct device *device, const struct device_memory *to, size_t offset,
                   const void *from, size_t bytes, struct monogen_error *error) {
    if (device->full)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "the device is full");
    assert_true(offset <= to->bytes && bytes <= to->bytes - offset);
    memcpy(device->memory + offset, from, bytes);
    device->uploads++;
    return true;
}

static const struct backend memory_backend = {.name = "memory", .upload = upload};

enum { ARRAYS = 6, HEAD_DIM = 10, ROW = 16 };

static struct manifest cache_of(uint32_t context, enum weight_dtype dtype) {
    return (struct manifest){.model.context = context,
                             .memory.kv_bytes =
                                 (size_t)ARRAYS * context * ROW * weight_dtype_bytes(dtype),
                             .kv = {.dtype = dtype,
                                    .head_dim = HEAD_DIM,
                                    .row_elements = ROW,
                                    .splits = 1,
                                    .split_positions = context,
                                    .block = 16,
                                    .arrays = ARRAYS}};
}

// Fills positions first .. end - 1 of `memory`, which is allocated where it is NULL.
static void *fill(const struct manifest *manifest, uint32_t first, uint32_t end, uint64_t seed,
                  void *memory) {
    struct device device = {.memory = memory ? memory : calloc(1, manifest->memory.kv_bytes)};
    const struct device_memory where = {.bytes = manifest->memory.kv_bytes};
    struct monogen_error error = {0};
    assert_non_null(device.memory);
    if (!random_kv_fill(manifest, first, end, seed, &memory_backend, &device, &where, &error))
        fail_msg("%s", error.message);
    return device.memory;
}

static void values_are_nearly_normal_and_padding_stays_zero(void **state) {
    (void)state;
    enum { CONTEXT = 500, FILLED = 400 };
    const struct manifest manifest = cache_of(CONTEXT, WEIGHT_F32);
    const float *values = fill(&manifest, 0, FILLED, 1, NULL);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < (size_t)ARRAYS * CONTEXT * ROW; i++) {
        const size_t position = i / ROW % CONTEXT, element = i % ROW;
        if (position >= FILLED || element >= HEAD_DIM)
            assert_true(values[i] == 0);
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    const double count = ARRAYS * FILLED * HEAD_DIM;
    assert_true(fabs(sum / count) < 0.03);
    assert_true(fabs(squares / count - 1) < 0.03);
    for (int a = 1; a < ARRAYS; a++) // heads and layers differ
        assert_memory_not_equal(values, values + (size_t)a * CONTEXT * ROW, HEAD_DIM * 4);
    free((void *)(uintptr_t)values);
}

static void a_context_does_not_depend_on_the_size_of_its_cache(void **state) {
    (void)state;
    enum { SMALL = 40, LARGE = 3000, FILLED = 30 };
    const struct manifest small = cache_of(SMALL, WEIGHT_BF16),
                          large = cache_of(LARGE, WEIGHT_BF16);
    uint16_t *a = fill(&small, 0, FILLED, 7, NULL), *b = fill(&large, 0, LARGE, 7, NULL);
    uint16_t *other_seed = fill(&small, 0, FILLED, 8, NULL);
    for (int array = 0; array < ARRAYS; array++)
        assert_memory_equal(a + array * SMALL * ROW, b + array * LARGE * ROW, FILLED * ROW * 2);
    assert_memory_not_equal(a, other_seed, ROW * 2);
    free(a);
    free(b);
    free(other_seed);
}

static void a_part_can_be_filled_again(void **state) {
    (void)state;
    enum { CONTEXT = 64 };
    const struct manifest manifest = cache_of(CONTEXT, WEIGHT_BF16);
    uint16_t *whole = fill(&manifest, 0, CONTEXT, 3, NULL);
    uint16_t *parts = fill(&manifest, 0, 20, 3, NULL);
    memset(parts + 10 * ROW, 0xff, ROW * 2); // as if a launch had written there
    fill(&manifest, 10, 11, 3, parts);
    fill(&manifest, 20, 20, 3, parts); // nothing
    fill(&manifest, 20, CONTEXT, 3, parts);
    assert_memory_equal(whole, parts, manifest.memory.kv_bytes);
    free(whole);
    free(parts);
}

static void a_failing_device_is_an_error(void **state) {
    (void)state;
    const struct manifest manifest = cache_of(8, WEIGHT_BF16);
    struct device device = {.full = true};
    const struct device_memory where = {.bytes = manifest.memory.kv_bytes};
    struct monogen_error error = {0};
    assert_false(random_kv_fill(&manifest, 0, 8, 0, &memory_backend, &device, &where, &error));
    assert_string_equal(error.message, "the device is full");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_nearly_normal_and_padding_stays_zero),
        cmocka_unit_test(a_context_does_not_depend_on_the_size_of_its_cache),
        cmocka_unit_test(a_part_can_be_filled_again),
        cmocka_unit_test(a_failing_device_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
