// run and verify, as their users start them, on the host.
#include "generator/base/file.h"
#include "runtime/safetensors.h"
#include "runtime/tokenizer/tokenizer.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/small_kernel.h"

static const char checkpoint[] = "specs/checkpoints/austen-3m";

// What the reference continues prompt i with, as text. The caller frees it.
static char *golden_text(size_t i, size_t *steps) {
    struct monogen_error error = {0};
    char name[32], path[128], *text = NULL;
    size_t bytes;
    uint32_t *ids;
    struct tokenizer *tokenizer = NULL;
    snprintf(path, sizeof path, "%s/golden.safetensors", checkpoint);
    struct safetensors *golden = safetensors_open(path, &error);
    if (!golden || !tokenizer_open(checkpoint, &tokenizer, &error))
        fail_msg("%s", error.message);
    snprintf(name, sizeof name, "tokens.%zu", i);
    const struct tensor *tokens = safetensors_need(golden, name, &error);
    assert_non_null(tokens);
    *steps = (size_t)tokens->elements;
    ids = calloc(*steps, sizeof *ids);
    assert_non_null(ids);
    memcpy(ids, tokens->data, *steps * sizeof *ids);
    assert_true(tokenizer_decode(tokenizer, ids, *steps, true, &text, &bytes, &error));
    free(ids);
    tokenizer_close(tokenizer);
    safetensors_close(golden);
    return text;
}

static void run_writes_the_golden_continuations(void **state) {
    (void)state;
    need_compiler("cxx");
    char path[128];
    snprintf(path, sizeof path, "%s/golden.json", checkpoint);
    json_t *json = json_load_file(path, 0, NULL), *prompt;
    size_t i;
    json_array_foreach(json_object_get(json, "prompts"), i, prompt) {
        size_t steps;
        char *expected = golden_text(i, &steps), line[1024];
        // through standard input, as the prompts hold quotes
        snprintf(line, sizeof line, "run austen-3m --device host --kv fp32 -n %zu -", steps);
        struct process_result result = program_start(line, json_string_value(prompt));
        program_expect_status(&result, line, 0);
        assert_string_equal(words_of(&result.output), expected);
        expect_part(words_of(&result.errors), "tokens/s");
        process_result_close(&result);
        free(expected);
    }
    assert_true(i >= 3);
    json_decref(json);
}

static void run_takes_a_prompt_in_every_form(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result text =
        program_run(0, "run austen-3m --device host -n 6 --prompt 'Emma was'");
    struct process_result input =
        program_start("run austen-3m --device host -n 6 --prompt -", "Emma was");
    assert_string_equal(words_of(&text.output), words_of(&input.output));
    process_result_close(&input);
    process_result_close(&text);
    struct process_result random =
        program_run(0, "run austen-3m --device host -n 5 --weights random --tokens 1,2,3");
    int blanks = 0;
    for (const char *at = words_of(&random.output); *at; at++) {
        blanks += *at == ' ';
        assert_true((*at >= '0' && *at <= '9') || *at == ' ' || *at == '\n');
    }
    assert_int_equal(blanks, 4);
    struct process_result again =
        program_run(0, "run austen-3m --device host -n 5 --weights random --tokens 1,2,3");
    assert_string_equal(words_of(&random.output), words_of(&again.output));
    process_result_close(&again);
    process_result_close(&random);
}

static void prompts_that_cannot_be_run_are_errors(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(1, "run austen-3m --device host --context 4 --tokens 1,2,3,4,5");
    expect_part(words_of(&result.errors), "the prompt has 5 tokens, the context of 4");
    process_result_close(&result);
    result = program_run(1, "run austen-3m --device host --tokens 2048");
    expect_part(words_of(&result.errors), "outside the vocabulary of 2048");
    process_result_close(&result);
    result = program_run(1, "run austen-3m --device host --weights random --prompt a");
    expect_part(words_of(&result.errors), "there is no tokenizer");
    process_result_close(&result);
}

static void a_device_that_is_not_there_is_named(void **state) {
    (void)state;
    assert_int_equal(setenv("MONOGEN_HIP_LIBRARY", "/no/such/libamdhip64.so", 1), 0);
    assert_int_equal(setenv("MONOGEN_CUDA_LIBRARY", "/no/such/libcuda.so.1", 1), 0);
    struct process_result result = program_run(3, "run austen-3m --device hip -n 1");
    expect_part(words_of(&result.errors), "device hip cannot be used: cannot open the HIP runtime");
    process_result_close(&result);
    result = program_run(3, "run austen-3m --device cuda -n 1");
    expect_part(words_of(&result.errors),
                "device cuda cannot be used: cannot open the CUDA driver");
    process_result_close(&result);
    unsetenv("MONOGEN_HIP_LIBRARY");
    unsetenv("MONOGEN_CUDA_LIBRARY");
}

// A GPU for which there is no target is passed over, and named where it was asked for.
static void a_device_of_another_kind_is_passed_over(void **state) {
    (void)state;
    need_compiler("cxx");
    char fake[512];
    const char *tree = getenv("MONOGEN_TEST_TREE");
    snprintf(fake, sizeof fake, "./%s/tests/runtime/backend/fake_hip_6.so", tree ? tree : "build");
    assert_int_equal(setenv("MONOGEN_HIP_LIBRARY", fake, 1), 0);
    assert_int_equal(setenv("MONOGEN_FAKE_ISA", "gfx1100", 1), 0);
    struct process_result result = program_run(3, "run austen-3m --device hip -n 1");
    expect_part(words_of(&result.errors), "is gfx1100, not gfx942; MONOGEN_HIP_DEVICE chooses");
    process_result_close(&result);
    result = program_run(0, "run austen-3m --device auto --tokens 1 -n 1");
    process_result_close(&result);
    unsetenv("MONOGEN_HIP_LIBRARY");
    unsetenv("MONOGEN_FAKE_ISA");
}

static int entries_in(const char *path) {
    int count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void without_a_cache_nothing_is_left_behind(void **state) {
    (void)state;
    need_compiler("cxx");
    char temporary[PATH_MAX + 32];
    snprintf(temporary, sizeof temporary, "%s/temporary", program_folder());
    assert_int_equal(mkdir(temporary, 0755), 0);
    assert_int_equal(setenv("TMPDIR", temporary, 1), 0);
    struct process_result result = program_run(0, "run austen-3m --device host -n 2 --cache none");
    assert_string_equal(strstr(words_of(&result.errors), "note:") ? "a note" : "", "");
    process_result_close(&result);
    result = program_run(0, "run austen-3m --device host -n 2 --cache /proc/nowhere");
    expect_part(words_of(&result.errors), "note: cannot make the folder /proc/nowhere");
    process_result_close(&result);
    assert_int_equal(entries_in(temporary), 0);
    unsetenv("TMPDIR");
}

static void layers_that_are_left_out_are_named(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(0, "run austen-3m --device host --tokens 1 -n 1 --set layers=3");
    expect_part(words_of(&result.errors), "note: the model does not use 9 tensors of ");
    expect_part(words_of(&result.errors), ": model.layers.3.");
    process_result_close(&result);
}

static void a_damaged_cached_kernel_is_written_again(void **state) {
    (void)state;
    need_compiler("cxx");
    char kernels[PATH_MAX + 64], path[2 * PATH_MAX];
    snprintf(kernels, sizeof kernels, "%s/damaged", program_folder());
    struct process_result first =
        program_run(0, "run austen-3m --device host -n 4 --cache '%s'", kernels);
    strcat(kernels, "/kernels");
    DIR *directory = opendir(kernels);
    assert_non_null(directory);
    int damaged = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/5-kernel.so", kernels, entry->d_name);
        write_test_file(path, "not a shared object");
        damaged++;
    }
    closedir(directory);
    assert_int_equal(damaged, 1);
    struct process_result second =
        program_run(0, "run austen-3m --device host -n 4 --cache '%s/damaged'", program_folder());
    assert_string_equal(words_of(&first.output), words_of(&second.output));
    process_result_close(&second);
    process_result_close(&first);
}

static void verify_agrees_with_the_reference(void **state) {
    (void)state;
    need_compiler("cxx");
    static const int cus[] = {1, 2, 7, 64};
    static const char *const kvs[] = {"fp32", "bf16"};
    const size_t kv_count = getenv("MONOGEN_TEST_ALL") ? 2 : 1;
    for (size_t i = 0; i < sizeof cus / sizeof *cus; i++)
        for (size_t k = 0; k < (cus[i] == 2 ? 2 : kv_count); k++) {
            struct process_result result = program_run(
                0, "verify %s --device host --kv %s --set cus=%d", checkpoint, kvs[k], cus[i]);
            expect_part(words_of(&result.output), "total   321 positions");
            process_result_close(&result);
        }
}

static void verify_fails_where_the_bound_is_exceeded(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(1, "verify austen-3m --device host --steps 20 --tolerance 1e-9");
    expect_part(words_of(&result.errors), "exceeds 1e-09");
    expect_part(words_of(&result.output), "total   60 positions");
    process_result_close(&result);
}

// Weights of another model are another model: every rung of the comparison must notice.
static void verify_fails_for_other_logits(void **state) {
    (void)state;
    need_compiler("cxx");
    char path[PATH_MAX + 32], source[128];
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    size_t bytes = 0;
    snprintf(source, sizeof source, "%s/golden.safetensors", checkpoint);
    char *golden = file_read(&arena, source, 1 << 24, &bytes, &diagnostics);
    assert_non_null(golden);
    // tokens.2 are the last bytes of the file
    struct monogen_error error = {0};
    struct safetensors *tensors = safetensors_open(source, &error);
    const struct tensor *tokens = safetensors_need(tensors, "tokens.2", &error);
    const struct tensor *first = safetensors_at(tensors, 0);
    assert_true(tokens && first);
    size_t at = bytes - tokens->bytes + 12 * sizeof(int32_t);
    safetensors_close(tensors);
    golden[at] = (char)(golden[at] ^ 1); // another continuation from its 13th token on
    snprintf(path, sizeof path, "%s/other.safetensors", program_folder());
    assert_true(file_write(path, golden, bytes, &diagnostics));
    struct process_result result =
        program_run(1, "verify austen-3m --device host --golden '%s'", path);
    expect_part(words_of(&result.errors), "prompt 2: ");
    expect_part(words_of(&result.errors), "the decode loop chose token");
    process_result_close(&result);
    diagnostics_close(&diagnostics);
    arena_close(&arena);
}

static void verify_refuses_what_is_no_golden_file(void **state) {
    (void)state;
    need_compiler("cxx");
    struct process_result result =
        program_run(1, "verify austen-3m --device host --golden %s/model.safetensors", checkpoint);
    expect_part(words_of(&result.errors), "no golden file");
    process_result_close(&result);
    result = program_run(1, "verify austen-3m --device host --golden %s/config.json", checkpoint);
    process_result_close(&result);
}

// No command takes it, or a name that means nothing, for a spec without weights.
static void a_folder_without_a_config_is_named_by_every_command(void **state) {
    (void)state;
    char folder[PATH_MAX + 32], expected[PATH_MAX + 96], line[PATH_MAX + 64];
    struct diagnostics diagnostics = {0};
    snprintf(folder, sizeof folder, "%s/no_config", program_folder());
    assert_true(folder_make(folder, &diagnostics));
    snprintf(expected, sizeof expected, "%s/config.json: error: there is no such file", folder);
    static const char *const verbs[] = {"verify", "run", "bench", "tune"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        snprintf(line, sizeof line, "%s '%s' --device host", verbs[i], folder);
        program_expect_failure(1, expected, line);
        snprintf(line, sizeof line, "%s no-such-model --device host", verbs[i]);
        program_expect_failure(1, "there is no model \"no-such-model\"", line);
    }
    program_expect_failure(2, "random weights have no golden file to compare with",
                           "verify austen-3m --device host --weights random");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_writes_the_golden_continuations),
        cmocka_unit_test(run_takes_a_prompt_in_every_form),
        cmocka_unit_test(prompts_that_cannot_be_run_are_errors),
        cmocka_unit_test(a_device_that_is_not_there_is_named),
        cmocka_unit_test(a_device_of_another_kind_is_passed_over),
        cmocka_unit_test(without_a_cache_nothing_is_left_behind),
        cmocka_unit_test(layers_that_are_left_out_are_named),
        cmocka_unit_test(a_damaged_cached_kernel_is_written_again),
        cmocka_unit_test(verify_agrees_with_the_reference),
        cmocka_unit_test(verify_fails_where_the_bound_is_exceeded),
        cmocka_unit_test(verify_fails_for_other_logits),
        cmocka_unit_test(verify_refuses_what_is_no_golden_file),
        cmocka_unit_test(a_folder_without_a_config_is_named_by_every_command),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
