// Fields: the table of a spec or target, checked against one table of known fields. All errors are
// collected, each with the place in the source that it speaks of.
#ifndef GENERATOR_MODEL_FIELDS_H
#define GENERATOR_MODEL_FIELDS_H

#include "generator/base/diagnostic.h"
#include "generator/base/value.h"
#include "generator/model/config.h"
#include "generator/model/model.h"

#include <stdbool.h>
#include <stddef.h>

enum field_kind {
    FIELD_TEXT,         // const char *
    FIELD_BOOLEAN,      // bool
    FIELD_INTEGER,      // int
    FIELD_LONG_INTEGER, // int64_t
    FIELD_NUMBER,       // double, finite
    FIELD_TOKENS,       // one token id or a list of them: int32_t [capacity] and an int count
    FIELD_NUMBERS,      // a list of exactly `capacity` numbers: double [capacity]
    FIELD_TEXTS,       // a list of at most `capacity` strings: const char *const *, NULL-terminated
    FIELD_TABLE,       // a table; its own fields follow as "name.field"
    FIELD_OTHER,       // left to its reader
    FIELD_DECLARED,    // of the kind of the value in `declared`; see field_declared
    FIELD_UNSUPPORTED, // known, and refused by the name in `unsupported`
};

struct field {
    const char *name; // "hidden", "rope.theta"
    enum field_kind kind;
    bool required;                // if the table that holds it is there
    double minimum, maximum;      // of numbers
    const char *constant;         // its name in emitted source, NULL: it has none
    size_t offset;                // of the result in the struct, where the kind has one
    size_t count_offset;          // of the count of FIELD_TOKENS
    int capacity;                 // of lists
    const char *unsupported;      // "sampling"
    const struct value *declared; // of FIELD_DECLARED: an integer, a number, a boolean, a string or
                                  // a list of one of these; the empty list stands for numbers
};

// Where the values come from.
struct field_source {
    const char *file;                      // as diagnostics name it
    const char *text;                      // of the file; NULL: no columns
    const char *noun;                      // "model", "target": what has the fields, for messages
    const char *family;                    // which may declare further fields, or NULL
    const struct override_list *overrides; // values that were replaced are located there; or NULL
    const struct config *config;           // where there is no Lua text but a config.json, or NULL
    const struct value *config_keys;       // the config's key of each field, or a list of keys of
                                           // which the first that is there counts; a table or NULL
    struct arena *arena;                   // owns the names of such locations
};

// Where the field `path` ("rope.theta") of `value` is written: the column of its value, or of its
// name (at_name). A field replaced by --set is located there, a missing one where the table that
// should hold it is.
struct location field_locate(const struct field_source *source, const struct value *value,
                             const char *path, bool at_name);

// The value at a path, or NULL.
struct value *field_get(const struct value *value, const char *path);

// Checks `value` against `fields` ([count]) and stores what is right into the struct `into`
// (fields that are absent leave it as it is; strings belong to the value, lists to the arena).
// Returns false after adding diagnostics, one for each wrong field.
bool fields_read(const struct field *fields, size_t count, const struct value *value,
                 const struct field_source *source, void *into, struct arena *arena,
                 struct diagnostics *diagnostics);

// What a FIELD_DECLARED that fields_read found right means: a whole number such as 4.0 is an
// integer where that is declared, and a value alone is a list where one is declared.
struct value *field_declared(const struct field *field, struct value *value, struct arena *arena);

#endif
