// A vocabulary as large as the largest in use must not be felt.
#include "runtime/clock.h"
#include "tests/runtime/tokenizer/tokenizer_fixture.h"

enum { TOKENS = 256000, MERGES = 512000, FIRST_LETTER = 'a', LETTERS_USED = 26 };

// Token i is i written with letters, so that a token without its last letter is a token.
static size_t write_token(uint32_t i, char text[16]) {
    char reversed[16];
    size_t length = 0;
    for (uint32_t rest = i + 1; rest > 0; rest = (rest - 1) / LETTERS_USED)
        reversed[length++] = (char)(FIRST_LETTER + (int)((rest - 1) % LETTERS_USED));
    for (size_t at = 0; at < length; at++)
        text[at] = reversed[length - 1 - at];
    text[length] = '\0';
    return length;
}

// Merges split tokens behind their first or before their last letter.
static char *write_file(size_t *length) {
    char *json = NULL, token[16];
    FILE *file = open_memstream(&json, length);
    assert_non_null(file);
    fputs("{\"model\":{\"type\":\"BPE\",\"vocab\":{", file);
    for (uint32_t i = 0; i < TOKENS; i++) {
        write_token(i, token);
        fprintf(file, "%s\n\"%s\": %u", i ? "," : "", token, i);
    }
    fputs("},\"merges\":[", file);
    for (uint32_t i = LETTERS_USED, merges = 0; merges < MERGES; merges++) {
        size_t bytes = write_token(i, token);
        size_t left = merges % 2 ? 1 : bytes - 1;
        fprintf(file, "%s\n[\"%.*s\", \"%s\"]", merges ? "," : "", (int)left, token, token + left);
        i = i + 1 < TOKENS ? i + 1 : LETTERS_USED;
    }
    fputs("]}}", file);
    assert_int_equal(fclose(file), 0);
    return json;
}

static void large_vocabulary_loads_and_merges_fast(void **state) {
    (void)state;
    char folder[256];
    size_t length;
    char *json = write_file(&length);
    write_tokenizer(folder, json, length);
    free(json);
    double begin = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    struct tokenizer *tokenizer = open_folder(folder);
    double load = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
    remove_tokenizer(folder);
    assert_int_equal(tokenizer_token_count(tokenizer), TOKENS);
    if (load > 1.0)
        fail_msg("%zu bytes with %d tokens load in %.3f s", length, TOKENS, load);

    // One word of a million letters: merging must not be quadratic.
    enum { WORD_BYTES = 1000000 };
    char *word = malloc(WORD_BYTES);
    assert_non_null(word);
    unsigned seed = 3;
    for (int i = 0; i < WORD_BYTES; i++)
        word[i] = (char)(FIRST_LETTER + rand_r(&seed) % LETTERS_USED);
    struct token_list ids = {0};
    struct monogen_error error;
    begin = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (!tokenizer_encode(tokenizer, word, WORD_BYTES, true, &ids, &error))
        fail_msg("%s", error.message);
    double encode = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
    assert_true(ids.count > 0 && ids.count < WORD_BYTES / 2);
    if (encode > 4.0)
        fail_msg("a word of %d letters takes %.3f s", WORD_BYTES, encode);
    print_message("%d tokens load in %.3f s, %d letters encode in %.3f s\n", TOKENS, load,
                  WORD_BYTES, encode);
    token_list_free(&ids);
    free(word);
    tokenizer_close(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_vocabulary_loads_and_merges_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
