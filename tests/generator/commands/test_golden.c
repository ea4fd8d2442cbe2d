#include "generator/commands/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/kernel_folder.h"
#include "tests/support/small_kernel.h"

enum { VOCAB = 4, PROMPT = 2, STEPS = 3 };

static const int32_t prompt_ids[PROMPT] = {1, 2}, tokens[STEPS] = {3, 0, 1};
static const float prompt_logits[PROMPT][VOCAB] = {{0, 1, 2, 3}, {4, 5, 6, 7}};
static const float logits[STEPS][VOCAB] = {{8, 9, 10, 11}, {12, 13, 14, 15}, {16, 17, 18, 19}};

enum { PROMPT_0, PROMPT_LOGITS_0, TOKENS_0, LOGITS_0, TENSORS };

static void good_tensors(struct tensor_to_write tensors[TENSORS]) {
    tensors[PROMPT_0] =
        (struct tensor_to_write){"prompt.0", "I32", "[2]", prompt_ids, sizeof prompt_ids};
    tensors[PROMPT_LOGITS_0] = (struct tensor_to_write){"prompt_logits.0", "F32", "[2,4]",
                                                        prompt_logits, sizeof prompt_logits};
    tensors[TOKENS_0] = (struct tensor_to_write){"tokens.0", "I32", "[3]", tokens, sizeof tokens};
    tensors[LOGITS_0] = (struct tensor_to_write){"logits.0", "F32", "[3,4]", logits, sizeof logits};
}

static bool open_written(struct kernel_folder *folder, const struct tensor_to_write *tensors,
                         size_t count, struct golden *golden) {
    char path[PATH_MAX + 16];
    kernel_folder_write_tensors(folder, "golden", tensors, count);
    snprintf(path, sizeof path, "%s/golden", folder->path);
    folder->error = (struct monogen_error){0};
    return golden_open(path, VOCAB, golden, &folder->error);
}

static void a_good_file_opens(void **state) {
    struct kernel_folder *folder = *state;
    struct tensor_to_write list[TENSORS];
    struct golden golden;
    good_tensors(list);
    assert_true(open_written(folder, list, TENSORS, &golden));
    assert_int_equal(golden.count, 1);
    const struct golden_prompt *prompt = &golden.prompts[0];
    assert_int_equal(prompt->prompt_count, PROMPT);
    assert_int_equal(prompt->step_count, STEPS);
    const uint32_t ids[] = {1, 2, 3, 0, 1};
    assert_memory_equal(prompt->ids, ids, sizeof ids);
    golden_close(&golden);
}

static void positions_are_the_prompt_then_the_steps(void **state) {
    struct kernel_folder *folder = *state;
    struct tensor_to_write list[TENSORS];
    struct golden golden;
    float row[VOCAB];
    good_tensors(list);
    assert_true(open_written(folder, list, TENSORS, &golden));
    const struct golden_prompt *prompt = &golden.prompts[0];
    assert_int_equal(golden_positions(prompt), PROMPT + STEPS);
    // the logits after the prompt's last token choose step 0
    const size_t fed[] = {0, 1, 1, 2, 3};
    for (size_t k = 0; k < PROMPT + STEPS; k++) {
        assert_int_equal(golden_fed_token(prompt, k), fed[k]);
        golden_logits(&golden, prompt, k, row);
        assert_true(row[0] == (float)(VOCAB * k));
    }
    golden_close(&golden);
}

static void expect_refused(struct kernel_folder *folder, const struct tensor_to_write *list,
                           size_t count, const char *part) {
    struct golden golden;
    assert_false(open_written(folder, list, count, &golden));
    kernel_folder_expect_error(folder, MONOGEN_BAD_INPUT, part);
    golden_close(&golden);
}

static void each_tensor_is_needed(void **state) {
    struct kernel_folder *folder = *state;
    static const char *const names[] = {"prompt.0", "prompt_logits.0", "tokens.0", "logits.0"};
    for (size_t missing = 0; missing < TENSORS; missing++) {
        struct tensor_to_write list[TENSORS];
        good_tensors(list);
        list[missing] = list[TENSORS - 1]; // the last one fills its place
        expect_refused(folder, list, TENSORS - 1, names[missing]);
    }
}

static void shapes_and_dtypes_are_checked(void **state) {
    struct kernel_folder *folder = *state;
    static const struct {
        int tensor;
        const char *dtype, *shape, *message;
    } cases[] = {
        {PROMPT_0, "F32", "[2]", "it must be [n] i32"},
        {PROMPT_0, "I32", "[2,1]", "it must be [n] i32"},
        {TOKENS_0, "I64", "[3]", "it must be [n] i32"},
        {PROMPT_LOGITS_0, "F32", "[4,2]", "it must be [n][4] fp32"},
        {PROMPT_LOGITS_0, "F32", "[8]", "it must be [n][4] fp32"},
        {LOGITS_0, "I32", "[3,4]", "it must be [n][4] fp32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tensor_to_write list[TENSORS];
        static const int64_t wide[3] = {1, 1, 1};
        good_tensors(list);
        struct tensor_to_write *tensor = &list[cases[i].tensor];
        tensor->dtype = cases[i].dtype;
        tensor->shape = cases[i].shape;
        if (strcmp(tensor->dtype, "I64") == 0) {
            tensor->data = wide;
            tensor->bytes = sizeof wide;
        }
        expect_refused(folder, list, TENSORS, cases[i].message);
    }
}

static void counts_must_agree(void **state) {
    struct kernel_folder *folder = *state;
    struct tensor_to_write list[TENSORS];
    good_tensors(list);
    list[LOGITS_0].shape = "[2,4]";
    list[LOGITS_0].bytes = 2 * VOCAB * sizeof(float);
    expect_refused(folder, list, TENSORS, "\"tokens.0\" has 3 entries, \"logits.0\" has 2");
    good_tensors(list);
    list[PROMPT_0].shape = "[0]";
    list[PROMPT_0].bytes = 0;
    expect_refused(folder, list, TENSORS, "prompt.0");
}

static void ids_must_be_in_the_vocabulary(void **state) {
    struct kernel_folder *folder = *state;
    static const int32_t bad[][2] = {{1, VOCAB}, {-1, 2}, {INT32_MIN, 0}, {INT32_MAX, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tensor_to_write list[TENSORS];
        good_tensors(list);
        list[PROMPT_0].data = bad[i];
        expect_refused(folder, list, TENSORS, "outside the vocabulary of 4");
    }
}

static void other_files_are_no_golden_files(void **state) {
    struct kernel_folder *folder = *state;
    const struct tensor_to_write other = {"weight", "F32", "[2,4]", prompt_logits,
                                          sizeof prompt_logits};
    struct golden golden;
    expect_refused(folder, &other, 1, "no golden file");
    assert_false(golden_open("/nowhere/golden.safetensors", VOCAB, &golden, &folder->error));
    golden_close(&golden);
}

// A folder to write in; of the runtime's fixture no more is needed.
static int make_folder(void **state) {
    static struct kernel_folder folder;
    snprintf(folder.path, sizeof folder.path, "%s", test_folder("golden"));
    *state = &folder;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_opens),
        cmocka_unit_test(positions_are_the_prompt_then_the_steps),
        cmocka_unit_test(each_tensor_is_needed),
        cmocka_unit_test(shapes_and_dtypes_are_checked),
        cmocka_unit_test(counts_must_agree),
        cmocka_unit_test(ids_must_be_in_the_vocabulary),
        cmocka_unit_test(other_files_are_no_golden_files),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
