// tokenize and detokenize, as their users start them.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/printed.h"
#include "tests/support/program.h"
#include "tests/support/shell.h"
#include "tests/support/small_kernel.h"

static const char *const kinds[] = {"gpt2-style",   "llama3-style",  "qwen-style",
                                    "llama2-style", "mistral-style", "gemma-style"};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

#define FOLDER "tests/golden/tokenizers/"

static json_t *load_golden(const char *kind) {
    char path[256];
    snprintf(path, sizeof path, FOLDER "%s/golden.json", kind);
    json_t *golden = json_load_file(path, JSON_ALLOW_NUL, NULL);
    assert_non_null(golden);
    return golden;
}

static void expect_output(const struct process_result *result, const char *bytes, size_t count) {
    const struct text *output = &result->output;
    if (output->length != count || memcmp(words_of(output), bytes, count) != 0)
        fail_msg("it wrote '%s' (%zu bytes), expected '%.*s' (%zu bytes)", words_of(output),
                 output->length, (int)count, bytes, count);
    assert_string_equal(words_of(&result->errors), "");
}

// Runs `line` with `input` [input_bytes], which must succeed and write `expected` [expected_bytes].
static void expect_bytes(const char *line, const char *input, size_t input_bytes,
                         const char *expected, size_t expected_bytes) {
    struct process_result result = program_start_bytes(line, input, input_bytes);
    program_expect_status(&result, line, 0);
    expect_output(&result, expected, expected_bytes);
    process_result_close(&result);
}

static void expect(const char *line, const char *input, const char *expected) {
    expect_bytes(line, input, strlen(input), expected, strlen(expected));
}

// Runs `line` with `input`, which must end with `status`, write nothing and say `part`.
static void expect_error(int status, const char *part, const char *line, const char *input) {
    struct process_result result = program_start(line, input);
    program_expect_status(&result, line, status);
    assert_string_equal(words_of(&result.output), "");
    expect_part(words_of(&result.errors), part);
    process_result_close(&result);
}

// The ids of a row as tokenize writes them. The caller closes the text.
static struct text line_of_ids(const json_t *ids, bool json) {
    struct text line = {0};
    text_append(&line, json ? "[" : "");
    for (size_t i = 0; i < json_array_size(ids); i++)
        text_format(&line, "%s%lld",
                    i == 0 ? ""
                    : json ? ", "
                           : " ",
                    (long long)json_integer_value(json_array_get(ids, i)));
    text_append(&line, json ? "]\n" : "\n");
    return line;
}

static void check_column(const char *kind, const json_t *row, bool plain, bool json) {
    char line[256];
    const json_t *text = json_object_get(row, "text");
    const json_t *decoded = json_object_get(row, plain ? "decoded" : "decoded_skip");
    struct text ids = line_of_ids(json_object_get(row, plain ? "ids_plain" : "ids"), json);
    snprintf(line, sizeof line, "tokenize " FOLDER "%s%s%s", kind, plain ? " --plain" : "",
             json ? " --json" : "");
    expect_bytes(line, json_string_value(text), json_string_length(text), ids.bytes, ids.length);
    snprintf(line, sizeof line, "detokenize " FOLDER "%s%s", kind, plain ? "" : " --skip-special");
    expect_bytes(line, ids.bytes, ids.length, json_string_value(decoded),
                 json_string_length(decoded));
    text_close(&ids);
}

static void texts_become_the_golden_ids_and_back(void **state) {
    (void)state;
    const size_t step = getenv("MONOGEN_TEST_ALL") ? 1 : 19;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        json_t *golden = load_golden(kinds[k]), *rows = json_object_get(golden, "rows");
        assert_true(json_array_size(rows) > 2 * step);
        for (size_t i = k % step; i < json_array_size(rows); i += step) {
            check_column(kinds[k], json_array_get(rows, i), false, i % 2);
            check_column(kinds[k], json_array_get(rows, i), true, i % 2 == 0);
        }
        json_decref(golden);
    }
}

static void input_is_taken_as_it_is(void **state) {
    (void)state;
    expect("tokenize austen-3m", "", "0\n");
    expect("tokenize austen-3m --plain", "", "\n");
    expect("tokenize austen-3m --plain --json", "", "[]\n");
    expect("tokenize austen-3m --plain", "Emma was", "1798 306\n");
    expect("tokenize austen-3m --plain", "Emma was\n", "1798 306 200\n");
    expect("tokenize austen-3m --plain --json", "\n Emma", "[200, 769]\n");
    expect("tokenize austen-3m --plain", "<|bos|>", "0\n"); // special tokens in the text count
    expect_bytes("tokenize austen-3m --plain", "a\0b", 3, "66 190 67\n", 10);
    expect_bytes("detokenize austen-3m", "66 190 67\n", 10, "a\0b", 3);
    expect_error(1, "the text is not UTF-8 at byte 2", "tokenize austen-3m", "ab\xFFz");
    expect_error(1, "the text is not UTF-8 at byte 0", "tokenize austen-3m", "\xED\xA0\x80");
    expect_error(1, "the text is not UTF-8 at byte 1", "tokenize austen-3m", "a\xE2\x82");
}

static void ids_are_read_in_every_form(void **state) {
    (void)state;
    static const char *const forms[] = {
        "0 1798 306",   "0,1798,306",         "[0, 1798, 306]",       " [0,1798,306]\n",
        "0\n1798\n306", "\t0 ,1798 \r\n306 ", "[\n0\n,1798,306\n]\n", "00 01798 0306",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        expect("detokenize austen-3m", forms[i], "<|bos|>Emma was");
        expect("detokenize austen-3m --skip-special", forms[i], "Emma was");
    }
    static const char *const none[] = {"", "\n", "[]", " [ ] "};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect("detokenize austen-3m", none[i], "");
    // halves of a character, alone and together
    expect("detokenize austen-3m", "129 104", "\xC3\xA9");
    expect("detokenize austen-3m", "129 66",
           "\xEF\xBF\xBD"
           "a");
    expect("detokenize austen-3m", "66 129", "a\xEF\xBF\xBD");
}

static void what_is_no_id_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *input, *part;
    } cases[] = {
        {"1,,2", "',' at byte 2 is out of place"},
        {",1", "',' at byte 0"},
        {"1 2,", "ends without an id after the last comma"},
        {"[1, 2", "ends without the ']'"},
        {"[1, 2,]", "']' at byte 6"},
        {"[", "ends without the ']'"},
        {"1]", "']' at byte 1"},
        {"[1] 2", "'2' at byte 4"},
        {"[[1]]", "'[' at byte 1"},
        {"1 [2]", "'[' at byte 2"},
        {"-1", "'-' at byte 0"},
        {"1.5", "'.' at byte 1"},
        {"{\"ids\": [1]}", "'{' at byte 0"},
        {"Emma", "'E' at byte 0"},
        {"1 \xC3", "0xc3 at byte 2"},
        {"66 2048", "2048 at byte 3 is the id of no token; the largest is 2047"},
        {"4294967295", "4294967295 at byte 0 is the id of no token"},
        {"1 4294967296", "a number at byte 2 is the id of no token"},
        {"18446744073709551617", "a number at byte 0 is the id of no token"},
        {"99999999999999999999999999", "a number at byte 0 is the id of no token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(1, cases[i].part, "detokenize austen-3m", cases[i].input);
    struct process_result result = program_start_bytes("detokenize austen-3m", "1\0", 2);
    program_expect_status(&result, "detokenize", 1);
    expect_part(words_of(&result.errors), "0x00 at byte 1");
    process_result_close(&result);
}

static void the_folder_is_found_as_run_finds_it(void **state) {
    (void)state;
    static const char *const names[] = {"austen-3m", "specs/models/austen-3m.lua",
                                        "specs/checkpoints/austen-3m"};
    char line[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(line, sizeof line, "tokenize %s --plain", names[i]);
        expect(line, "Emma", "1798\n");
    }
    program_expect_failure(1, "did you mean \"austen-3m\"?", "tokenize austen-3");
    program_expect_failure(1, "nor is there a folder of that name", "detokenize nosuch");
    program_expect_failure(1, "there is no folder '/no/such'", "tokenize /no/such");
    program_expect_failure(1, "there is no folder ''", "tokenize ''");
    program_expect_failure(1, "the folder has no tokenizer.json", "tokenize tests/golden");
    program_expect_failure(1, "the folder has no tokenizer.json", "detokenize tests/golden");
    program_expect_failure(1, "README.md is a file", "tokenize README.md");
    program_expect_failure(2, "llama-3.2-1b has no tokenizer", "tokenize llama-3.2-1b");
    const char *folder = test_folder("broken");
    char path[512];
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    write_test_file(path, "{\"model\": {\"type\": \"WordPiece\"}}");
    snprintf(line, sizeof line, "tokenize '%s'", folder);
    program_expect_failure(1, "model 'WordPiece' is not supported", line);
}

static void wrong_words_are_usage_errors(void **state) {
    (void)state;
    program_expect_failure(2, "tokenize needs more", "tokenize");
    program_expect_failure(2, "detokenize needs more", "detokenize");
    program_expect_failure(2, "'b' is too much", "tokenize austen-3m b");
    program_expect_failure(2, "it goes without --plain", "tokenize austen-3m --golden x --plain");
    program_expect_failure(2, "it goes without --json", "tokenize austen-3m --golden x --json");
    program_expect_failure(2, "monogen tokenize has it", "detokenize austen-3m --plain");
    program_expect_failure(2, "monogen detokenize has it", "tokenize austen-3m --skip-special");
    program_expect_failure(2, "did you mean 'tokenize'?", "tokenise austen-3m");
    static const char *const examples[][2] = {{"tokenize", "| monogen tokenize austen-3m"},
                                              {"detokenize", "| monogen detokenize austen-3m"}};
    for (size_t i = 0; i < 2; i++) {
        struct process_result result = program_run(0, "%s --help", examples[i][0]);
        expect_part(words_of(&result.output), examples[i][1]);
        process_result_close(&result);
    }
}

// ---- golden files -------------------------------------------------------------------------------

static void golden_files_agree(void **state) {
    (void)state;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        struct process_result result = program_run(
            0, "tokenize " FOLDER "%s --golden " FOLDER "%s/golden.json", kinds[k], kinds[k]);
        expect_part(words_of(&result.output), "96 rows: ids, texts and streamed texts are those");
        process_result_close(&result);
    }
}

// Checks llama3-style against `bytes` as golden file, which must fail, saying `part`.
static void expect_golden_error(const char *bytes, const char *part) {
    char path[512], line[700];
    snprintf(path, sizeof path, "%s/golden.json", program_folder());
    write_test_file(path, bytes);
    snprintf(line, sizeof line, "tokenize " FOLDER "llama3-style --golden '%s'", path);
    program_expect_failure(1, part, line);
}

static void the_first_row_that_differs_is_named(void **state) {
    (void)state;
    program_expect_failure(1, "rows[6].ids_plain: id 1 is 629, the reference has 634",
                           "tokenize " FOLDER "gpt2-style --golden " FOLDER
                           "qwen-style/golden.json");
    static const char *const columns[] = {"ids_plain", "ids", "decoded", "decoded_skip"};
    for (size_t i = 0; i < 4; i++) {
        json_t *golden = load_golden("llama3-style");
        // in two rows, of which the first counts
        for (size_t row = 40; row >= 20; row -= 20) {
            json_t *changed = json_array_get(json_object_get(golden, "rows"), row);
            json_t *column = json_object_get(changed, columns[i]);
            if (i < 2)
                json_array_append_new(column, json_integer(5));
            else
                json_object_set_new(changed, columns[i], json_string("other"));
        }
        char part[64], *bytes = json_dumps(golden, 0);
        snprintf(part, sizeof part, "rows[20].%s: ", columns[i]);
        expect_golden_error(bytes, part);
        free(bytes);
        json_decref(golden);
    }
    expect_golden_error(
        "{\"rows\": [{\"text\": \"a\\nb\", \"ids\": [0], \"ids_plain\": [66, 200]}]}",
        "id 2 is 67, the reference has the end (3 ids, the reference has 2)");
    expect_golden_error("{\"rows\": [{\"text\": \"a\\nb\", \"ids\": [0], \"ids_plain\": []}]}",
                        "the text is \"a\\nb\"");
}

static void what_is_no_golden_file_is_refused(void **state) {
    (void)state;
    expect_golden_error("", "golden.json:");
    expect_golden_error("[]", "must be an object");
    expect_golden_error("{}", "rows: is missing");
    expect_golden_error("{\"rows\": 1}", "rows: must be an array");
    expect_golden_error("{\"rows\": []}", "there is no row to compare with");
    expect_golden_error("{\"rows\": [1]}", "rows[0]: must be an object");
    expect_golden_error("{\"rows\": [{}]}", "rows[0].text: is missing");
    expect_golden_error("{\"rows\": [{\"text\": 1}]}", "rows[0].text: must be a string");
    expect_golden_error("{\"rows\": [{\"text\": \"\\ud800\"}]}", "golden.json:1:");
    expect_golden_error("{\"rows\": [{\"text\": \"\\u0000\"}]}", "rows[0].ids_plain: is missing");
    expect_golden_error("{\"rows\": [{\"text\": \"\", \"ids_plain\": 1, \"ids\": []}]}",
                        "rows[0].ids_plain: must be an array");
    expect_golden_error("{\"rows\": [{\"text\": \"\", \"ids_plain\": [-1], \"ids\": []}]}",
                        "rows[0].ids_plain[0]: must be an integer");
    expect_golden_error("{\"rows\": [{\"text\": \"\", \"ids_plain\": [4294967296], \"ids\": []}]}",
                        "rows[0].ids_plain[0]: is 4294967296");
    expect_golden_error("{\"rows\": [{\"text\": \"\", \"ids_plain\": [], \"ids\": [0]}]}",
                        "rows[0].decoded: is missing");
    program_expect_failure(1, "there is no such file", "tokenize austen-3m --golden /no/such.json");
    program_expect_failure(1, "is a folder", "tokenize austen-3m --golden tests");
    program_expect_failure(1, "not a regular file", "tokenize austen-3m --golden /dev/zero");
}

// ---- the output ---------------------------------------------------------------------------------

static void output_that_cannot_be_written_is_an_error(void **state) {
    (void)state;
    static const char *const commands[] = {
        "yes Emma | head -c 1000000 | $MONOGEN tokenize austen-3m >/dev/full",
        "$MONOGEN tokenize austen-3m --golden tests/golden/none >/dev/full",
        "echo 66 | $MONOGEN detokenize austen-3m >/dev/full",
        "yes 66 | head -c 1000000 | $MONOGEN detokenize austen-3m >/dev/full",
    };
    static const int status[] = {3, 1, 3, 3};
    struct command_end end;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        run_command(commands[i], &end);
        if (end.status != status[i])
            fail_msg("%s: status %d: %s", commands[i], end.status, end.output);
        if (status[i] == 3)
            expect_part(end.output, "cannot write to standard output: No space left on device");
    }
    // a reader that leaves ends it without a word; where the signal is ignored, with one
    run_command("yes Emma | head -c 1000000 >\"$TMPDIR/text\"; "
                "{ $MONOGEN tokenize austen-3m <\"$TMPDIR/text\"; echo $? >\"$TMPDIR/status\"; } | "
                "head -c 1; cat \"$TMPDIR/status\"",
                &end);
    assert_string_equal(end.output, "0141\n");
    run_command("trap '' PIPE; { $MONOGEN tokenize austen-3m <\"$TMPDIR/text\"; "
                "echo $? >\"$TMPDIR/status\"; } 2>\"$TMPDIR/errors\" | head -c 1; "
                "cat \"$TMPDIR/status\" \"$TMPDIR/errors\"",
                &end);
    expect_part(end.output, "03\nmonogen: cannot write to standard output: Broken pipe");
    run_command("$MONOGEN tokenize austen-3m <&-", &end);
    assert_int_equal(end.status, 3);
    expect_part(end.output, "cannot read standard input");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_the_golden_ids_and_back),
        cmocka_unit_test(input_is_taken_as_it_is),
        cmocka_unit_test(ids_are_read_in_every_form),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(the_folder_is_found_as_run_finds_it),
        cmocka_unit_test(wrong_words_are_usage_errors),
        cmocka_unit_test(golden_files_agree),
        cmocka_unit_test(the_first_row_that_differs_is_named),
        cmocka_unit_test(what_is_no_golden_file_is_refused),
        cmocka_unit_test(output_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, program_open, NULL);
}
