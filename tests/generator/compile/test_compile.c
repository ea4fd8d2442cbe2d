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

static void expect_elf(const struct text *object, int machine) {
    Elf64_Ehdr header;
    assert_true(object->length > sizeof header);
    memcpy(&header, object->bytes, sizeof header);
    assert_memory_equal(header.e_ident, ELFMAG, SELFMAG);
    assert_int_equal(header.e_machine, machine);
}

static void comgr_makes_a_code_object(void **state) {
    (void)state;
    need_compiler("comgr");
    struct compile_request request = small_kernel_request("comgr");
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    expect_elf(&result.object, EM_AMDGPU);
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

static void nvrtc_makes_a_cubin(void **state) {
    (void)state;
    need_compiler("nvrtc");
    enum { MACHINE_CUDA = 190 };
    struct compile_request request = small_kernel_request("nvrtc");
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    expect_elf(&result.object, MACHINE_CUDA);
    const struct kernel_resources *resources = &result.resources;
    assert_in_range(resources->vgpr, 4, 32);
    assert_int_equal(resources->agpr, 0);
    assert_int_equal(resources->sgpr, -1);
    assert_int_equal(resources->lds_bytes, 1024);
    assert_int_equal(resources->scratch_bytes, 0);
    assert_int_equal(resources->vgpr_spills, 0);
    assert_int_equal(resources->sgpr_spills, 0);
    assert_in_range(resources->code_bytes, 128, 2048);
    assert_int_equal(resources->waves_per_simd, 16);
    if (result.listing.length)
        assert_non_null(strstr(result.listing.bytes, "BAR.SYNC"));
    else
        assert_non_null(strstr(result.log.bytes, "no listing: "));
    assert_null(strstr(result.log.bytes, "Compile time"));
    assert_int_equal(strncmp(result.compiler_version, "NVRTC ", 6), 0);
    assert_true(strtol(result.compiler_version + 6, NULL, 10) >= 12);
    compile_result_close(&result);
}

// Registers that launch bounds do not leave go to memory, and are counted.
static void nvrtc_tells_of_spills(void **state) {
    (void)state;
    need_compiler("nvrtc");
    struct compile_request request = small_kernel_request("nvrtc");
    request.source =
        "extern __shared__ __align__(128) unsigned char brought_by_the_launch[];\n"
        "extern \"C\" __global__ __launch_bounds__(1024) void reverse(float *out, float *in) {\n"
        "    float v[96];\n"
        "    for (int i = 0; i < 96; i++)\n"
        "        v[i] = in[threadIdx.x + i * 1024];\n"
        "    __syncthreads();\n"
        "#pragma unroll\n"
        "    for (int i = 0; i < 96; i++)\n"
        "        out[threadIdx.x + i * 1024] = v[i] * v[95 - i] + brought_by_the_launch[i];\n"
        "}\n";
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    assert_in_range(result.resources.vgpr, 32, 64);
    assert_int_equal(result.resources.lds_bytes, 0);
    assert_in_range(result.resources.vgpr_spills, 16, 200);
    assert_in_range(result.resources.scratch_bytes, 64, 1024);
    compile_result_close(&result);
}

static void nvrtc_options_may_be_repeated(void **state) {
    (void)state;
    need_compiler("nvrtc");
    static const char *const options[] = {"--std=c++17", "-std=c++17", "--fmad=true",
                                          "--gpu-architecture=sm_90a", NULL};
    static const char *const wrong[] = {"-O3", NULL};
    struct compile_request request = small_kernel_request("nvrtc");
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    request.options = options;
    check(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics), &diagnostics);
    compile_result_close(&result);
    request.options = wrong;
    assert_false(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics));
    assert_non_null(strstr(diagnostics.items[0].message, "unrecognized option -O3"));
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
}

static void nvrtc_that_is_not_there_is_told(void **state) {
    (void)state;
    char line[512];
    setenv("MONOGEN_NVRTC_LIBRARY", "/nowhere/libnvrtc.so.13", 1);
    assert_false(compile_probe("nvrtc", "sm_90a", NULL, line, sizeof line));
    assert_non_null(strstr(line, "that MONOGEN_NVRTC_LIBRARY names: /nowhere/libnvrtc.so.13"));
    setenv("MONOGEN_NVRTC_LIBRARY", "libm.so.6", 1);
    assert_false(compile_probe("nvrtc", "sm_90a", NULL, line, sizeof line));
    assert_non_null(strstr(line, "libm.so.6 lacks the function nvrtcVersion"));
    unsetenv("MONOGEN_NVRTC_LIBRARY");
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

// Of the same text, NVRTC accepts no variable of the host.
static void nvrtc_locates_errors(void **state) {
    (void)state;
    need_compiler("nvrtc");
    struct compile_request request = small_kernel_request("nvrtc");
    request.source = "extern \"C\" __global__ void reverse(float *out) {\n"
                     "    *out = missing_name;\n"
                     "}\n";
    struct line_origin origins[2] = {{"kernel.hip", 1, -1, NULL, 0},
                                     {"stage_linear.hip", 14, 29, "specs/x.lua", 15}};
    struct line_map map = {origins, 2};
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    assert_false(compile_source(&request, NULL, NULL, &map, &result, &diagnostics));
    assert_int_equal(diagnostics.count, 1);
    const struct diagnostic *error = &diagnostics.items[0];
    assert_string_equal(error->at.file, "3-kernel.hip");
    assert_int_equal(error->at.line, 2);
    assert_true(error->at.column == 12 || error->at.column == 0); // CUDA 12.0 tells no column
    assert_non_null(strstr(error->message, "missing_name"));
    assert_string_equal(error->notes[0], "from stage_linear.hip:14, step 29, specs/x.lua:15");
    compile_result_close(&result);
    diagnostics_close(&diagnostics);

    // What its assembler refuses has a line of PTX only, so the log is shown.
    request.source = "extern \"C\" __global__ void reverse(float *out) {\n"
                     "    asm volatile(\"nonsense.b32 %0;\" ::\"r\"(3));\n"
                     "}\n";
    diagnostics = (struct diagnostics){0};
    assert_false(compile_source(&request, NULL, NULL, &map, &result, &diagnostics));
    assert_non_null(strstr(diagnostics.items[0].message, "cannot compile 3-kernel.hip"));
    assert_non_null(strstr(diagnostics.items[0].notes[0], "nonsense"));
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
}

static void cxx_locates_errors(void **state) {
    (void)state;
    a_broken_source_is_located("cxx");
}

static void a_missing_kernel_is_told(const char *compiler) {
    need_compiler(compiler);
    struct compile_request request = small_kernel_request(compiler);
    request.kernel = "another";
    struct compile_result result;
    struct diagnostics diagnostics = {0};
    assert_false(compile_source(&request, NULL, NULL, NULL, &result, &diagnostics));
    assert_non_null(strstr(diagnostics.items[0].message, "no kernel 'another'"));
    compile_result_close(&result);
    diagnostics_close(&diagnostics);
}

static void comgr_misses_a_kernel(void **state) {
    (void)state;
    a_missing_kernel_is_told("comgr");
}

static void nvrtc_misses_a_kernel(void **state) {
    (void)state;
    a_missing_kernel_is_told("nvrtc");
}

// Each compilation is a process of its own, in a private folder of another name.
static void two_compilations_are_identical(const char *compiler) {
    need_compiler(compiler);
    struct compile_request request = small_kernel_request(compiler);
    struct compile_result results[2];
    struct diagnostics diagnostics = {0};
    for (int i = 0; i < 2; i++)
        check(compile_source(&request, NULL, NULL, NULL, &results[i], &diagnostics), &diagnostics);
    const struct text *const texts[][2] = {{&results[0].object, &results[1].object},
                                           {&results[0].listing, &results[1].listing},
                                           {&results[0].log, &results[1].log}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(texts[i][0]->length, texts[i][1]->length);
        if (texts[i][0]->length)
            assert_memory_equal(texts[i][0]->bytes, texts[i][1]->bytes, texts[i][0]->length);
    }
    compile_result_close(&results[0]);
    compile_result_close(&results[1]);
}

static void comgr_is_deterministic(void **state) {
    (void)state;
    two_compilations_are_identical("comgr");
}

static void nvrtc_is_deterministic(void **state) {
    (void)state;
    two_compilations_are_identical("nvrtc");
}

static void cxx_is_deterministic(void **state) {
    (void)state;
    two_compilations_are_identical("cxx");
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
    assert_false(compile_probe("nvrtc", "sm_1", NULL, line, sizeof line));
    assert_true(strstr(line, "does not know sm_1") || strstr(line, "NVRTC"));

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
        cmocka_unit_test(nvrtc_makes_a_cubin),
        cmocka_unit_test(nvrtc_tells_of_spills),
        cmocka_unit_test(nvrtc_options_may_be_repeated),
        cmocka_unit_test(nvrtc_that_is_not_there_is_told),
        cmocka_unit_test(cxx_makes_a_shared_object),
        cmocka_unit_test(comgr_locates_errors),
        cmocka_unit_test(nvrtc_locates_errors),
        cmocka_unit_test(cxx_locates_errors),
        cmocka_unit_test(comgr_misses_a_kernel),
        cmocka_unit_test(nvrtc_misses_a_kernel),
        cmocka_unit_test(comgr_is_deterministic),
        cmocka_unit_test(nvrtc_is_deterministic),
        cmocka_unit_test(cxx_is_deterministic),
        cmocka_unit_test(a_large_source_passes),
        cmocka_unit_test(unknown_compilers_and_isas_are_told),
        cmocka_unit_test(a_cxx_that_does_not_run_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
