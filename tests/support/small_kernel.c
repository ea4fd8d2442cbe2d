#include "tests/support/small_kernel.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

const char small_kernel_hip[] =
    "#define KERNEL extern \"C\" __attribute__((global, amdgpu_flat_work_group_size(256, 256)))\n"
    "KERNEL void reverse(float *out, const float *in) {\n"
    "    __attribute__((shared)) static float tile[256];\n"
    "    int lane = __builtin_amdgcn_workitem_id_x();\n"
    "    tile[lane] = in[lane];\n"
    "    __builtin_amdgcn_s_barrier();\n"
    "    out[lane] = 2.0f * tile[255 - lane];\n"
    "}\n";

const char small_kernel_cuda[] =
    "extern \"C\" __global__ __launch_bounds__(256) void reverse(float *out, const float *in) {\n"
    "    __shared__ float tile[256];\n"
    "    int lane = threadIdx.x;\n"
    "    tile[lane] = in[lane];\n"
    "    __syncthreads();\n"
    "    out[lane] = 2.0f * tile[255 - lane];\n"
    "}\n";

const char small_kernel_host[] = "extern \"C\" void reverse(float *out, const float *in) {\n"
                                 "    for (int lane = 0; lane < 256; lane++)\n"
                                 "        out[lane] = 2.0f * in[255 - lane];\n"
                                 "}\n";

static const struct compile_request requests[] = {
    {.compiler = "comgr",
     .isa = "gfx942",
     .source = small_kernel_hip,
     .registers_per_lane = 512,
     .register_granule = 8,
     .waves_per_simd_max = 8},
    {.compiler = "nvrtc",
     .isa = "sm_90a",
     .source = small_kernel_cuda,
     .registers_per_lane = 512,
     .register_granule = 8,
     .waves_per_simd_max = 16},
    {.compiler = "cxx", .isa = "native", .source = small_kernel_host},
};

struct compile_request small_kernel_request(const char *compiler) {
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        if (strcmp(requests[i].compiler, compiler) == 0) {
            struct compile_request request = requests[i];
            request.source_name = "3-kernel.hip";
            request.kernel = "reverse";
            return request;
        }
    fail_msg("there is no small kernel for %s", compiler);
    return requests[0];
}

void need_compiler(const char *compiler) {
    char line[512];
    if (!compile_probe(compiler, small_kernel_request(compiler).isa, NULL, line, sizeof line)) {
        print_message("SKIPPED: %s\n", line);
        skip();
    }
}

const char *test_folder(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", temporary_folder(), name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

void write_test_file(const char *path, const char *bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, strlen(bytes), file), strlen(bytes));
    assert_int_equal(fclose(file), 0);
}

void write_fake_worker(const char *path, const char *version, const char *body) {
    char script[4096];
    snprintf(script, sizeof script,
             "#!/bin/sh\n"
             "case $(cat) in\n"
             "*'action 5\nprobe'*) printf 'monogen-compile 1\\nstatus 2\\nok\\nversion "
             "%zu\\n%s\\nend\\n';;\n"
             "*) %s;;\n"
             "esac\n",
             strlen(version), version, body);
    write_test_file(path, script);
    assert_int_equal(chmod(path, 0755), 0);
}
