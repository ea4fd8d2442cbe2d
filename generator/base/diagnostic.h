// Diagnostics: errors as values. Rooms add to the collection, one place (main) prints it.
#ifndef GENERATOR_BASE_DIAGNOSTIC_H
#define GENERATOR_BASE_DIAGNOSTIC_H

#include "generator/base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// The kind of an error decides the exit status of the program.
enum diagnostic_kind {
    DIAGNOSTIC_USER = 1,        // the input is wrong: located where it can be
    DIAGNOSTIC_USAGE = 2,       // the command line is wrong
    DIAGNOSTIC_ENVIRONMENT = 3, // no compiler, no device, disk full: says what to do
};

// Where an error is. file NULL: nowhere in particular. line 0: the file as a whole; column 0: the
// line as a whole. source: the text of the file, for printing the line with a caret; may be NULL.
struct location {
    const char *file;
    int line, column; // 1-based
    const char *source;
};

// The location of `word` in line `line` of `source`: its first occurrence there as a whole word
// (not part of a longer name), column 0 where there is none or `word` or `source` is NULL.
struct location location_of_word(const char *file, const char *source, int line, const char *word);

struct diagnostic {
    enum diagnostic_kind kind;
    struct location at;
    const char *message;
    const char *notes[4];
    int note_count;
};

struct diagnostics {
    struct arena arena; // owns every message
    struct diagnostic *items;
    size_t count;
    size_t suppressed; // added after the 20th
};

// Copies all strings it is given. Never fails. After 20 it counts and drops. Returns false, so that
// a caller can write `return diagnostic_add(...)`.
bool diagnostic_add(struct diagnostics *diagnostics, enum diagnostic_kind kind, struct location at,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

// Adds "note: ..." to the newest diagnostic (ignored where it was suppressed). Returns false.
bool diagnostic_note(struct diagnostics *diagnostics, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Shorthands with no location. Return false.
bool usage_error(struct diagnostics *diagnostics, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool environment_error(struct diagnostics *diagnostics, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Prints "file:line:column: error: message", the source line, a caret, notes; then how many were
// dropped. Messages without a location start with "monogen: ".
void diagnostics_print(const struct diagnostics *diagnostics, FILE *stream);

// 0 with no diagnostic, else the kind of the first one (1, 2 or 3).
int diagnostics_exit_status(const struct diagnostics *diagnostics);

void diagnostics_close(struct diagnostics *diagnostics);

// Of `names`, the one nearest to `name` by edit distance, if it is near enough to be a likely
// misspelling; else NULL. For "unknown key: did you mean ...".
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
