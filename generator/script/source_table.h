// Source table: how a spec's text writes its table: which fields, in which order, on which lines.
// Lua forgets all three once it has run.
#ifndef GENERATOR_SCRIPT_SOURCE_TABLE_H
#define GENERATOR_SCRIPT_SOURCE_TABLE_H

#include "generator/base/arena.h"

#include <stddef.h>

struct source_field {
    const char *name; // NULL: an item of a list, or a key that is computed
    int line;
    struct source_table *table; // where the value is written as { ... }, else NULL
};

struct source_table {
    int line;
    struct source_field *fields; // as written; a name may appear twice
    size_t count;
};

// Finds the call `constructor { ... }` (or `constructor({ ... })`) in `source`: the one on `line`,
// else the first. Returns NULL where there is none. It reads the text alone: a call that the script
// hides (through another name) is not found. Requires: source compiles as Lua.
const struct source_table *source_table_find(struct arena *arena, const char *source,
                                             const char *constructor, int line);

#endif
