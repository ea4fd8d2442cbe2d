// Every dense reference checkpoint on the host, against logits that another implementation computed
// in float32. Two come with the repository; the others are read from $MONOGEN_REFERENCE, or from
// ../shared/reference where that is there.
#include "generator/base/file.h"
#include "tests/support/generated.h"
#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char bundled[] = "tests/golden/checkpoints";

// Checkpoints of an architecture that the program does not have: they must be refused by name.
static bool is_of_experts(const char *name) {
    return strcmp(name, "tiny-mixtral") == 0 || strcmp(name, "tiny-qwen3-moe") == 0;
}

// The bounds are verify's own: 1e-4 with an fp32 KV cache; with bf16 2e-2, and 1e-2 for the median.
static void verify(const char *folder, const char *options) {
    struct process_result result = program_run(0, "verify %s --device host %s", folder, options);
    expect_part(words_of(&result.output), "total   ");
    process_result_close(&result);
}

static void verify_folder(const char *parent, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", parent, name);
    verify(path, "--set cus=3");
    verify(path, "--kv bf16");
    for (int cus = 1; all_tests_wanted() && cus <= 64; cus = cus * 4 - 1) { // 1 3 11 43
        char options[96];
        snprintf(options, sizeof options, "--set cus=%d", cus);
        verify(path, options);
        snprintf(options, sizeof options, "--set cus=%d --set kv_splits=3 --set unroll=inline",
                 cus);
        verify(path, options);
        snprintf(options, sizeof options, "--set cus=%d --set residual=everywhere --kv bf16", cus);
        verify(path, options);
    }
}

// All checkpoints below a folder. Returns how many.
static int verify_folders(const char *parent) {
    DIR *folder = opendir(parent);
    assert_non_null(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char golden[PATH_MAX];
        snprintf(golden, sizeof golden, "%s/%s/golden.safetensors", parent, entry->d_name);
        if (entry->d_name[0] == '.' || !file_exists(golden) || is_of_experts(entry->d_name))
            continue;
        count++;
        verify_folder(parent, entry->d_name);
    }
    closedir(folder);
    return count;
}

static void bundled_checkpoints(void **state) {
    (void)state;
    need_compiler("cxx");
    assert_int_equal(verify_folders(bundled), 2);
}

static const char *reference_folder(void) {
    const char *given = getenv("MONOGEN_REFERENCE");
    const char *folder = given && *given ? given : "../shared/reference";
    if (!folder_exists(folder)) {
        print_message("SKIPPED: there are no reference checkpoints in %s (MONOGEN_REFERENCE)\n",
                      folder);
        skip();
    }
    return folder;
}

static void reference_checkpoints(void **state) {
    (void)state;
    need_compiler("cxx");
    const int count = verify_folders(reference_folder());
    if (count < 1)
        fail_msg("no checkpoint in %s has a golden.safetensors", reference_folder());
    print_message("%d reference checkpoints\n", count);
}

// Every value that CUs hand each other, not only the logits.
static void intermediate_values(void **state) {
    (void)state;
    need_compiler("cxx");
    static const char *const names[] = {"tiny-gemma3", "tiny-fp16"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct process_result result =
            program_run(0, "verify %s/%s --device host --compare reference --steps 20 --set cus=5",
                        bundled, names[i]);
        expect_part(words_of(&result.output), "values that CUs handed each other");
        process_result_close(&result);
    }
}

static void experts_are_refused_by_name(void **state) {
    (void)state;
    const char *folder = reference_folder();
    static const char *const names[] = {"tiny-mixtral", "tiny-qwen3-moe"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char line[PATH_MAX + 64];
        snprintf(line, sizeof line, "generate %s/%s", folder, names[i]);
        program_expect_failure(1, "model_type", line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundled_checkpoints),
        cmocka_unit_test(intermediate_values),
        cmocka_unit_test(reference_checkpoints),
        cmocka_unit_test(experts_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
