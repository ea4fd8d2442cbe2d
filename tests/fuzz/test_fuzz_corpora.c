// Every fuzz target takes every file of its corpus: seeds, and inputs that were findings once. What
// is wrong ends the program, and the name of the file is printed before it is tried.
#include "generator/base/file.h"
#include "runtime/manifest.h"
#include "tests/fuzz/input.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

// The targets; the Makefile gives each this name.
#define TARGETS(X)                                                                                 \
    X(config) X(listing) X(manifest) X(object) X(plan) X(safetensors) X(spec) X(tokenizer)

typedef int target_function(const uint8_t *bytes, size_t size);
#define DECLARE(reader) target_function fuzz_##reader;
TARGETS(DECLARE)

// What nftw's callback works on.
static target_function *target;
static int inputs;

static int run_file(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    if (type != FTW_F || path[place->base] == '.')
        return 0;
    struct arena arena = {0};
    struct diagnostics trouble = {0};
    size_t size = 0;
    const char *text = file_read(&arena, path, MOST_BYTES, &size, &trouble);
    if (!text)
        fail_msg("%s", printed_diagnostics(&trouble));
    fprintf(stderr, "%s\n", path);
    // Of exactly that size, so that a read beyond it is seen.
    uint8_t *bytes = arena_alloc(&arena, size);
    memcpy(bytes, text, size);
    assert_int_equal(target(bytes, size), 0);
    inputs++;
    diagnostics_close(&trouble);
    arena_close(&arena);
    return 0;
}

static void run_folder(const char *folder) {
    const int before = inputs;
    assert_int_equal(nftw(folder, run_file, 16, FTW_PHYS), 0);
    if (inputs == before)
        fail_msg("%s has no input", folder);
}

// The corpus of the reader, and the folders that seeds.txt names beside it.
static void run_corpora(const char *reader, target_function *function) {
    struct arena arena = {0};
    target = function;
    inputs = 0;
    const char *own = arena_format(&arena, "tests/fuzz/corpus/%s", reader);
    if (folder_exists(own))
        run_folder(own);
    FILE *seeds = fopen("tests/fuzz/seeds.txt", "r");
    assert_non_null(seeds);
    char line[256], name[64], folder[128];
    while (fgets(line, sizeof line, seeds))
        if (sscanf(line, "%63s %127s", name, folder) == 2 && strcmp(name, reader) == 0)
            run_folder(folder);
    assert_int_equal(fclose(seeds), 0);
    arena_close(&arena);
    if (inputs == 0)
        fail_msg("there is no input for %s", reader);
}

#define DEFINE_TEST(reader)                                                                        \
    static void test_##reader(void **state) {                                                      \
        (void)state;                                                                               \
        run_corpora(#reader, fuzz_##reader);                                                       \
    }
TARGETS(DEFINE_TEST)

// A seed that is refused at its first line teaches a fuzzer nothing.
static void test_the_manifest_is_a_good_one(void **state) {
    (void)state;
    struct arena arena = {0};
    struct diagnostics trouble = {0};
    struct monogen_error error = {0};
    size_t size = 0;
    const char *text =
        file_read(&arena, "tests/fuzz/corpus/manifest/three_cus.json", MOST_BYTES, &size, &trouble);
    if (!text)
        fail_msg("%s", printed_diagnostics(&trouble));
    const char *path = input_file(&arena, "kernel/" MANIFEST_FILE_NAME, text, size);
    struct manifest *manifest =
        manifest_open(arena_format(&arena, "%s/kernel", input_folder()), &error);
    if (!manifest)
        fail_msg("%s", error.message);
    manifest_close(manifest);
    input_file_remove(path);
    arena_close(&arena);
}

static void test_all_targets_are_here(void **state) {
    (void)state;
#define NAME(reader) #reader,
    static const char *const here[] = {TARGETS(NAME)};
    DIR *folder = opendir("tests/fuzz");
    assert_non_null(folder);
    size_t found = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char reader[64];
        if (sscanf(entry->d_name, "fuzz_%63[a-z_].c", reader) != 1)
            continue;
        bool known = false;
        for (size_t i = 0; i < sizeof here / sizeof *here; i++)
            known |= strcmp(here[i], reader) == 0;
        if (!known)
            fail_msg("the corpus of %s is not tried here", entry->d_name);
        found++;
    }
    closedir(folder);
    assert_int_equal(found, sizeof here / sizeof *here);
}

int main(void) {
#define TEST(reader) cmocka_unit_test(test_##reader),
    const struct CMUnitTest tests[] = {TARGETS(TEST)
                                           cmocka_unit_test(test_the_manifest_is_a_good_one),
                                       cmocka_unit_test(test_all_targets_are_here)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
