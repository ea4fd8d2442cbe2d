// Whole tokenizers against what the reference library gave for the same files and texts.
#include "runtime/safetensors.h"
#include "tests/runtime/tokenizer/tokenizer_fixture.h"

#include <jansson.h>

// The array of ids in `json`, owned by the caller.
static uint32_t *read_ids(const json_t *json, size_t *count) {
    assert_true(json_is_array(json));
    *count = json_array_size(json);
    uint32_t *ids = calloc(*count + 1, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < *count; i++)
        ids[i] = (uint32_t)json_integer_value(json_array_get(json, i));
    return ids;
}

static void check_row(const struct tokenizer *tokenizer, const json_t *row) {
    const json_t *text = json_object_get(row, "text");
    const char *names[] = {"ids_plain", "ids"}, *decoded_names[] = {"decoded", "decoded_skip"};
    assert_true(json_is_string(text));
    for (int special = 0; special < 2; special++) {
        size_t count;
        uint32_t *ids = read_ids(json_object_get(row, names[special]), &count);
        const json_t *decoded = json_object_get(row, decoded_names[special]);
        assert_true(json_is_string(decoded));
        expect_ids(tokenizer, json_string_value(text), json_string_length(text), special, ids,
                   count);
        expect_text(tokenizer, ids, count, special, json_string_value(decoded),
                    json_string_length(decoded));
        free(ids);
    }
}

static void matches_golden(void **state) {
    const char *kind = *state;
    char folder[200], path[256];
    snprintf(folder, sizeof folder, "tests/golden/tokenizers/%s", kind);
    snprintf(path, sizeof path, "%s/golden.json", folder);
    struct tokenizer *tokenizer = open_folder(folder);
    json_error_t problem;
    json_t *golden = json_load_file(path, JSON_ALLOW_NUL, &problem);
    if (!golden)
        fail_msg("%s:%d: %s", path, problem.line, problem.text);
    const json_t *rows = json_object_get(golden, "rows");
    assert_true(json_array_size(rows) > 50);
    for (size_t i = 0; i < json_array_size(rows); i++)
        check_row(tokenizer, json_array_get(rows, i));
    json_decref(golden);
    tokenizer_close(tokenizer);
}

static void austen_prompts_have_their_ids(void **state) {
    (void)state;
    const char *folder = "specs/checkpoints/austen-3m";
    char path[256];
    struct monogen_error error;
    struct tokenizer *tokenizer = open_folder(folder);
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    struct safetensors *tensors = safetensors_open(path, &error);
    if (!tensors)
        fail_msg("%s", error.message);
    snprintf(path, sizeof path, "%s/golden.json", folder);
    json_t *golden = json_load_file(path, 0, NULL);
    const json_t *prompts = json_object_get(golden, "prompts");
    assert_true(json_array_size(prompts) > 0);
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        char name[32];
        snprintf(name, sizeof name, "prompt.%zu", i);
        const struct tensor *ids = safetensors_need(tensors, name, &error);
        if (!ids)
            fail_msg("%s", error.message);
        const json_t *text = json_array_get(prompts, i);
        assert_int_equal(ids->dtype, TENSOR_I32);
        uint32_t *expected = calloc(ids->elements, sizeof *expected);
        assert_non_null(expected);
        memcpy(expected, ids->data, ids->elements * sizeof *expected);
        expect_ids(tokenizer, json_string_value(text), json_string_length(text), true, expected,
                   ids->elements);
        expect_text(tokenizer, expected, ids->elements, true, json_string_value(text),
                    json_string_length(text));
        free(expected);
    }
    json_decref(golden);
    safetensors_close(tensors);
    tokenizer_close(tokenizer);
}

static void ids_without_a_token_and_special_ids_are_known(void **state) {
    (void)state;
    struct tokenizer *tokenizer = open_folder("tests/golden/tokenizers/llama3-style");
    assert_int_equal(tokenizer_token_count(tokenizer), 3000);
    assert_true(tokenizer_is_special(tokenizer, 0));
    assert_true(tokenizer_is_special(tokenizer, 1));
    assert_false(tokenizer_is_special(tokenizer, 2));
    assert_false(tokenizer_is_special(tokenizer, 3000));
    EXPECT_TEXT(tokenizer, "!", false, 3000, 2, UINT32_MAX);
    EXPECT_TEXT(tokenizer, "<|end|>!", false, 1, 2);
    EXPECT_TEXT(tokenizer, "!", true, 1, 2);
    tokenizer_close(tokenizer);
}

// Any ids at all: streamed text is whole characters, and what decoding at once gives.
static void random_ids_stream_as_they_decode(void **state) {
    char folder[200];
    snprintf(folder, sizeof folder, "tests/golden/tokenizers/%s", (const char *)*state);
    struct tokenizer *tokenizer = open_folder(folder);
    unsigned seed = 1;
    for (int round = 0; round < 2000; round++) {
        uint32_t ids[24];
        size_t count = (size_t)rand_r(&seed) % 24, bytes;
        // Half of them among the first, where the bytes are.
        for (size_t i = 0; i < count; i++)
            ids[i] = (uint32_t)(rand_r(&seed) % (rand_r(&seed) % 2 ? 300 : 3010));
        char *text;
        struct monogen_error error;
        assert_true(tokenizer_decode(tokenizer, ids, count, true, &text, &bytes, &error));
        expect_text(tokenizer, ids, count, true, text, bytes);
        free(text);
    }
    tokenizer_close(tokenizer);
}

int main(void) {
    static char gpt2[] = "gpt2-style", llama3[] = "llama3-style", qwen[] = "qwen-style",
                llama2[] = "llama2-style", mistral[] = "mistral-style", gemma[] = "gemma-style";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(matches_golden, gpt2),
        cmocka_unit_test_prestate(matches_golden, llama3),
        cmocka_unit_test_prestate(matches_golden, qwen),
        cmocka_unit_test_prestate(matches_golden, llama2),
        cmocka_unit_test_prestate(matches_golden, mistral),
        cmocka_unit_test_prestate(matches_golden, gemma),
        cmocka_unit_test(austen_prompts_have_their_ids),
        cmocka_unit_test(ids_without_a_token_and_special_ids_are_known),
        cmocka_unit_test_prestate(random_ids_stream_as_they_decode, llama3),
        cmocka_unit_test_prestate(random_ids_stream_as_they_decode, llama2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
