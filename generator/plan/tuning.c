#include "generator/plan/tuning.h"

#include "generator/target/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tuning_key {
    const char *name, *values, *meaning; // values NULL: an integer
    int low, high;
    size_t offset;
};

static const struct tuning_key keys[] = {
#define TUNING_INT(key, low, high, meaning)                                                        \
    {#key, NULL, meaning, low, high, offsetof(struct tuning, key)},
#define TUNING_NAME(key, values, meaning)                                                          \
    {#key, values, meaning, 0, 0, offsetof(struct tuning, key)},
#include "generator/plan/tuning.def"
};
enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

static bool take_key(const struct tuning_key *key, struct tuning *tuning, const char *value,
                     struct arena *arena, struct diagnostics *diagnostics) {
    char *place = (char *)tuning + key->offset;
    if (key->values) {
        if (!word_is_one_of(key->values, value))
            return usage_error(diagnostics, "--set %s=%s: must be one of %s", key->name, value,
                               key->values);
        *(const char **)place = arena_string(arena, value);
        return true;
    }
    char *end = NULL;
    errno = 0;
    const long number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < key->low || number > key->high)
        return usage_error(diagnostics, "--set %s=%s: must be a whole number from %d to %d",
                           key->name, value, key->low, key->high);
    *(int *)place = (int)number;
    return true;
}

bool tuning_take(struct tuning *tuning, struct override_list *overrides, struct arena *arena,
                 struct diagnostics *diagnostics) {
    bool good = true;
    for (int i = 0; i < overrides->count; i++) {
        struct override *override = &overrides->items[i];
        for (int k = 0; k < KEY_COUNT; k++) {
            if (strcmp(keys[k].name, override->key) != 0)
                continue;
            override->used = true;
            good &= take_key(&keys[k], tuning, override->value, arena, diagnostics);
        }
    }
    return good;
}

bool tuning_report_unknown(const struct override_list *overrides, struct diagnostics *diagnostics) {
    const char *names[KEY_COUNT + MODEL_MAX_KEYS + 64];
    size_t count = model_keys(names);
    for (int k = 0; k < KEY_COUNT; k++)
        names[count++] = keys[k].name;
    for (const char *const *key = target_keys; *key && count < sizeof names / sizeof *names; key++)
        names[count++] = *key;
    bool good = true;
    for (int i = 0; i < overrides->count; i++) {
        const struct override *override = &overrides->items[i];
        if (override->used)
            continue;
        good = usage_error(diagnostics, "--set %s=%s: no spec, target or tuning key '%s'",
                           override->key, override->value, override->key);
        const char *nearest = nearest_name(override->key, names, count);
        if (nearest)
            diagnostic_note(diagnostics, "did you mean '%s'?", nearest);
    }
    return good;
}

void tuning_print_keys(struct text *out) {
    for (int k = 0; k < KEY_COUNT; k++) {
        if (keys[k].values)
            text_format(out, "  %-16s %-16s %s\n", keys[k].name, keys[k].values, keys[k].meaning);
        else
            text_format(out, "  %-16s %5d..%-9d %s\n", keys[k].name, keys[k].low, keys[k].high,
                        keys[k].meaning);
    }
}

static struct value *names_of(struct arena *arena, const char *values) {
    struct value *list = value_list(arena);
    for (const char *at = values; *at; at += *at == '|') {
        const size_t length = strcspn(at, "|");
        value_list_add(arena, list, value_string(arena, arena_bytes(arena, at, length)));
        at += length;
    }
    return list;
}

struct value *tuning_keys_value(struct arena *arena) {
    struct value *list = value_list(arena);
    for (int k = 0; k < KEY_COUNT; k++) {
        struct value *row = value_table(arena);
        value_table_set(arena, row, "name", value_string(arena, keys[k].name));
        value_table_set(arena, row, "meaning", value_string(arena, keys[k].meaning));
        if (keys[k].values) {
            value_table_set(arena, row, "values", names_of(arena, keys[k].values));
        } else {
            value_table_set(arena, row, "least", value_integer(arena, keys[k].low));
            value_table_set(arena, row, "most", value_integer(arena, keys[k].high));
        }
        value_list_add(arena, list, row);
    }
    return list;
}

void tuning_print(const struct tuning *tuning, struct text *out) {
    bool any = false;
    for (int k = 0; k < KEY_COUNT; k++) {
        const char *place = (const char *)tuning + keys[k].offset;
        if (keys[k].values && *(const char *const *)place)
            text_format(out, "%s%s=%s", any ? " " : "", keys[k].name, *(const char *const *)place);
        else if (!keys[k].values && *(const int *)place)
            text_format(out, "%s%s=%d", any ? " " : "", keys[k].name, *(const int *)place);
        else
            continue;
        any = true;
    }
    if (!any)
        text_append(out, "default");
}
