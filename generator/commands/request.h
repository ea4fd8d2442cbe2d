// Request: the command line of generate, run and verify as a request to the pipeline.
#ifndef GENERATOR_COMMANDS_REQUEST_H
#define GENERATOR_COMMANDS_REQUEST_H

#include "generator/commands/command_line.h"
#include "generator/pipeline/pipeline.h"

// Everything but the cache: spec, target, overrides (--context and --kv among them), re-entry, and
// the command that makes the same plan again, which names no path of this machine. Strings live in
// `arena` or are those of the command line. False after a usage error.
bool request_make(const struct command_line *line, const struct installation *installation,
                  const char *target, struct arena *arena, struct generation_request *request,
                  struct diagnostics *diagnostics);

// Runs the pipeline, showing its stages on a terminal. False after adding a diagnostic, and after a
// signal.
bool request_run(const struct generation_request *request, const struct installation *installation,
                 struct generation *generation, struct diagnostics *diagnostics);

#endif
