// Log: what a compiler said, made fit for people.
#ifndef GENERATOR_COMPILE_LOG_H
#define GENERATOR_COMPILE_LOG_H

#include "generator/base/diagnostic.h"
#include "generator/base/text.h"
#include "generator/render/render.h"

#include <stdbool.h>
#include <stddef.h>

// Removes the private folder `scratch`, and what is below it, from the paths in the log, so that
// equal sources give equal logs and files go by their own names.
void log_strip_folder(struct text *log, const char *scratch);

// The source that a log speaks of.
struct logged_source {
    const char *name;           // as the log names it: "3-kernel.hip"
    const char *path;           // as diagnostics name it
    const char *text;           // of the source
    const struct line_map *map; // where its lines come from; NULL: unknown
};

// Adds a diagnostic for each error of the log ("3-kernel.hip:12:7: error: ...", or of NVRTC
// "3-kernel.hip(12): error: ..."), at its line of the source, with the compiler's notes and the
// line's origin. Returns how many errors the log names.
size_t log_report(const char *log, const struct logged_source *source,
                  struct diagnostics *diagnostics);

#endif
