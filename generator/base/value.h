// Value: a tree of plain data. Specs, targets, plans and configs all travel as values between Lua
// text, JSON text and C structs, so that only the script room needs to know Lua.
#ifndef GENERATOR_BASE_VALUE_H
#define GENERATOR_BASE_VALUE_H

#include "generator/base/arena.h"
#include "generator/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind {
    VALUE_NIL,
    VALUE_BOOLEAN,
    VALUE_INTEGER,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_LIST,  // 1, 2, 3 ... n
    VALUE_TABLE, // named fields, in a defined order
};

struct value;

struct value_field {
    const char *name;
    struct value *value;
};

struct value {
    enum value_kind kind;
    int line; // where it was written, 0 where unknown
    union {
        bool boolean;
        int64_t integer;
        double number;
        const char *string; // NUL-terminated, no NUL inside
        struct {
            struct value **items;
            size_t count;
        } list;
        struct {
            struct value_field *fields;
            size_t count;
        } table;
    };
};

struct value *value_nil(struct arena *arena);
struct value *value_boolean(struct arena *arena, bool boolean);
struct value *value_integer(struct arena *arena, int64_t integer);
struct value *value_number(struct arena *arena, double number);
struct value *value_string(struct arena *arena, const char *string); // copies
struct value *value_list(struct arena *arena);
struct value *value_table(struct arena *arena);

void value_list_add(struct arena *arena, struct value *list, struct value *item);
// Replaces a field of that name, else adds it at the end. Copies the name. Linear in the fields.
void value_table_set(struct arena *arena, struct value *table, const char *name,
                     struct value *value);

// Adds a field at the end. Copies the name. Requires: `table` has no field of that name.
void value_table_add(struct arena *arena, struct value *table, const char *name,
                     struct value *value);

// The field's value, or NULL where `table` is no table or has no such field.
struct value *value_get(const struct value *table, const char *name);

const char *value_kind_name(enum value_kind kind); // "integer", "table" ...

// Prints as a Lua expression that reads back equal: fields in their order, one a line at depth less
// than `expand_depth`, lists of numbers wrapped at 100 columns; numbers with 17 significant digits
// where fewer do not read back. Fields that are nil are left out; an empty table reads back as an
// empty list, since Lua has one notation for both.
void value_print_lua(struct text *out, const struct value *value, int expand_depth);

// Prints as JSON, indented by two, fields in their order. What JSON cannot say is replaced: numbers
// that are not finite by null, bytes that are no UTF-8 by U+FFFD.
void value_print_json(struct text *out, const struct value *value);

#endif
