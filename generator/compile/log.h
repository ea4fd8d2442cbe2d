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

// Adds a diagnostic for each error of the log ("3-kernel.hip:12:7: error: ..."), at its line of the
// source, with the compiler's notes and, from `map` (NULL: without), the line's origin. Returns how
// many errors the log names.
size_t log_report(const char *log, const char *source_name, const char *source,
                  const struct line_map *map, struct diagnostics *diagnostics);

#endif
