// Names: finding specs, families and targets by name in the specs folder.
#ifndef GENERATOR_MODEL_NAMES_H
#define GENERATOR_MODEL_NAMES_H

#include "generator/base/diagnostic.h"

#include <stdbool.h>
#include <stddef.h>

// Letters, digits, '.', '_' and '-', not starting with '.' or '-', at most 64: what names of
// models, families and targets are made of, as folders and sources are named by them.
bool name_is_plain(const char *name);

// Names (without .lua) of the Lua files in a folder, sorted, [*count]; none where it cannot be
// read.
const char *const *names_in(struct arena *arena, const char *folder, size_t *count);

// Path of <specs>/<folder>/<name>.lua. NULL after adding a diagnostic at `at`, which says what
// names there are and which is the nearest. noun: "model", "family", "target".
const char *name_find(struct arena *arena, const char *specs, const char *folder, const char *noun,
                      const char *name, struct location at, struct diagnostics *diagnostics);

// How emitted files name a path: below `specs` as the last part of specs and the rest
// ("specs/models/x.lua"), else as it is, or its last part where it is absolute.
const char *path_shown(struct arena *arena, const char *specs, const char *path);

#endif
