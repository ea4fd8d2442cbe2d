// The device memory of the shipped specs on h100, computed without a device: little more than
// weights and KV cache.
#include "generator/commands/measure.h"
#include "generator/pipeline/manifest_write.h"
#include "runtime/session.h"
#include "tests/support/made_plan.h"
#include "tests/support/small_kernel.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// Bytes that the runtime will allocate on the device, by the manifest of the plan.
static size_t planned_bytes(const struct plan_plan *plan) {
    struct monogen_error error = {0};
    struct compile_result compiled = {.compiler_version = "none"};
    struct text text = {0};
    static char path[1024 + 32], folder[1024];
    if (!folder[0])
        snprintf(folder, sizeof folder, "%s", test_folder("manifest"));
    snprintf(path, sizeof path, "%s/7-manifest.json", folder);
    manifest_write(plan, "of a test", "5-kernel.cubin", &compiled, &text);
    write_test_file(path, text.bytes);
    text_close(&text);
    struct manifest *manifest = manifest_open(folder, &error);
    if (!manifest)
        fail_msg("%s", error.message);
    const size_t bytes = session_device_bytes(manifest);
    manifest_close(manifest);
    return bytes;
}

static void expect_little_more(const char *spec, int context) {
    struct made_plan made = {0};
    char set[64];
    snprintf(set, sizeof set, "context=%d", context);
    made_plan_open(&made, spec, "h100", set);
    const double needed =
        measure_model_bytes(&made.plan) + measure_kv_bytes(&made.plan, made.plan.shape.context);
    const double bytes = (double)planned_bytes(&made.plan), ratio = bytes / needed;
    print_message("%s at context %d: %.1f MB, %.4f of weights and KV\n", spec, context, bytes / 1e6,
                  ratio);
    if (!(ratio > 0.999 && ratio <= 1.05))
        fail_msg("%s at context %d: %.1f MB for %.1f MB of weights and KV", spec, context,
                 bytes / 1e6, needed / 1e6);
    made_plan_close(&made);
}

// At most that many positions.
static int context_of(const char *spec, int wanted) {
    struct made_plan made = {0};
    made_plan_open(&made, spec, "h100", "");
    const int context = made.model.context < wanted ? made.model.context : wanted;
    made_plan_close(&made);
    return context;
}

static void every_shipped_spec_takes_little_more_than_it_must(void **state) {
    (void)state;
    DIR *folder = opendir("specs/models");
    assert_non_null(folder);
    int specs = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        const char *end = strstr(entry->d_name, ".lua");
        if (!end)
            continue;
        char spec[256];
        snprintf(spec, sizeof spec, "%.*s", (int)(end - entry->d_name), entry->d_name);
        expect_little_more(spec, 64);
        expect_little_more(spec, context_of(spec, 16384));
        specs++;
    }
    closedir(folder);
    assert_true(specs > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_spec_takes_little_more_than_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
