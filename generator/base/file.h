// Files: whole-file reads, and writes that leave nothing half-written.
#ifndef GENERATOR_BASE_FILE_H
#define GENERATOR_BASE_FILE_H

#include "generator/base/diagnostic.h"

#include <stdbool.h>
#include <stddef.h>

// Reads a whole regular file; bytes are NUL-terminated (the NUL is not counted) and owned by the
// arena. Returns NULL after adding a diagnostic (user error: missing, a directory, over max_bytes).
char *file_read(struct arena *arena, const char *path, size_t max_bytes, size_t *length,
                struct diagnostics *diagnostics);

// Writes to a temporary name in the same folder, syncs, renames. On any failure (disk full, kill)
// `path` is what it was before; the temporary file is removed where the process still can.
// A leftover temporary file of a killed process has the suffix ".partial".
bool file_write(const char *path, const char *bytes, size_t length,
                struct diagnostics *diagnostics);

// mkdir -p. Existing folders are fine.
bool folder_make(const char *path, struct diagnostics *diagnostics);

bool file_exists(const char *path);   // a regular file
bool folder_exists(const char *path); // a directory

#endif
