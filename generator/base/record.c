#include "generator/base/record.h"

#include <limits.h>
#include <string.h>

static const void *at(const void *record, size_t offset) { return (const char *)record + offset; }
static void *at_mutable(void *record, size_t offset) { return (char *)record + offset; }

static struct value *field_to_value(struct arena *arena, const struct record_field *field,
                                    const void *record) {
    const void *place = at(record, field->offset);
    switch (field->kind) {
    case HOLDS_INT:
        return value_integer(arena, *(const int *)place);
    case HOLDS_INT64:
        return value_integer(arena, *(const int64_t *)place);
    case HOLDS_DOUBLE:
        return value_number(arena, *(const double *)place);
    case HOLDS_BOOL:
        return value_boolean(arena, *(const bool *)place);
    case HOLDS_STRING: {
        const char *string = *(const char *const *)place;
        return string ? value_string(arena, string) : NULL;
    }
    case HOLDS_RECORD:
        return record_to_value(arena, field->record, place);
    default:
        break;
    }
    const int count = *(const int *)at(record, field->count_offset);
    struct value *list = value_list(arena);
    for (int i = 0; i < count; i++) {
        struct value *item = NULL;
        if (field->kind == HOLDS_INT_LIST)
            item = value_integer(arena, (*(int *const *)place)[i]);
        else if (field->kind == HOLDS_INT64_LIST)
            item = value_integer(arena, (*(int64_t *const *)place)[i]);
        else if (field->kind == HOLDS_DOUBLE_LIST)
            item = value_number(arena, (*(double *const *)place)[i]);
        else if (field->kind == HOLDS_STRING_LIST)
            item = value_string(arena, (*(const char *const *const *)place)[i]);
        else
            item = record_to_value(arena, field->record,
                                   *(const char *const *)place + (size_t)i * field->record->bytes);
        value_list_add(arena, list, item);
    }
    return list;
}

struct value *record_to_value(struct arena *arena, const struct record_type *type,
                              const void *record) {
    struct value *table = value_table(arena);
    for (int i = 0; i < type->field_count; i++) {
        struct value *value = field_to_value(arena, &type->fields[i], record);
        if (value)
            value_table_set(arena, table, type->fields[i].name, value);
    }
    return table;
}

struct reading {
    struct arena *arena;
    const char *file;
    struct diagnostics *diagnostics;
};

static bool wrong(const struct reading *reading, const struct value *value,
                  const struct record_type *type, const char *name, const char *expected) {
    return diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER,
                          (struct location){.file = reading->file, .line = value->line},
                          "%s.%s must be %s, not %s", type->name, name, expected,
                          value_kind_name(value->kind));
}

static bool read_int(const struct value *value, int *out) {
    if (value->kind != VALUE_INTEGER || value->integer < INT_MIN || value->integer > INT_MAX)
        return false;
    *out = (int)value->integer;
    return true;
}

static bool read_double(const struct value *value, double *out) {
    if (value->kind == VALUE_INTEGER)
        *out = (double)value->integer;
    else if (value->kind == VALUE_NUMBER)
        *out = value->number;
    else
        return false;
    return true;
}

static size_t item_bytes(const struct record_field *field) {
    switch (field->kind) {
    case HOLDS_INT_LIST:
        return sizeof(int);
    case HOLDS_INT64_LIST:
        return sizeof(int64_t);
    case HOLDS_DOUBLE_LIST:
        return sizeof(double);
    case HOLDS_STRING_LIST:
        return sizeof(const char *);
    default:
        return field->record->bytes;
    }
}

static bool read_list(const struct reading *reading, const struct record_type *type,
                      const struct record_field *field, const struct value *value, void *record) {
    // An empty Lua table does not tell whether it is a list.
    const bool empty = value->kind == VALUE_TABLE && value->table.count == 0;
    if (value->kind != VALUE_LIST && !empty)
        return wrong(reading, value, type, field->name, "a list");
    const size_t count = empty ? 0 : value->list.count;
    if (count > INT_MAX)
        return wrong(reading, value, type, field->name, "a shorter list");
    char *items = arena_array(reading->arena, count ? count : 1, item_bytes(field));
    *(char **)at_mutable(record, field->offset) = items;
    *(int *)at_mutable(record, field->count_offset) = (int)count;
    for (size_t i = 0; i < count; i++) {
        const struct value *item = value->list.items[i];
        void *place = items + i * item_bytes(field);
        if (field->kind == HOLDS_INT_LIST) {
            if (!read_int(item, place))
                return wrong(reading, item, type, field->name, "a list of integers");
        } else if (field->kind == HOLDS_INT64_LIST) {
            if (item->kind != VALUE_INTEGER)
                return wrong(reading, item, type, field->name, "a list of integers");
            *(int64_t *)place = item->integer;
        } else if (field->kind == HOLDS_DOUBLE_LIST) {
            if (!read_double(item, place))
                return wrong(reading, item, type, field->name, "a list of numbers");
        } else if (field->kind == HOLDS_STRING_LIST) {
            if (item->kind != VALUE_STRING)
                return wrong(reading, item, type, field->name, "a list of strings");
            *(const char **)place = arena_string(reading->arena, item->string);
        } else if (!record_from_value(reading->arena, field->record, item, place, reading->file,
                                      reading->diagnostics)) {
            return false;
        }
    }
    return true;
}

static bool read_field(const struct reading *reading, const struct record_type *type,
                       const struct record_field *field, const struct value *value, void *record) {
    void *place = at_mutable(record, field->offset);
    switch (field->kind) {
    case HOLDS_INT:
        return read_int(value, place) || wrong(reading, value, type, field->name, "an integer");
    case HOLDS_INT64:
        if (value->kind != VALUE_INTEGER)
            return wrong(reading, value, type, field->name, "an integer");
        *(int64_t *)place = value->integer;
        return true;
    case HOLDS_DOUBLE:
        return read_double(value, place) || wrong(reading, value, type, field->name, "a number");
    case HOLDS_BOOL:
        if (value->kind != VALUE_BOOLEAN)
            return wrong(reading, value, type, field->name, "true or false");
        *(bool *)place = value->boolean;
        return true;
    case HOLDS_STRING:
        if (value->kind != VALUE_STRING)
            return wrong(reading, value, type, field->name, "a string");
        *(const char **)place = arena_string(reading->arena, value->string);
        return true;
    case HOLDS_RECORD:
        return record_from_value(reading->arena, field->record, value, place, reading->file,
                                 reading->diagnostics);
    default:
        return read_list(reading, type, field, value, record);
    }
}

static const struct record_field *find_field(const struct record_type *type, const char *name) {
    for (int i = 0; i < type->field_count; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    return NULL;
}

static bool unknown_field(const struct reading *reading, const struct record_type *type,
                          const struct value *value, const char *name) {
    const char *names[64];
    size_t count = 0;
    for (int i = 0; i < type->field_count && count < 64; i++)
        names[count++] = type->fields[i].name;
    diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER,
                   (struct location){.file = reading->file, .line = value->line},
                   "%s has no field '%s'", type->name, name);
    const char *nearest = nearest_name(name, names, count);
    if (nearest)
        diagnostic_note(reading->diagnostics, "did you mean '%s'?", nearest);
    return false;
}

bool record_from_value(struct arena *arena, const struct record_type *type,
                       const struct value *value, void *record, const char *file,
                       struct diagnostics *diagnostics) {
    const struct reading reading = {arena, file, diagnostics};
    if (value->kind != VALUE_TABLE)
        return diagnostic_add(
            diagnostics, DIAGNOSTIC_USER, (struct location){.file = file, .line = value->line},
            "a %s must be a table, not %s", type->name, value_kind_name(value->kind));
    for (size_t i = 0; i < value->table.count; i++) {
        const struct value_field *given = &value->table.fields[i];
        const struct record_field *field = find_field(type, given->name);
        if (!field)
            return unknown_field(&reading, type, given->value, given->name);
        if (!read_field(&reading, type, field, given->value, record))
            return false;
    }
    for (int i = 0; i < type->field_count; i++) {
        const struct record_field *field = &type->fields[i];
        const bool optional = field->kind == HOLDS_STRING || field->kind >= HOLDS_INT_LIST;
        if (!optional && !value_get(value, field->name))
            return diagnostic_add(diagnostics, DIAGNOSTIC_USER,
                                  (struct location){.file = file, .line = value->line},
                                  "%s.%s is missing", type->name, field->name);
    }
    return true;
}
