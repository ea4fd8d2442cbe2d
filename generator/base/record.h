// Record: tells how a C struct reads and prints, so that each struct's fields are listed once.
#ifndef GENERATOR_BASE_RECORD_H
#define GENERATOR_BASE_RECORD_H

#include "generator/base/diagnostic.h"
#include "generator/base/value.h"

#include <stdbool.h>
#include <stddef.h>

enum record_holds {
    HOLDS_INT,         // int
    HOLDS_INT64,       // int64_t
    HOLDS_DOUBLE,      // double
    HOLDS_BOOL,        // bool
    HOLDS_STRING,      // const char *, NULL prints as nothing
    HOLDS_RECORD,      // a struct inside the struct
    HOLDS_INT_LIST,    // int *, and its int count
    HOLDS_INT64_LIST,  // int64_t *, and its int count
    HOLDS_DOUBLE_LIST, // double *, and its int count
    HOLDS_STRING_LIST, // const char **, and its int count
    HOLDS_RECORD_LIST, // struct *, and its int count
};

struct record_type;

struct record_field {
    const char *name;
    enum record_holds kind;
    size_t offset, count_offset;      // count_offset: of the int count of a list
    const struct record_type *record; // of HOLDS_RECORD and HOLDS_RECORD_LIST
};

struct record_type {
    const char *name;
    size_t bytes; // of the struct
    const struct record_field *fields;
    int field_count;
};

// The struct as a table with its fields in the order of the type. Empty strings lists and NULL
// strings are left out; everything else is there, so that a printed record shows all it holds.
struct value *record_to_value(struct arena *arena, const struct record_type *type,
                              const void *record);

// Fills a zeroed struct. Requires every field but strings and lists; an unknown, missing or
// ill-typed field is a diagnostic at the value's line of `file` and makes the result false. Strings
// are copied into the arena.
bool record_from_value(struct arena *arena, const struct record_type *type,
                       const struct value *value, void *record, const char *file,
                       struct diagnostics *diagnostics);

#endif
