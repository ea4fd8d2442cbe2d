// Files that are malformed, absurd, or ask for what is not supported: each is refused with a
// message that says what and where.
#include "tests/runtime/tokenizer/tokenizer_fixture.h"

#include <sys/stat.h>

static void expect_refused_bytes(const char *bytes, size_t length, const char *part) {
    char folder[256];
    struct monogen_error error = {.status = MONOGEN_OK};
    struct tokenizer *tokenizer;
    write_tokenizer(folder, bytes, length);
    bool opened = tokenizer_open(folder, &tokenizer, &error);
    remove_tokenizer(folder);
    if (opened)
        fail_msg("accepted %.300s, expected \"%s\"", bytes, part);
    assert_null(tokenizer);
    if (error.status != MONOGEN_BAD_INPUT || !strstr(error.message, part) ||
        !strstr(error.message, "tokenizer.json"))
        fail_msg("status %d: %s; expected \"%s\"", (int)error.status, error.message, part);
}

static void expect_refused(const char *json, const char *part) {
    expect_refused_bytes(json, strlen(json), part);
}

static void absent_file_is_no_error(void **state) {
    (void)state;
    struct monogen_error error;
    struct tokenizer *tokenizer = NULL;
    assert_true(tokenizer_open("tests/golden", &tokenizer, &error));
    assert_null(tokenizer);
    assert_true(tokenizer_open("tests/no-such-folder", &tokenizer, &error));
    assert_null(tokenizer);
}

static void malformed_json_is_refused(void **state) {
    (void)state;
    expect_refused("", "");
    expect_refused("[]", "must be an object");
    expect_refused("{", "tokenizer.json:1:");
    expect_refused("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}", "tokenizer.json:1:");
    expect_refused("{\"model\":{\"vocab\":{\"a\":0", "");
    expect_refused("{\"model\":{\n\"vocab\":{\n\"a\":0},\n\"merges\":[]}\nx}", "tokenizer.json:5:");
    expect_refused("{\"model\":{\"vocab\":{\"a\":0}},\"model\":{}}", "duplicate");
    static const char with_nul[] = "{\"model\":{\"vocab\":{\"a\":0},\0\"merges\":[]}}";
    expect_refused_bytes(with_nul, sizeof with_nul - 1, "");
    char deep[20000] = "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"normalizer\":";
    memset(deep + strlen(deep), '[', 15000);
    expect_refused(deep, "");
}

static void vocabulary_is_checked(void **state) {
    (void)state;
    static const struct {
        const char *model, *part;
    } cases[] = {
        {"{}", "model.vocab: is missing"},
        {"{\"vocab\":{}}", "model.merges: is missing"},
        {"{\"vocab\":[],\"merges\":[]}", "model.vocab: must be an object"},
        {"{\"vocab\":{},\"merges\":{}}", "model.merges: must be an array"},
        {"{\"vocab\":{\"a\":-1},\"merges\":[]}", "the id of 'a' must be an integer"},
        {"{\"vocab\":{\"a\":1.5},\"merges\":[]}", "no proper end"},
        {"{\"vocab\":{\"a\":\"1\"},\"merges\":[]}", "the id of 'a' must be an integer"},
        {"{\"vocab\":{\"a\":4194304},\"merges\":[]}", "the id of 'a' must be an integer"},
        {"{\"vocab\":{\"a\":99999999999999999999},\"merges\":[]}", "must be an integer"},
        {"{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}", "'b' and 'a' have the same id 0"},
        {"{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}", "'a' appears twice"},
        {"{\"vocab\":{\"a\":0,},\"merges\":[]}", "the name of token 1"},
        {"{\"vocab\":{a:0},\"merges\":[]}", "the name of token 0"},
        {"{\"vocab\":{\"\\ud800\":0},\"merges\":[]}", "the name of token 0"},
        {"{\"vocab\":{\"\\x\":0},\"merges\":[]}", "the name of token 0"},
        {"{\"vocab\":{\"\xC3\":0},\"merges\":[]}", "the name of token 0"},
        {"{\"vocab\":{\"a\":0 \"b\":1},\"merges\":[]}", "element 0 has no proper end"},
        {"{\"vocab\":{\"a\":0]},\"merges\":[]}", ""},
        {"{\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[\"a b\"]}", "merge 0 names 'b'"},
        {"{\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"a\"]]}", "merge 0 names 'aa'"},
        {"{\"vocab\":{\"a\":0},\"merges\":[\"aa\"]}", "merge 0 must be two tokens"},
        {"{\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]}", "merge 0 must be two tokens"},
        {"{\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}", "merge 0 must be two tokens"},
        {"{\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"a\",\"a\"]]}", "merge 0 must be two tokens"},
        {"{\"vocab\":{\"a\":0},\"merges\":[7]}", "merge 0 must be two tokens"},
        {"{\"vocab\":{\"a\":0},\"merges\":[],\"type\":\"WordPiece\"}",
         "model 'WordPiece' is not supported"},
        {"{\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}", "dropout is not supported"},
        {"{\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"</w>\"}",
         "end_of_word_suffix '</w>' is not supported"},
        {"{\"vocab\":{\"a\":0},\"merges\":[],\"byte_fallback\":1}", "must be true or false"},
        {"7", "must be an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[500];
        snprintf(json, sizeof json, "{\"model\":%s}", cases[i].model);
        expect_refused(json, cases[i].part);
    }
}

static void parts_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *part, *message;
    } cases[] = {
        {"\"normalizer\":{\"type\":\"Xyz\"}", "normalizer 'Xyz' is not supported"},
        {"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"}]}",
         "normalizer.normalizers[0]: normalizer 'Lowercase' is not supported"},
        {"\"normalizer\":{}", "normalizer.type: is missing"},
        {"\"normalizer\":{\"type\":7}", "normalizer.type: must be a string"},
        {"\"normalizer\":[]", "normalizer: must be an object"},
        {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}",
         "an empty string is not supported"},
        {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{},\"content\":\"\"}",
         "pattern.Regex: is missing"},
        {"\"pre_tokenizer\":{\"type\":\"Whitespace\"}",
         "pre_tokenizer 'Whitespace' is not supported"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},"
         "\"behavior\":\"Isolated\"}",
         "missing closing parenthesis"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&b]\"},"
         "\"behavior\":\"Isolated\"}",
         "an intersection of classes at byte 2 is not supported"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},"
         "\"behavior\":\"Sideways\"}",
         "behavior 'Sideways' is not supported"},
        {"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}",
         "replacement must be one character"},
        {"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"use_regex\":\"yes\"}",
         "pre_tokenizer.use_regex: must be true or false"},
        {"\"post_processor\":{\"type\":\"BertProcessing\"}",
         "post_processor 'BertProcessing' is not supported"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}",
         "must hold the text 'A'"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":"
         "[{\"Sequence\":{\"id\":\"A\"}},{\"Sequence\":{\"id\":\"A\"}}]}",
         "must hold the text 'A' once"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":"
         "[{\"SpecialToken\":{\"id\":\"x\"}},{\"Sequence\":{\"id\":\"A\"}}]}",
         "special_tokens: must be an object"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":"
         "[{\"SpecialToken\":{\"id\":\"x\"}},{\"Sequence\":{\"id\":\"A\"}}],"
         "\"special_tokens\":{\"x\":{\"ids\":[500]}}}",
         "there is no token with the id 500"},
        {"\"decoder\":{\"type\":\"WordPiece\"}", "decoder 'WordPiece' is not supported"},
        {"\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":-1,\"stop\":0}",
         "decoder.start"},
        {"\"decoder\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\"},\"content\":\"\"}",
         "of the kind 'Regex' is not supported"},
        {"\"added_tokens\":{}", "added_tokens: must be an array"},
        {"\"added_tokens\":[{\"id\":12}]", "added_tokens[0].content: is missing"},
        {"\"added_tokens\":[{\"id\":12,\"content\":7}]", "content: must be a string"},
        {"\"added_tokens\":[{\"id\":4000000000,\"content\":\"x\"}]", "added_tokens[0].id"},
        {"\"added_tokens\":[{\"id\":12,\"content\":\"a\"}]",
         "'a' has the id 12, in the vocabulary it has 0"},
        {"\"added_tokens\":[{\"id\":0,\"content\":\"x\"}]", "'x' has the id 0 of 'a'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[1500];
        snprintf(json, sizeof json, "{" LETTER_MODEL ",%s}", cases[i].part);
        expect_refused(json, cases[i].message);
    }
}

static void sequences_end(void **state) {
    (void)state;
    char json[4000] = "{" LETTER_MODEL ",\"normalizer\":";
    for (int i = 0; i < 20; i++)
        strcat(json, "{\"type\":\"Sequence\",\"normalizers\":[");
    for (int i = 0; i < 20; i++)
        strcat(json, "]}");
    expect_refused(strcat(json, "}"), "sequences nest more than 8 deep");
    strcpy(json, "{" LETTER_MODEL ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    for (int i = 0; i < 40; i++)
        strcat(json, i ? ",{\"type\":\"Prepend\",\"prepend\":\"a\"}"
                       : "{\"type\":\"Prepend\",\"prepend\":\"a\"}");
    expect_refused(strcat(json, "]}}"), "more than 32 normalizers");
}

static void templates_end(void **state) {
    (void)state;
    static const char template[] = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
                                   "{\"id\":\"a\"}},{\"Sequence\":{\"id\":\"A\"}}],"
                                   "\"special_tokens\":{\"a\":{\"ids\":[0]}}}";
    enum { TEMPLATES = 1025 };
    char *json = calloc(TEMPLATES + 2, sizeof template + 1);
    assert_non_null(json);
    char *end = json + sprintf(json, "{" LETTER_MODEL ",\"post_processor\":{\"type\":\"Sequence\","
                                     "\"processors\":[");
    for (int i = 0; i < TEMPLATES; i++)
        end += sprintf(end, "%s%s", i ? "," : "", template);
    strcpy(end, "]}}");
    expect_refused(json, "more than 1024 special tokens around a text");
    free(json);
}

static void text_that_grows_without_end_is_refused(void **state) {
    (void)state;
    char json[8000] = "{" LETTER_MODEL ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[";
    for (int i = 0; i < 30; i++)
        strcat(json, i ? ",{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\""
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"
                       : "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"a\"}");
    struct tokenizer *tokenizer = open_text(strcat(json, "]}}"));
    struct monogen_error error;
    struct token_list ids = {0};
    assert_false(tokenizer_encode(tokenizer, "a", 1, true, &ids, &error));
    assert_non_null(strstr(error.message, "longer than"));
    assert_int_equal(ids.count, 0);
    token_list_free(&ids);
    tokenizer_close(tokenizer);
}

static void text_must_be_utf8(void **state) {
    (void)state;
    static const char *const wrong[] = {"ab\xFF", "ab\xC3", "ab\xC0\x80", "ab\xED\xA0\x80",
                                        "ab\xF4\x90\x80\x80"};
    struct tokenizer *tokenizer = open_text("{" LETTER_MODEL "}");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct monogen_error error;
        struct token_list ids = {0};
        assert_false(tokenizer_encode(tokenizer, wrong[i], strlen(wrong[i]), true, &ids, &error));
        assert_int_equal(error.status, MONOGEN_BAD_INPUT);
        assert_string_equal(error.message, "the text is not UTF-8 at byte 2");
    }
    tokenizer_close(tokenizer);
}

static void no_regular_file_is_refused(void **state) {
    (void)state;
    char folder[256], path[300];
    struct monogen_error error;
    struct tokenizer *tokenizer;
    write_tokenizer(folder, "", 0);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    bool opened = tokenizer_open(folder, &tokenizer, &error);
    rmdir(path);
    rmdir(folder);
    assert_false(opened);
    assert_non_null(strstr(error.message, "not a regular file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_file_is_no_error),
        cmocka_unit_test(malformed_json_is_refused),
        cmocka_unit_test(vocabulary_is_checked),
        cmocka_unit_test(parts_are_checked),
        cmocka_unit_test(sequences_end),
        cmocka_unit_test(templates_end),
        cmocka_unit_test(text_that_grows_without_end_is_refused),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(no_regular_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
