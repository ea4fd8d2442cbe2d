// Report: what commands say besides their results.
#ifndef GENERATOR_COMMANDS_REPORT_H
#define GENERATOR_COMMANDS_REPORT_H

#include "generator/base/diagnostic.h"
#include "generator/base/value.h"
#include "generator/compile/compile.h"
#include "runtime/error.h"

// Adds the runtime's error as a diagnostic, its further lines as notes. Returns false.
bool report_runtime_error(const struct monogen_error *error, struct diagnostics *diagnostics);

// Says on stderr what does not stop the command: "monogen: note: ...".
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// "generating: plan ..." on a terminal's stderr, replaced by the next stage and by
// report_stage_end. Has the type of generation_request.progress.
void report_stage(void *context, const char *stage);
void report_stage_end(void);

// Shows on a terminal's stderr what is being done now, in place of what was shown before;
// report_stage_end takes it away.
void report_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Prints data for people: a table as "name  value" lines, a list of tables as columns under their
// names, tables inside tables indented. What value_print_json prints for programs.
void report_print(struct text *out, const struct value *value);

// Prints the value on stdout, as JSON or with report_print.
void report_value(const struct value *value, bool json);

// Prints words, wrapped at 100 columns, and ends the line; every line but the first starts after
// `indent` blanks. `column`: where the first one starts.
void report_wrapped(FILE *stream, const char *words, int indent, int column);

// Sets a field of a table; a NULL text is nil.
void report_set_text(struct arena *arena, struct value *table, const char *name, const char *text);
void report_set_integer(struct arena *arena, struct value *table, const char *name, int64_t number);

// A table of them; nil, which JSON prints as null, what the compiler does not tell.
struct value *report_resources(struct arena *arena, const struct kernel_resources *resources);

// "18.8 KiB", "2.47 GB" (powers of 1000 from a million bytes on).
char *report_bytes(struct arena *arena, double bytes);

// "24-25", "20" where both are that when rounded.
char *report_range(struct arena *arena, double low, double high);

#endif
