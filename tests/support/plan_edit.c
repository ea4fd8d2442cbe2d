#include "tests/support/plan_edit.h"

#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct edit {
    struct arena *arena;
    const char *line; // for messages
};

// Where a value hangs: a field of a table or an item of a list.
struct place {
    struct value *parent;
    const char *field; // of a table
    size_t item;       // of a list
};

static bool is_named(const struct value *item, const char *key, const char *name, size_t length) {
    const struct value *value = value_get(item, key);
    return value && value->kind == VALUE_STRING && strlen(value->string) == length &&
           strncmp(value->string, name, length) == 0;
}

// "qkv@1": the stage of that body in layer 1; without @, the first item of that name or body.
static size_t item_named(const struct edit *edit, const struct value *list, const char *name,
                         size_t length) {
    const char *at = memchr(name, '@', length);
    const size_t own = at ? (size_t)(at - name) : length;
    for (size_t i = 0; i < list->list.count; i++) {
        const struct value *item = list->list.items[i], *layer = value_get(item, "layer");
        if (!is_named(item, "name", name, own) && !is_named(item, "body", name, own))
            continue;
        if (!at || (layer && layer->integer == strtol(at + 1, NULL, 10)))
            return i;
    }
    fail_msg("no item %.*s: %s", (int)length, name, edit->line);
    return 0;
}

static struct value *value_at(const struct edit *edit, const struct place *place) {
    if (place->field)
        return value_get(place->parent, place->field);
    if (place->item >= place->parent->list.count)
        fail_msg("a list of %zu has no item %zu: %s", place->parent->list.count, place->item,
                 edit->line);
    return place->parent->list.items[place->item];
}

// Walks to the place at the end of `path` [length].
static struct place find(const struct edit *edit, struct value *root, const char *path,
                         size_t length) {
    struct place place = {.parent = root};
    for (const char *at = path, *end = path + length; at < end;) {
        at += *at == '.';
        if (at > path)
            place.parent = value_at(edit, &place);
        if (!place.parent)
            fail_msg("no such place: %s", edit->line);
        const bool indexed = *at == '[', list = place.parent->kind == VALUE_LIST;
        const size_t part = indexed ? strcspn(at, "]") + 1 : strcspn(at, ".[ ");
        if (!list && (indexed || place.parent->kind != VALUE_TABLE))
            fail_msg("no list or table: %s", edit->line);
        place.field = list ? NULL : arena_bytes(edit->arena, at, part);
        if (list)
            place.item =
                indexed ? strtoul(at + 1, NULL, 10) : item_named(edit, place.parent, at, part);
        at += part;
    }
    return place;
}

static struct value *of_json(const struct edit *edit, json_t *json) {
    struct arena *arena = edit->arena;
    struct value *value;
    size_t i;
    const char *key;
    json_t *item;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        value = value_table(arena);
        json_object_foreach(json, key, item)
            value_table_add(arena, value, key, of_json(edit, item));
        return value;
    case JSON_ARRAY:
        value = value_list(arena);
        json_array_foreach(json, i, item) value_list_add(arena, value, of_json(edit, item));
        return value;
    case JSON_STRING:
        return value_string(arena, json_string_value(json));
    case JSON_INTEGER:
        return value_integer(arena, json_integer_value(json));
    case JSON_REAL:
        return value_number(arena, json_real_value(json));
    case JSON_NULL:
        return NULL;
    default:
        return value_boolean(arena, json_is_true(json));
    }
}

static struct value *parse(const struct edit *edit, const char *text) {
    char *json_text = arena_string(edit->arena, text);
    for (char *at = json_text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_error_t error;
    json_t *json = json_loads(json_text, JSON_DECODE_ANY, &error);
    if (!json)
        fail_msg("%s: %s", error.text, edit->line);
    struct value *value = of_json(edit, json);
    json_decref(json);
    return value;
}

static struct value *changed_number(const struct edit *edit, const struct value *before,
                                    const char *change) {
    if (!before || before->kind != VALUE_INTEGER)
        fail_msg("no whole number to change: %s", edit->line);
    const int64_t by = strtoll(change + 1, NULL, 10), old = before->integer;
    return value_integer(edit->arena, *change == '+'   ? old + by
                                      : *change == '*' ? old * by
                                                       : old / by);
}

static void remove_at(const struct edit *edit, const struct place *place) {
    struct value *parent = place->parent;
    if (!place->field) {
        parent->list.count--;
        for (size_t i = place->item; i < parent->list.count; i++)
            parent->list.items[i] = parent->list.items[i + 1];
        return;
    }
    value_table_set(edit->arena, parent, place->field, value_nil(edit->arena));
}

static void move_to_front(const struct edit *edit, const struct place *place) {
    if (place->field)
        fail_msg("no item of a list: %s", edit->line);
    struct value **items = place->parent->list.items, *item = items[place->item];
    for (size_t i = place->item; i > 0; i--)
        items[i] = items[i - 1];
    items[0] = item;
}

static void apply(const struct edit *edit, struct value *root) {
    const char *equals = strstr(edit->line, " = ");
    if (!equals)
        fail_msg("no PLACE = VALUE: %s", edit->line);
    const struct place place = find(edit, root, edit->line, (size_t)(equals - edit->line));
    const char *text = equals + strlen(" = ");
    struct value *before = value_at(edit, &place);
    if (strcmp(text, "first") == 0) {
        move_to_front(edit, &place);
        return;
    }
    if (strncmp(text, "add ", 4) == 0) {
        if (!before || before->kind != VALUE_LIST)
            fail_msg("no list to add to: %s", edit->line);
        value_list_add(edit->arena, before, parse(edit, text + 4));
        return;
    }
    struct value *after =
        strchr("+*/", *text) ? changed_number(edit, before, text) : parse(edit, text);
    if (!after)
        remove_at(edit, &place);
    else if (place.field)
        value_table_set(edit->arena, place.parent, place.field, after);
    else
        place.parent->list.items[place.item] = after;
}

static struct plan_plan read_back(const struct value *value, struct arena *arena) {
    struct diagnostics diagnostics = {0};
    struct text text = {0};
    struct plan_plan plan = {0};
    text_append(&text, "plan ");
    value_print_lua(&text, value, 2);
    struct script *script = script_open(script_default_limits(), &diagnostics);
    if (!script || !plan_read(script, "edited.lua", text.bytes, arena, &plan, &diagnostics))
        fail_msg("%s", printed_diagnostics(&diagnostics));
    script_close(script);
    text_close(&text);
    diagnostics_close(&diagnostics);
    return plan;
}

struct plan_plan plan_edited(const struct plan_plan *plan, const char *edits, struct arena *arena) {
    struct value *root = plan_to_value(arena, plan);
    while (*edits) {
        const size_t length = strcspn(edits, "\n");
        const struct edit edit = {arena, arena_bytes(arena, edits, length)};
        apply(&edit, root);
        edits += length + (edits[length] == '\n');
    }
    return read_back(root, arena);
}

// ---- copies -------------------------------------------------------------------------------------

static void *list_copied(struct arena *arena, const void *items, int count, size_t bytes) {
    void *copy = arena_array(arena, (size_t)count + 1, bytes);
    if (count > 0)
        memcpy(copy, items, (size_t)count * bytes);
    return copy;
}

#define RECORD(name) static void copy_##name(struct arena *arena, struct plan_##name *item) {
#define END(name)                                                                                  \
    (void)arena;                                                                                   \
    (void)item;                                                                                    \
    }
#define INT(record, field)
#define INT64(record, field)
#define DOUBLE(record, field)
#define BOOL(record, field)
#define STRING(record, field)
#define COPY_LIST(field)                                                                           \
    item->field = list_copied(arena, item->field, item->field##_count, sizeof *item->field);
#define INT_LIST(record, field) COPY_LIST(field)
#define INT64_LIST(record, field) COPY_LIST(field)
#define DOUBLE_LIST(record, field) COPY_LIST(field)
#define STRING_LIST(record, field) COPY_LIST(field)
#define RECORD_FIELD(record, field, type) copy_##type(arena, &item->field);
#define RECORD_LIST(record, field, type)                                                           \
    COPY_LIST(field)                                                                               \
    for (int i = 0; i < item->field##_count; i++)                                                  \
        copy_##type(arena, &item->field[i]);
#include "generator/plan/plan.def"

struct plan_plan plan_copied(const struct plan_plan *plan, struct arena *arena) {
    struct plan_plan copy = *plan;
    copy_plan(arena, &copy);
    return copy;
}
