// Counted: what --counts does once the kernel has run.
#ifndef GENERATOR_COMMANDS_COUNTED_H
#define GENERATOR_COMMANDS_COUNTED_H

#include "generator/base/diagnostic.h"
#include "runtime/monogen.h"

// Whether the model's device counts. If not, that is a diagnostic.
bool counted_check(const struct monogen *model, struct diagnostics *diagnostics);

// Writes what the device has counted so far as JSON, and prints it; `positions`: how many of the
// context were run, which the counts are divided by. Nothing half-written: the file is whole or as
// it was. False after adding a diagnostic. Requires: counted_check().
bool counted_write(const struct monogen *model, uint32_t positions, const char *file,
                   struct diagnostics *diagnostics);

#endif
