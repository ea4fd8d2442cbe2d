// Real compilers: what comes back, and what a broken source says.
#include "tests/support/small_kernel.h"

#include <dlfcn.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void check(bool compiled, struct diagnostics *diagnostics) {
    if (!compiled) {
        diagnostics_print(diagnostics, stderr);
        fail_msg("compilation failed");
    }
    assert_int_equal(diagnostics->count, 0);
}

static void comgr_makes_a_code_object(void **state) {
    (void)state;
    need_compiler("comgr");
    struct compile_request request = small_kernel_request("comgr");
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    Elf64_Ehdr header;
    assert_true(result.object.length > sizeof header);
    memcpy(&header, result.object.bytes, sizeof header);
    assert_memory_equal(header.e_ident, ELFMAG, SELFMAG);
    assert_int_equal(header.e_machine, EM_AMDGPU);
    const struct kernel_resources *resources = &result.resources;
    assert_in_range(resources->vgpr, 2, 16);
    assert_int_equal(resources->agpr, 0);
    assert_in_range(resources->sgpr, 4, 32);
    assert_int_equal(resources->lds_bytes, 1024);
    assert_int_equal(resources->scratch_bytes, 0);
    assert_int_equal(resources->vgpr_spills, 0);
    assert_int_equal(resources->sgpr_spills, 0);
    assert_in_range(resources->code_bytes, 40, 400);
    assert_int_equal(resources->waves_per_simd, 8);
    assert_non_null(strstr(result.listing.bytes, "s_barrier"));
    assert_non_null(strstr(result.listing.bytes, "global_store_dword"));
    assert_non_null(strstr(result.compiler_version, "LLVM "));
    assert_false(result.from_cache);
    assert_true(result.seconds > 0);
    compile_result_close(&result);
}

// Accumulation registers come from the same file: 11 of them and 4 others take 16 of 24 a wave.
static void registers_bound_the_waves(void **state) {
    (void)state;
    need_compiler("comgr");
    struct compile_request request = small_kernel_request("comgr");
    request.source = "extern \"C\" __attribute__((global)) void reverse(float *out) {\n"
                     "    float x = out[0];\n"
                     "    asm volatile(\"v_accvgpr_write_b32 a10, %0\" ::\"v\"(x) : \"a10\");\n"
                     "}\n";
    request.registers_per_lane = 50;
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    assert_int_equal(result.resources.agpr, 11);
    assert_in_range(result.resources.vgpr, 1, 5);
    assert_int_equal(result.resources.waves_per_simd, 3);
    compile_result_close(&result);
}

static void cxx_makes_a_shared_object(void **state) {
    (void)state;
    need_compiler("cxx");
    struct compile_request request = small_kernel_request("cxx");
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    assert_int_equal(result.resources.vgpr, -1);
    assert_int_equal(result.resources.waves_per_simd, -1);

    char path[1200];
    snprintf(path, sizeof path, "%s/kernel.so", test_folder("cxx"));
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(result.object.bytes, 1, result.object.length, file),
                     result.object.length);
    assert_int_equal(fclose(file), 0);
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        fail_msg("%s", dlerror());
    void *symbol = dlsym(library, "reverse");
    assert_non_null(symbol);
    void (*reverse)(float *, const float *);
    memcpy(&reverse, &symbol, sizeof symbol);
    float in[256], out[256] = {0};
    for (int i = 0; i < 256; i++)
        in[i] = (float)i;
    reverse(out, in);
    for (int i = 0; i < 256; i++)
        if (out[i] != 2.0f * (float)(255 - i))
            fail_msg("out[%d] is %g, not %d", i, (double)out[i], 2 * (255 - i));
    dlclose(library);
    compile_result_close(&result);
}

// The compiler's error, at the emitted line, with template, step and spec line.
static void a_broken_source_is_located(const char *compiler) {
    need_compiler(compiler);
    struct compile_request request = small_kernel_request(compiler);
    request.source = "int first;\n"
                     "extern \"C\" void reverse() {\n"
                     "    first = missing_name;\n"
                     "}\n";
    struct line_origin origins[4] = {{"kernel.hip", 1, -1, NULL, 0},
                                     {"kernel.hip", 2, -1, NULL, 0},
                                     {"stage_linear.hip", 14, 29, "specs/x.lua", 15},
                                     {"kernel.hip", 3, -1, NULL, 0}};
    struct line_map map = {origins, 4};
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    assert_false(compile_source(&request, NULL, NULL, &map, &result, &diagnostics));
    assert_int_equal(diagnostics.count, 1);
    const struct diagnostic *error = &diagnostics.items[0];
    assert_string_equal(error->at.file, "3-kernel.hip");
    assert_int_equal(error->at.line, 3);
    assert_int_equal(error->at.column, 13);
    assert_non_null(strstr(error->message, "missing_name"));
    assert_string_equal(error->notes[0], "from stage_linear.hip:14, step 29, specs/x.lua:15");
    if (strstr(result.log.bytes, "monogen-compile-"))
        fail_msg("the log names a private folder: %s", result.log.bytes);
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
}

static void comgr_locates_errors(void **state) {
    (void)state;
    a_broken_source_is_located("comgr");
}

static void cxx_locates_errors(void **state) {
    (void)state;
    a_broken_source_is_located("cxx");
}

static void a_missing_kernel_is_told(void **state) {
    (void)state;
    need_compiler("comgr");
    struct compile_request request = small_kernel_request("comgr");
    request.kernel = "another";
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    assert_false(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics));
    assert_non_null(strstr(diagnostics.items[0].message, "no kernel 'another'"));
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
}

// Each compilation is a process of its own, in a private folder of another name.
static void two_compilations_are_identical(void **state) {
    (void)state;
    static const char *const compilers[] = {"comgr", "cxx"};
    for (int i = 0; i < 2; i++) {
        need_compiler(compilers[i]);
        struct compile_request request = small_kernel_request(compilers[i]);
        struct compile_result results[2];
        struct diagnostics diagnostics = {0};
        for (int j = 0; j < 2; j++)
            check(compile_source(&request, NULL, NULL, NULL, &results[j], &diagnostics),
                  &diagnostics);
        assert_int_equal(results[0].object.length, results[1].object.length);
        assert_memory_equal(results[0].object.bytes, results[1].object.bytes,
                            results[0].object.length);
        assert_int_equal(results[0].listing.length, results[1].listing.length);
        if (results[0].listing.length)
            assert_memory_equal(results[0].listing.bytes, results[1].listing.bytes,
                                results[0].listing.length);
        compile_result_close(&results[0]);
        compile_result_close(&results[1]);
    }
}

// A source larger than any pipe: the worker reads all of it before it answers.
static void a_large_source_passes(void **state) {
    (void)state;
    need_compiler("cxx");
    struct text source = {0};
    text_append(&source, small_kernel_host);
    while (source.length < (size_t)4 << 20)
        text_append(&source, "// a long line of nothing much, to make the source a large one\n");
    struct compile_request request = small_kernel_request("cxx");
    request.source = source.bytes;
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    compile_result_close(&result);
    text_close(&source);
}

static void unknown_compilers_and_isas_are_told(void **state) {
    (void)state;
    char line[512];
    assert_false(compile_probe("fortran", "native", NULL, line, sizeof line));
    assert_non_null(strstr(line, "no compiler 'fortran'"));
    assert_false(compile_probe("cxx", "gfx942", NULL, line, sizeof line));
    assert_non_null(strstr(line, "'gfx942'"));
    assert_false(compile_probe("comgr", "gfx1", NULL, line, sizeof line));
    assert_non_null(strstr(line, "gfx1"));

    struct compile_request request = small_kernel_request("comgr");
    request.compiler = "fortran";
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    assert_false(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics));
    assert_int_equal(diagnostics.items[0].kind, DIAGNOSTIC_ENVIRONMENT);
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
}

static void a_cxx_that_does_not_run_is_told(void **state) {
    (void)state;
    char line[512];
    const char *before = getenv("CXX");
    char *kept = before ? strdup(before) : NULL;
    setenv("CXX", "/nowhere/c++ -v", 1);
    assert_false(compile_probe("cxx", "native", NULL, line, sizeof line));
    assert_non_null(strstr(line, "/nowhere/c++"));
    if (kept)
        setenv("CXX", kept, 1);
    else
        unsetenv("CXX");
    free(kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comgr_makes_a_code_object),
        cmocka_unit_test(registers_bound_the_waves),
        cmocka_unit_test(cxx_makes_a_shared_object),
        cmocka_unit_test(comgr_locates_errors),
        cmocka_unit_test(cxx_locates_errors),
        cmocka_unit_test(a_missing_kernel_is_told),
        cmocka_unit_test(two_compilations_are_identical),
        cmocka_unit_test(a_large_source_passes),
        cmocka_unit_test(unknown_compilers_and_isas_are_told),
        cmocka_unit_test(a_cxx_that_does_not_run_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
