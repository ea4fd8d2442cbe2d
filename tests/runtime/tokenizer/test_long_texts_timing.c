// Long texts of every sort: time and memory grow with the text, not with its square.
#include "runtime/clock.h"
#include "tests/runtime/tokenizer/tokenizer_fixture.h"

#include <sys/resource.h>

enum { TEXT_BYTES = 4 << 20, MAX_MEGABYTES = 400 };

static const double max_seconds = 8.0; // of each; the slowest takes a quarter of that

// What is repeated, or letters of which each is chosen at random.
static const struct sort {
    const char *part;
    bool random;
} sorts[] = {
    {"It is a truth universally acknowledged, that a single man must be in want of a wife.\n", 0},
    {"abcdefghijklmnopqrstuvwxyz", true},
    {"0123456789", true},
    {"a", false},
    {" ", false},
    {"\n", false},
    {" \n", false},
    {"!", false},
    {"\u4f60\u597d\u4e16\u754c", false},
    {"\U0001F469\u200d\U0001F469\u200d\U0001F467", false},
    {"\u0301\u0323", false}, // marks that change places
    {"<s>", false},
    {"<|begin|> ", false},
    {" \n\t", false},
};

// Returns the bytes that were written: no part is cut.
static size_t write_text(const struct sort *sort, char *text) {
    const size_t part = strlen(sort->part);
    size_t length = 0;
    unsigned seed = 5;
    while (length + part <= TEXT_BYTES) {
        if (sort->random) {
            text[length++] = sort->part[(size_t)rand_r(&seed) % part];
        } else {
            memcpy(text + length, sort->part, part);
            length += part;
        }
    }
    return length;
}

static void encode_all(const struct tokenizer *tokenizer, const char *kind) {
    char *text = malloc(TEXT_BYTES);
    assert_non_null(text);
    double slowest = 0;
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        struct token_list ids = {0};
        struct monogen_error error;
        const size_t length = write_text(&sorts[i], text);
        const double begin = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (!tokenizer_encode(tokenizer, text, length, true, &ids, &error))
            fail_msg("%s: '%s': %s", kind, sorts[i].part, error.message);
        const double seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
        if (seconds > max_seconds)
            fail_msg("%s: %zu bytes of '%s' take %.2f s", kind, length, sorts[i].part, seconds);
        slowest = seconds > slowest ? seconds : slowest;
        token_list_free(&ids);
    }
    struct rusage used;
    assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
    if (used.ru_maxrss / 1024 > MAX_MEGABYTES)
        fail_msg("%s: %ld MB for texts of %d MB", kind, used.ru_maxrss / 1024, TEXT_BYTES >> 20);
    print_message("%s: the slowest text takes %.2f s, %ld MB\n", kind, slowest,
                  used.ru_maxrss / 1024);
    free(text);
}

static void long_texts_of_the_kinds(void **state) {
    (void)state;
    static const char *const kinds[] = {"llama2-style", "mistral-style", "gpt2-style",
                                        "llama3-style", "qwen-style"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char folder[200];
        snprintf(folder, sizeof folder, "tests/golden/tokenizers/%s", kinds[i]);
        struct tokenizer *tokenizer = open_folder(folder);
        encode_all(tokenizer, kinds[i]);
        tokenizer_close(tokenizer);
    }
}

// Tokens that take the white space around them, in a text of white space.
static void long_texts_of_greedy_tokens(void **state) {
    (void)state;
    struct tokenizer *tokenizer = open_text(
        "{" LETTER_MODEL ",\"added_tokens\":["
        "{\"id\":12,\"content\":\" \\n\",\"rstrip\":true,\"normalized\":false},"
        "{\"id\":13,\"content\":\"\\t\",\"normalized\":false},"
        "{\"id\":14,\"content\":\"!\",\"lstrip\":true,\"single_word\":true,\"normalized\":false},"
        "{\"id\":15,\"content\":\"0\",\"rstrip\":true,\"lstrip\":true,\"normalized\":false}]}");
    encode_all(tokenizer, "greedy tokens");
    tokenizer_close(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_texts_of_the_kinds),
        cmocka_unit_test(long_texts_of_greedy_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
