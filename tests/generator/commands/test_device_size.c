// A GPU with less than its target: run, verify and bench plan for what is there. On the fake CUDA
// driver, whose kernels do nothing: each command ends with an error.
#include "generator/base/file.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

static const char LAUNCHED[] = "the kernel ended without leaving its decode loop";

static void set_device(int cus, int gib) {
    char text[16];
    snprintf(text, sizeof text, "%d", cus);
    setenv("MONOGEN_FAKE_CUS", text, 1);
    snprintf(text, sizeof text, "%d", gib);
    setenv("MONOGEN_FAKE_GIB", text, 1);
}

static int use_fake(void **state) {
    char fake[PATH_MAX];
    const char *tree = getenv("MONOGEN_TEST_TREE");
    snprintf(fake, sizeof fake, "./%s/tests/runtime/backend/fake_cuda.so", tree ? tree : "build");
    setenv("MONOGEN_CUDA_LIBRARY", fake, 1);
    return program_open(state);
}

static void expect_no_part(const char *words, const char *part) {
    if (strstr(words, part))
        fail_msg("\"%s\" in: %s", part, words);
}

// Runs a line up to the launch, which fails as the fake does.
static struct process_result launched(const char *line) {
    struct process_result result =
        program_run(3, "%s --cache '%s/kernels'", line, program_folder());
    expect_part(words_of(&result.errors), LAUNCHED);
    return result;
}

// The plan of the one kernel in that cache whose name begins so.
static const char *plan_in_cache(struct arena *arena, const char *name) {
    char folder[PATH_MAX + 32], path[2 * PATH_MAX];
    struct diagnostics diagnostics = {0};
    const char *plan = NULL;
    size_t length = 0;
    snprintf(folder, sizeof folder, "%s/kernels/kernels", program_folder());
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strncmp(entry->d_name, name, strlen(name)) != 0)
            continue;
        assert_null(plan);
        snprintf(path, sizeof path, "%s/%s/2-plan.lua", folder, entry->d_name);
        plan = file_read(arena, path, 1 << 28, &length, &diagnostics);
    }
    closedir(directory);
    assert_non_null(plan);
    diagnostics_close(&diagnostics);
    return plan;
}

// It is the plan that its own command makes.
static void fewer_sms_are_planned_for(void **state) {
    (void)state;
    need_compiler("nvrtc");
    set_device(114, 80);
    static const char *const lines[] = {
        "run austen-3m --set layers=1 --device cuda --tokens 1 -n 1",
        "verify austen-3m --set layers=1 --device cuda --steps 1",
        "bench austen-3m --set layers=1 --device cuda -n 1 --repeats 1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct process_result result =
            program_run(3, "%s --cache '%s/kernels'", lines[i], program_folder());
        expect_part(words_of(&result.errors), "monogen: note: planned for 114 of the target's 132 "
                                              "SMs: the device has 114\n");
        process_result_close(&result);
        if (i > 0)
            continue;
        struct arena arena = {0};
        struct diagnostics diagnostics = {0};
        char path[PATH_MAX + 32];
        size_t length = 0;
        const char *plan = plan_in_cache(&arena, "austen-3m-h100-");
        expect_part(plan, "--target h100 --set layers=1 --set cus=114");
        result = program_run(
            0, "generate austen-3m --target h100 --set layers=1 --set cus=114 -o '%s/asked'",
            program_folder());
        process_result_close(&result);
        snprintf(path, sizeof path, "%s/asked/2-plan.lua", program_folder());
        const char *asked = file_read(&arena, path, 1 << 28, &length, &diagnostics);
        assert_non_null(asked);
        assert_string_equal(plan, asked);
        diagnostics_close(&diagnostics);
        arena_close(&arena);
    }
}

static void as_many_or_more_are_the_targets(void **state) {
    (void)state;
    need_compiler("nvrtc");
    static const int cus[] = {132, 144};
    for (size_t i = 0; i < sizeof cus / sizeof *cus; i++) {
        set_device(cus[i], 80);
        struct process_result result =
            launched("run austen-3m --set layers=1 --device cuda --tokens 1 -n 1");
        expect_no_part(words_of(&result.errors), "planned for");
        process_result_close(&result);
    }
}

static void what_the_user_sets_is_not_changed(void **state) {
    (void)state;
    need_compiler("nvrtc");
    set_device(114, 80);
    struct process_result result =
        launched("run austen-3m --set layers=1 --device cuda --tokens 1 -n 1 --set cus=60");
    expect_no_part(words_of(&result.errors), "planned for");
    process_result_close(&result);
    result =
        program_run(3, "run austen-3m --set layers=1 --device cuda --tokens 1 -n 1 --set cus=132");
    expect_part(words_of(&result.errors), "the kernel is for 132 SMs, but device 0 (NVIDIA H100 "
                                          "80GB HBM3) has 114\n");
    expect_part(words_of(&result.errors), "or generate with --set cus=114");
    process_result_close(&result);
}

static void less_memory_is_planned_for(void **state) {
    (void)state;
    need_compiler("nvrtc");
    set_device(16, 10);
    struct process_result result =
        launched("run austen-3m --set layers=1 --device cuda --tokens 1 -n 1");
    expect_part(words_of(&result.errors), "planned for 16 of the target's 132 SMs");
    expect_part(words_of(&result.errors),
                "planned for 10.7 GB of memory, the device's, not the target's 80.0 GB\n");
    process_result_close(&result);
    result = program_run(1, "run llama-3.1-8b --device cuda --weights random --tokens 1 -n 1");
    expect_part(words_of(&result.errors), "do not fit the 11 GB of h100");
    process_result_close(&result);
    result = launched("run austen-3m --set layers=1 --device cuda --tokens 1 -n 1 --set cus=16 "
                      "--set memory.bytes=9000000000");
    expect_no_part(words_of(&result.errors), "planned for");
    process_result_close(&result);
}

// h200 is the target with the most memory that is there.
static void the_nearest_target_is_taken(void **state) {
    (void)state;
    need_compiler("nvrtc");
    struct arena arena = {0};
    set_device(132, 140);
    struct process_result result =
        launched("run austen-3m --set layers=1 --device cuda --tokens 1 -n 1");
    expect_no_part(words_of(&result.errors), "planned for");
    process_result_close(&result);
    expect_part(plan_in_cache(&arena, "austen-3m-h200-"), "--target h200 ");
    arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_sms_are_planned_for),
        cmocka_unit_test(as_many_or_more_are_the_targets),
        cmocka_unit_test(what_the_user_sets_is_not_changed),
        cmocka_unit_test(less_memory_is_planned_for),
        cmocka_unit_test(the_nearest_target_is_taken),
    };
    return cmocka_run_group_tests(tests, use_fake, NULL);
}
