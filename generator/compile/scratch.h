// Scratch: a private temporary folder, gone when its work is done.
#ifndef GENERATOR_COMPILE_SCRATCH_H
#define GENERATOR_COMPILE_SCRATCH_H

#include <stdbool.h>

enum { SCRATCH_PATH_BYTES = 4096 };

// Makes a folder only we can enter, in `parent` (NULL: $TMPDIR, else /tmp), whose name starts with
// `prefix`. Returns false with errno.
bool scratch_make(const char *parent, const char *prefix, char path[SCRATCH_PATH_BYTES]);

// Removes a folder and all that is in it. Links are removed, not followed.
void scratch_remove(const char *path);

#endif
