#include "tests/support/program.h"

#include "generator/base/file.h"
#include "tests/support/printed.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINE_MAX_BYTES = 3 * PATH_MAX };

static char path[PATH_MAX], folder[PATH_MAX];

int program_open(void **state) {
    (void)state;
    const char *tree = getenv("MONOGEN_TEST_TREE");
    char relative[PATH_MAX], cache[PATH_MAX + 16];
    snprintf(relative, sizeof relative, "%s/monogen", tree ? tree : "build");
    if (!realpath(relative, path) || !realpath(temporary_folder(), folder)) {
        print_error("%s or %s is not there\n", relative, temporary_folder());
        return -1;
    }
    snprintf(cache, sizeof cache, "%s/cache", folder);
    return setenv("XDG_CACHE_HOME", cache, 1);
}

const char *program_path(void) { return path; }

const char *program_folder(void) { return folder; }

void program_split(char *line, const char *arguments[PROGRAM_MAX_WORDS]) {
    int count = 0;
    arguments[count++] = path;
    for (char *at = line; *(at += strspn(at, " "));) {
        const char *end_of_word = *at == '\'' ? "'" : " ";
        at += *at == '\'';
        if (count == PROGRAM_MAX_WORDS - 1)
            fail_msg("more than %d words", PROGRAM_MAX_WORDS - 1);
        arguments[count++] = at;
        at += strcspn(at, end_of_word);
        if (*at)
            *at++ = '\0';
    }
    arguments[count] = NULL;
}

struct process_result program_start(const char *line, const char *input) {
    return program_start_bytes(line, input, input ? strlen(input) : 0);
}

struct process_result program_start_bytes(const char *line, const char *input, size_t input_bytes) {
    char words[LINE_MAX_BYTES];
    const char *arguments[PROGRAM_MAX_WORDS];
    assert_true(strlen(line) < sizeof words);
    strcpy(words, line);
    program_split(words, arguments);
    const struct process_request request = {.arguments = arguments,
                                            .input = input ? input : "",
                                            .input_bytes = input_bytes,
                                            .output_bytes_max = (size_t)64 << 20,
                                            .timeout_seconds = 240};
    struct process_result result = {0};
    process_run(&request, &result);
    return result;
}

void program_expect_status(const struct process_result *result, const char *line, int status) {
    char end[256];
    process_describe(result, end, sizeof end);
    if (result->end != PROCESS_EXITED || result->code != status)
        fail_msg("monogen %s %s, expected status %d\nstdout: %s\nstderr: %s", line, end, status,
                 words_of(&result->output), words_of(&result->errors));
}

struct process_result program_run(int status, const char *format, ...) {
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert_in_range(length, 1, sizeof line - 1);
    struct process_result result = program_start(line, NULL);
    program_expect_status(&result, line, status);
    return result;
}

void program_expect_failure(int status, const char *part, const char *line) {
    struct process_result result = program_start(line, NULL);
    program_expect_status(&result, line, status);
    assert_string_equal(words_of(&result.output), "");
    expect_part(words_of(&result.errors), part);
    process_result_close(&result);
}

const char *program_generated(const char *target) {
    static char made[PATH_MAX + 64];
    snprintf(made, sizeof made, "%s/austen-3m-%s", folder, target);
    if (!folder_exists(made)) {
        struct process_result result =
            program_run(0, "generate austen-3m --target %s -o '%s'", target, made);
        process_result_close(&result);
    }
    return made;
}

const char *words_of(const struct text *text) { return text->bytes ? text->bytes : ""; }

void expect_part(const char *words, const char *part) {
    if (!strstr(words, part))
        fail_msg("no \"%s\" in:\n%s", part, words);
}

json_t *parse_json(const struct text *text) {
    json_error_t error;
    json_t *json = json_loads(words_of(text), 0, &error);
    if (!json)
        fail_msg("no JSON, line %d: %s:\n%s", error.line, error.text, words_of(text));
    return json;
}
