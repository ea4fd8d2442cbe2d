// The code for an MI300X, executed on the CPU: right tokens, the same for every seed, and faults
// that are caught.
#include "generator/base/file.h"
#include "runtime/monogen.h"
#include "tests/support/generated.h"
#include "tests/support/program.h"
#include "tests/support/reference_folder.h"
#include "tests/support/small_kernel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char bundled[] = "tests/golden/checkpoints";
static const char austen[] = "specs/checkpoints/austen-3m";

// ---- right
// ----------------------------------------------------------------------------------------

static void verify(const char *folder, const char *options) {
    struct process_result result = program_run(0, "verify %s --device sim %s", folder, options);
    expect_part(words_of(&result.output), "total   ");
    process_result_close(&result);
}

// The bounds are verify's own, those of the host.
static void checkpoints_are_right(void **state) {
    (void)state;
    need_compiler("comgr");
    static const char *const names[] = {"tiny-fp16", "tiny-gemma3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char folder[128];
        snprintf(folder, sizeof folder, "%s/%s", bundled, names[i]);
        verify(folder, "--steps 1");
        verify(folder, "--steps 1 --kv bf16 --seed 1");
    }
    verify(austen, all_tests_wanted() ? "--steps 8" : "--steps 1");
}

// The other dense reference checkpoints.
static void references_are_right(void **state) {
    (void)state;
    need_compiler("comgr");
    if (!all_tests_wanted()) {
        print_message("SKIPPED: a part of the long matrix (make test-all)\n");
        skip();
    }
    static const char *const names[] = {"tiny-gemma2",  "tiny-linear-rope",  "tiny-llama3",
                                        "tiny-long",    "tiny-llama-untied", "tiny-mistral",
                                        "tiny-qwen2",   "tiny-qwen3",        "tiny-sharded",
                                        "tiny-smollm2", "tiny-yarn"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        verify(reference_checkpoint(names[i]), "--steps 8");
}

// ---- the same for every seed
// ----------------------------------------------------------------------

enum { TOKENS = 3 };

static float *logits_with_seed(const char *folder, uint64_t seed, uint32_t *vocab) {
    static const uint32_t tokens[TOKENS] = {0, 500, 1200};
    const struct monogen_options options = {
        .kernel_folder = folder, .weights_folder = austen, .device = "sim", .device_seed = seed};
    struct monogen_error error;
    struct monogen *model = monogen_open(&options, &error);
    if (!model)
        fail_msg("%s", error.message);
    *vocab = monogen_vocab(model);
    float *logits = calloc((size_t)TOKENS * *vocab, sizeof *logits);
    assert_non_null(logits);
    if (!monogen_logits(model, tokens, TOKENS, logits, &error))
        fail_msg("seed %" PRIu64 ": %s", seed, error.message);
    monogen_close(model);
    return logits;
}

static void seeds_change_nothing(void **state) {
    (void)state;
    skip_without_compiler("comgr");
    struct generated made;
    generated_open(&made, &(struct wanted_generation){
                              .spec = "austen-3m", .target = "mi300x", .compile = true});
    const char *folder = test_folder("seeds");
    generated_write(&made, folder);
    uint32_t vocab;
    float *first = logits_with_seed(folder, 0, &vocab);
    const uint64_t seeds = all_tests_wanted() ? 20 : 3;
    for (uint64_t seed = 1; seed < seeds; seed++) {
        float *logits = logits_with_seed(folder, seed, &vocab);
        for (size_t i = 0; i < (size_t)TOKENS * vocab; i++)
            if (memcmp(&logits[i], &first[i], sizeof *first) != 0)
                fail_msg("seed %" PRIu64 ": logit %zu of token %zu is %a, with seed 0 %a", seed,
                         i % vocab, i / vocab, (double)logits[i], (double)first[i]);
        free(logits);
    }
    free(first);
    generated_close(&made);
}

// ---- what is counted
// ------------------------------------------------------------------------------

static double count_of(const json_t *counts, const char *name) {
    const json_t *number = json_object_get(counts, name);
    if (!json_is_integer(number))
        fail_msg("no count of %s", name);
    return (double)json_integer_value(number);
}

static void counts_add_up(void **state) {
    (void)state;
    need_compiler("comgr");
    char file[512];
    snprintf(file, sizeof file, "%s/counts.json", program_folder());
    struct process_result result =
        program_run(0, "run austen-3m --device sim -n 2 --tokens 0 --counts '%s'", file);
    expect_part(words_of(&result.errors), "of 2 positions");
    process_result_close(&result);
    json_error_t error;
    json_t *counts = json_load_file(file, 0, &error);
    assert_non_null(counts);
    assert_int_equal(count_of(counts, "positions"), 2);
    // Whatever an L2 reads or writes, it exchanges with memory of some IOD; a quarter is near.
    const double local = count_of(counts, "local_bytes"), remote = count_of(counts, "remote_bytes");
    const double read = count_of(counts, "l2_misses") * 128;
    assert_true(local + remote == read + count_of(counts, "written_bytes"));
    assert_true(local > 0.2 * (local + remote) && local < 0.3 * (local + remote));
    // All weights are read, 7.4 MB of them, and then L2s hold them.
    assert_true(read > 7.3e6 && read < 2 * 7.4e6);
    assert_true(count_of(counts, "lds") > 0 && count_of(counts, "barriers") > 0);
    assert_int_equal(count_of(counts, "caches"), 0); // no fence anywhere
    json_decref(counts);
    program_expect_failure(2, "only --device sim counts",
                           "run austen-3m --device host -n 1 --tokens 0 --counts /dev/null");
}

// ---- faults in an emitted kernel
// ------------------------------------------------------------------

// Writes austen-3m's source with `part` replaced once by `with`; fails the test where `part` is not
// there. Returns its path, valid until the next call.
static const char *edited_source(const char *name, const char *part, const char *with) {
    static char path[512];
    char original[512];
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    size_t length;
    snprintf(original, sizeof original, "%s/3-kernel.hip", program_generated("mi300x"));
    const char *source = file_read(&arena, original, 16 << 20, &length, &diagnostics);
    assert_non_null(source);
    const char *at = strstr(source, part);
    if (!at)
        fail_msg("the source does not hold: %s", part);
    struct text edited = {0};
    text_append_bytes(&edited, source, (size_t)(at - source));
    text_append(&edited, with);
    text_append(&edited, at + strlen(part));
    snprintf(path, sizeof path, "%s/%s.hip", program_folder(), name);
    assert_true(file_write(path, edited.bytes, edited.length, &diagnostics));
    text_close(&edited);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
    return path;
}

static void expect_fault(const char *source, const char *part) {
    char line[1024];
    snprintf(line, sizeof line, "run austen-3m --device sim -n 1 --tokens 0,17 --source '%s'",
             source);
    program_expect_failure(3, part, line);
}

#define PUBLISH "DEVICE void publish(const Worker &worker, u32 slot, u32 value, u32 epoch) {\n"

static void a_missing_handoff_is_named(void **state) {
    (void)state;
    need_compiler("comgr");
    expect_fault(edited_source("missing", PUBLISH,
                               PUBLISH "    if (worker.cu == 5 && worker.position == 1)\n"
                                       "        return;\n"),
                 "of mailbox hidden");
}

static void an_epoch_off_by_one_is_a_deadlock(void **state) {
    (void)state;
    need_compiler("comgr");
    expect_fault(edited_source("epoch", PUBLISH,
                               PUBLISH "    epoch += worker.cu == 5 && worker.position == 1;\n"),
                 "deadlock after");
}

// A mailbox's pair that stays in an L2: nobody on another XCD sees it.
static void a_store_of_too_narrow_a_scope_is_a_deadlock(void **state) {
    (void)state;
    need_compiler("comgr");
    expect_fault(edited_source("store",
                               "    __hip_atomic_store(pair, value, __ATOMIC_RELAXED, "
                               "__HIP_MEMORY_SCOPE_AGENT);\n",
                               "    __hip_atomic_store(pair, value, __ATOMIC_RELAXED, "
                               "__HIP_MEMORY_SCOPE_WORKGROUP);\n"),
                 "of mailbox hidden");
}

// A poll that finds what its caches have.
static void a_load_of_too_narrow_a_scope_is_a_deadlock(void **state) {
    (void)state;
    need_compiler("comgr");
    expect_fault(edited_source("load",
                               "    return __hip_atomic_load((u64 *)pair, __ATOMIC_RELAXED, "
                               "__HIP_MEMORY_SCOPE_AGENT);\n",
                               "    return __hip_atomic_load((u64 *)pair, __ATOMIC_RELAXED, "
                               "__HIP_MEMORY_SCOPE_WORKGROUP);\n"),
                 "of mailbox hidden");
}

static void a_wrong_xcd_is_counted(void **state) {
    (void)state;
    need_compiler("comgr");
    expect_fault(edited_source("roles", "    {0, 0, 0, 38},\n", "    {1, 0, 0, 38},\n"),
                 "XCD 0 got 0 workgroups");
}

static void an_absent_workgroup_is_awaited(void **state) {
    (void)state;
    need_compiler("comgr");
    expect_fault(edited_source("absent", "DEVICE void decode() {\n",
                               "DEVICE void decode() {\n"
                               "    if (__builtin_amdgcn_workgroup_id_x() == 5)\n"
                               "        return;\n"),
                 "control + 0x0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_are_right),
        cmocka_unit_test(references_are_right),
        cmocka_unit_test(seeds_change_nothing),
        cmocka_unit_test(counts_add_up),
        cmocka_unit_test(a_missing_handoff_is_named),
        cmocka_unit_test(an_epoch_off_by_one_is_a_deadlock),
        cmocka_unit_test(a_store_of_too_narrow_a_scope_is_a_deadlock),
        cmocka_unit_test(a_load_of_too_narrow_a_scope_is_a_deadlock),
        cmocka_unit_test(a_wrong_xcd_is_counted),
        cmocka_unit_test(an_absent_workgroup_is_awaited),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
