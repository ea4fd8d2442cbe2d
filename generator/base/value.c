#include "generator/base/value.h"

#include <string.h>

static struct value *make(struct arena *arena, enum value_kind kind) {
    struct value *value = arena_alloc(arena, sizeof *value);
    value->kind = kind;
    return value;
}

struct value *value_nil(struct arena *arena) {
    return make(arena, VALUE_NIL);
}

struct value *value_boolean(struct arena *arena, bool boolean) {
    struct value *value = make(arena, VALUE_BOOLEAN);
    value->boolean = boolean;
    return value;
}

struct value *value_integer(struct arena *arena, int64_t integer) {
    struct value *value = make(arena, VALUE_INTEGER);
    value->integer = integer;
    return value;
}

struct value *value_number(struct arena *arena, double number) {
    struct value *value = make(arena, VALUE_NUMBER);
    value->number = number;
    return value;
}

struct value *value_string(struct arena *arena, const char *string) {
    struct value *value = make(arena, VALUE_STRING);
    value->string = arena_string(arena, string);
    return value;
}

struct value *value_list(struct arena *arena) {
    return make(arena, VALUE_LIST);
}

struct value *value_table(struct arena *arena) {
    return make(arena, VALUE_TABLE);
}

void value_list_add(struct arena *arena, struct value *list, struct value *item) {
    list->list.items =
        arena_grow(arena, list->list.items, list->list.count, sizeof *list->list.items);
    list->list.items[list->list.count++] = item;
}

static struct value_field *find_field(const struct value *table, const char *name) {
    for (size_t i = 0; i < table->table.count; i++) {
        if (strcmp(table->table.fields[i].name, name) == 0)
            return &table->table.fields[i];
    }
    return NULL;
}

void value_table_add(struct arena *arena, struct value *table, const char *name,
                     struct value *value) {
    table->table.fields =
        arena_grow(arena, table->table.fields, table->table.count, sizeof *table->table.fields);
    table->table.fields[table->table.count++] =
        (struct value_field){.name = arena_string(arena, name), .value = value};
}

void value_table_set(struct arena *arena, struct value *table, const char *name,
                     struct value *value) {
    struct value_field *field = find_field(table, name);
    if (field)
        field->value = value;
    else
        value_table_add(arena, table, name, value);
}

struct value *value_get(const struct value *table, const char *name) {
    if (!table || table->kind != VALUE_TABLE)
        return NULL;
    struct value_field *field = find_field(table, name);
    return field ? field->value : NULL;
}

const char *value_kind_name(enum value_kind kind) {
    switch (kind) {
    case VALUE_NIL:
        return "nil";
    case VALUE_BOOLEAN:
        return "boolean";
    case VALUE_INTEGER:
        return "integer";
    case VALUE_NUMBER:
        return "number";
    case VALUE_STRING:
        return "string";
    case VALUE_LIST:
        return "list";
    case VALUE_TABLE:
        return "table";
    }
    return "unknown";
}
