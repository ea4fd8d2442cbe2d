// Overrides: --set KEY=VALUE put into a spec's or target's value before it is checked.
#include "generator/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_known(const char *key, const char *const *known, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(known[i], key) == 0)
            return true;
    return false;
}

// The text as the kind it looks like: boolean, integer, number, else string.
static struct value *parse_scalar(struct arena *arena, const char *text) {
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return value_boolean(arena, text[0] == 't');
    char *end;
    errno = 0;
    long long integer = strtoll(text, &end, 10);
    if (*text && !*end && errno == 0)
        return value_integer(arena, integer);
    errno = 0;
    double number = strtod(text, &end);
    if (*text && !*end && errno == 0)
        return value_number(arena, number);
    return value_string(arena, text);
}

// "1,2,3" is a list where there is a comma.
static struct value *parse(struct arena *arena, const char *text) {
    if (!strchr(text, ','))
        return parse_scalar(arena, text);
    struct value *list = value_list(arena);
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        value_list_add(arena, list, parse_scalar(arena, arena_bytes(arena, at, length)));
        if (!at[length])
            return list;
        at += length + 1;
    }
}

// Sets `path` in `table`, making the tables on the way. Where a field on the way is no table, the
// error is on the command line: there is nothing to replace inside a number.
static bool set_path(struct value *table, const char *path, const struct override *item,
                     struct arena *arena, struct diagnostics *diagnostics) {
    size_t length = strcspn(path, ".");
    const char *name = arena_bytes(arena, path, length);
    if (!path[length]) {
        const struct value *old = value_get(table, name);
        bool text = old && old->kind == VALUE_STRING;
        value_table_set(arena, table, name,
                        text ? value_string(arena, item->value) : parse(arena, item->value));
        return true;
    }
    struct value *inner = value_get(table, name);
    if (!inner || (inner->kind == VALUE_LIST && inner->list.count == 0)) {
        inner = value_table(arena);
        value_table_set(arena, table, name, inner);
    } else if (inner->kind != VALUE_TABLE) {
        return usage_error(diagnostics, "--set %s=%s: %s is no table", item->key, item->value,
                           name);
    }
    return set_path(inner, path + length + 1, item, arena, diagnostics);
}

bool overrides_apply(struct override_list *overrides, struct value *value, const char *const *known,
                     size_t known_count, struct arena *arena, struct diagnostics *diagnostics) {
    if (!overrides || value->kind != VALUE_TABLE)
        return true;
    bool good = true;
    for (int i = 0; i < overrides->count; i++) {
        struct override *item = &overrides->items[i];
        if (item->used || !is_known(item->key, known, known_count))
            continue;
        item->used = true;
        good &= set_path(value, item->key, item, arena, diagnostics);
    }
    return good;
}
