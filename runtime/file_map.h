// File map: a whole regular file as read-only memory.
#ifndef RUNTIME_FILE_MAP_H
#define RUNTIME_FILE_MAP_H

#include "runtime/error.h"

#include <stdbool.h>
#include <stddef.h>

struct file_map {
    const unsigned char *bytes; // [length], page-aligned; NULL where the file is empty
    size_t length;
};

// Maps `path`. Returns false after filling *error: missing, no regular file, over max_bytes.
// Requires: the file is not truncated while it is mapped (checkpoints are replaced by renaming).
bool file_map_open(struct file_map *map, const char *path, size_t max_bytes,
                   struct monogen_error *error);
void file_map_close(struct file_map *map); // {0} is fine

bool file_is_there(const char *path); // a regular file

// folder/name as a new string, to be freed. NULL after filling *error.
char *file_path(const char *folder, const char *name, struct monogen_error *error);

// Whether `name` is a plain file name: not empty, no slash, neither "." nor "..".
bool file_name_is_plain(const char *name);

#endif
