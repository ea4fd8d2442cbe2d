// Code objects: what a real one holds, and that hostile ones are refused.
#include "runtime/simulator/object.h"
#include "tests/support/small_kernel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct compile_result compiled; // the small kernel; empty where comgr is missing

static int compile_kernel(void **state) {
    (void)state;
    char line[256];
    struct diagnostics diagnostics = {0};
    const struct compile_request request = small_kernel_request("comgr");
    if (compile_probe("comgr", request.isa, NULL, line, sizeof line) &&
        !compile_source(&request, NULL, NULL, NULL, &compiled, &diagnostics))
        return 1;
    diagnostics_close(&diagnostics);
    return 0;
}

static int forget_kernel(void **state) {
    (void)state;
    compile_result_close(&compiled);
    return 0;
}

static void expect_refused(const void *bytes, size_t length, const char *isa, const char *part) {
    struct object object;
    struct monogen_error error = {0};
    if (object_parse(&object, "small.co", bytes, length, isa, &error))
        fail_msg("was read, although: %s", part);
    assert_int_equal(error.status, MONOGEN_BAD_INPUT);
    if (!strstr(error.message, "small.co: ") || !strstr(error.message, part))
        fail_msg("no \"%s\" in: %s", part, error.message);
}

static void a_real_object(void **state) {
    (void)state;
    need_compiler("comgr");
    struct object object;
    struct monogen_error error;
    if (!object_parse(&object, "small.co", compiled.object.bytes, compiled.object.length, "gfx942",
                      &error))
        fail_msg("%s", error.message);
    const struct object_kernel *kernel = object_find_kernel(&object, "reverse");
    assert_non_null(kernel);
    assert_null(object_find_kernel(&object, "revers"));
    assert_int_equal(kernel->lds_bytes, 1024);
    assert_int_equal(kernel->scratch_bytes, 0);
    assert_true(kernel->argument_block_pointer);
    assert_true(kernel->argument_block_bytes >= 16);
    assert_true(kernel->keeps_denormals_f32 && kernel->keeps_denormals_f16_f64);
    assert_int_equal(kernel->round_f32, 0);
    assert_int_equal(kernel->vector_registers % 8, 0);
    assert_true((long)kernel->vector_registers >= compiled.resources.vgpr);
    assert_true(kernel->argument_count >= 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(kernel->arguments[i].kind, "global_buffer");
        assert_int_equal(kernel->arguments[i].offset, 8 * i);
        assert_int_equal(kernel->arguments[i].bytes, 8);
    }
    object_close(&object);
}

static void hidden_arguments(void **state) {
    (void)state;
    struct object_argument arguments[] = {
        {"out", "global_buffer", 0, 8},        {"", "hidden_block_count_x", 8, 4},
        {"", "hidden_block_count_z", 12, 4},   {"", "hidden_group_size_y", 16, 2},
        {"", "hidden_hostcall_buffer", 24, 8}, {"", "hidden_grid_dims", 32, 2},
    };
    const struct object_kernel kernel = {.argument_block_bytes = 40,
                                         .arguments = arguments,
                                         .argument_count = sizeof arguments / sizeof *arguments};
    unsigned char block[40];
    memset(block, 0xAA, sizeof block);
    object_fill_hidden_arguments(&kernel, (const uint32_t[]){300, 1, 5},
                                 (const uint32_t[]){64, 2, 1}, block);
    const unsigned char expected[40] = {0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0x2C, 1,
                                        0,    0,    5,    0,    0,    0,    2,    0,    0xAA, 0xAA,
                                        0xAA, 0xAA, 0xAA, 0xAA, 0,    0,    0,    0,    0,    0,
                                        0,    0,    3,    0,    0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA};
    assert_memory_equal(block, expected, sizeof expected);
}

static void other_files_are_refused(void **state) {
    (void)state;
    expect_refused("", 0, "gfx942", "it is no ELF file");
    expect_refused("#!/bin/sh\necho a script\n", 24, "gfx942", "it is no ELF file");
    FILE *self = fopen("/proc/self/exe", "rb");
    assert_non_null(self);
    static char bytes[4096];
    const size_t length = fread(bytes, 1, sizeof bytes, self);
    fclose(self);
    expect_refused(bytes, length, "gfx942", "not a linked AMD GPU code object");
}

static void another_isa_is_named(void **state) {
    (void)state;
    need_compiler("comgr");
    expect_refused(compiled.object.bytes, compiled.object.length, "gfx90a",
                   "for gfx942, not for gfx90a");
}

static void every_cut_is_seen(void **state) {
    (void)state;
    need_compiler("comgr");
    const size_t whole = compiled.object.length;
    for (size_t length = 0; length < whole; length++) {
        // A copy of that size, so that a read behind its end is found.
        unsigned char *cut = malloc(length ? length : 1);
        assert_non_null(cut);
        memcpy(cut, compiled.object.bytes, length);
        struct object object;
        struct monogen_error error = {0};
        if (object_parse(&object, "small.co", cut, length, "gfx942", &error))
            fail_msg("%zu of %zu bytes were read", length, whole);
        assert_int_equal(error.status, MONOGEN_BAD_INPUT);
        free(cut);
    }
}

// Each bit of the headers, the notes and the descriptor: read or refused, never out of bounds; what
// is read lies within the object.
static void every_flip_is_survived(void **state) {
    (void)state;
    need_compiler("comgr");
    const size_t whole = compiled.object.length;
    unsigned char *flipped = malloc(whole);
    assert_non_null(flipped);
    memcpy(flipped, compiled.object.bytes, whole);
    unsigned refused = 0;
    for (size_t i = 0; i < whole; i++)
        for (unsigned bit = 0; bit < 8; bit += i < 64 ? 1 : 3) {
            struct object object;
            struct monogen_error error = {0};
            flipped[i] ^= (unsigned char)(1u << bit);
            if (object_parse(&object, "small.co", flipped, whole, "gfx942", &error)) {
                for (size_t k = 0; k < object.segment_count; k++)
                    assert_true(object.segments[k].address + object.segments[k].memory_bytes <=
                                object.memory_bytes);
                object_close(&object);
            } else {
                refused++;
            }
            flipped[i] ^= (unsigned char)(1u << bit);
        }
    assert_in_range(refused, 100, whole * 8);
    free(flipped);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_object),           cmocka_unit_test(hidden_arguments),
        cmocka_unit_test(other_files_are_refused), cmocka_unit_test(another_isa_is_named),
        cmocka_unit_test(every_cut_is_seen),       cmocka_unit_test(every_flip_is_survived),
    };
    return cmocka_run_group_tests(tests, compile_kernel, forget_kernel);
}
