// The program monogen, started with a line of words as a user would type them.
#ifndef TESTS_SUPPORT_PROGRAM_H
#define TESTS_SUPPORT_PROGRAM_H

#include "generator/base/process.h"

#include <jansson.h>

enum { PROGRAM_MAX_WORDS = 32 }; // of a line, the program and the closing NULL included

// Group set-up: finds the program, and gives it a cache and a folder of this test program.
int program_open(void **state);

// The program's absolute path, and the absolute path of the folder to write into.
const char *program_path(void);
const char *program_folder(void);

// Cuts `line` in place into words, parted by blanks, 'quoted' where they hold some. arguments[0] is
// the program, the last one NULL. Fails the test where there are too many.
void program_split(char *line, const char *arguments[PROGRAM_MAX_WORDS]);

// Runs the program to its end. input: its stdin, NULL for none. The caller closes the result.
struct process_result program_start(const char *line, const char *input);
struct process_result program_start_bytes(const char *line, const char *input, size_t input_bytes);

// Fails the test, with what the program said, where its exit status is another.
void program_expect_status(const struct process_result *result, const char *line, int status);

// Formats a line, runs it without input and expects its exit status. The caller closes the result.
struct process_result program_run(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Runs a line that must fail: with this status, nothing on stdout, and `part` on stderr.
void program_expect_failure(int status, const char *part, const char *line);

// The folder with the artefacts of austen-3m for a target, generated at the first call.
const char *program_generated(const char *target);

// The bytes of a text, "" where it has none.
const char *words_of(const struct text *text);

// Fails the test where `part` is not in `words`.
void expect_part(const char *words, const char *part);

// The JSON that `text` holds; fails the test where it does not. The caller releases it.
json_t *parse_json(const struct text *text);

#endif
