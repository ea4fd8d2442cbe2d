#include "generator/model/config.h"

#include "generator/base/file.h"

#include <jansson.h>
#include <string.h>

enum { MAX_BYTES = 4 << 20, MAX_KEYS = 4096, MAX_ITEMS = 1 << 18, MAX_DEPTH = 32 };

static struct value *to_value(struct arena *arena, const json_t *json, int depth,
                              const char **problem) {
    if (depth > MAX_DEPTH) {
        *problem = "is nested too deeply";
        return value_nil(arena);
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT: {
        struct value *table = value_table(arena);
        const char *key;
        json_t *item;
        if (json_object_size(json) > MAX_KEYS) {
            *problem = "has an object with too many keys";
            return table;
        }
        json_object_foreach((json_t *)json, key, item) {
            value_table_set(arena, table, key, to_value(arena, item, depth + 1, problem));
        }
        return table;
    }
    case JSON_ARRAY: {
        struct value *list = value_list(arena);
        if (json_array_size(json) > MAX_ITEMS) {
            *problem = "has an array with too many items";
            return list;
        }
        for (size_t i = 0; i < json_array_size(json); i++)
            value_list_add(arena, list,
                           to_value(arena, json_array_get(json, i), depth + 1, problem));
        return list;
    }
    case JSON_STRING:
        return value_string(arena, json_string_value(json));
    case JSON_INTEGER:
        return value_integer(arena, json_integer_value(json));
    case JSON_REAL:
        return value_number(arena, json_real_value(json));
    case JSON_TRUE:
    case JSON_FALSE:
        return value_boolean(arena, json_is_true(json));
    case JSON_NULL:
        break;
    }
    return value_nil(arena);
}

static struct value *read_object(const char *path, struct arena *arena, const char **source,
                                 struct diagnostics *diagnostics) {
    size_t length;
    const char *text = file_read(arena, path, MAX_BYTES, &length, diagnostics);
    if (!text)
        return NULL;
    *source = text;
    json_error_t error;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    struct location at = {.file = path, .source = text};
    if (!json) {
        at.line = error.line > 0 ? error.line : 0;
        at.column = error.line > 0 && error.column > 0 ? error.column : 0;
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "no valid JSON: %s", error.text);
        return NULL;
    }
    const char *problem = json_is_object(json) ? NULL : "is no JSON object";
    struct value *value = problem ? NULL : to_value(arena, json, 0, &problem);
    json_decref(json);
    if (problem) {
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "the file %s", problem);
        return NULL;
    }
    return value;
}

static const char eos_key[] = "eos_token_id";

bool config_read(const char *folder, struct arena *arena, struct config *config,
                 struct diagnostics *diagnostics) {
    *config = (struct config){0};
    config->path = arena_format(arena, "%s/config.json", folder);
    config->value = read_object(config->path, arena, &config->source, diagnostics);
    if (!config->value)
        return false;
    const char *path = arena_format(arena, "%s/generation_config.json", folder);
    if (!file_exists(path))
        return true;
    const char *source;
    const struct value *generation = read_object(path, arena, &source, diagnostics);
    if (!generation)
        return false;
    struct value *eos = value_get(generation, eos_key);
    if (eos && eos->kind != VALUE_NIL) {
        value_table_set(arena, config->value, eos_key, eos);
        config->generation_path = path;
        config->generation_source = source;
    }
    return true;
}

// Where `"key":` first stands in [from, to); NULL where it does not.
static const char *find_key(const char *from, const char *to, const char *key) {
    size_t length = strlen(key);
    for (const char *c = from; c < to && length > 0; c++) {
        if (*c != '"' || strncmp(c + 1, key, length) != 0 || c[length + 1] != '"')
            continue;
        const char *after = c + length + 2;
        if (after[strspn(after, " \t\r\n")] == ':')
            return c;
    }
    return NULL;
}

// The end of the object that opens at `open`.
static const char *object_end(const char *open) {
    int depth = 0;
    for (const char *c = open; *c; c++) {
        if (*c == '"') {
            for (c++; *c && *c != '"'; c++)
                c += *c == '\\' && c[1];
            if (!*c)
                return c;
        } else if (*c == '{') {
            depth++;
        } else if (*c == '}' && --depth == 0) {
            return c;
        }
    }
    return open + strlen(open);
}

struct location config_locate(const struct config *config, const char *key) {
    bool generation = config->generation_path && strcmp(key, eos_key) == 0;
    struct location at = {.file = generation ? config->generation_path : config->path,
                          .source = generation ? config->generation_source : config->source};
    // A multimodal config keeps the language model in an object of its own, beside others that have
    // keys of the same names.
    const char *end = at.source + strlen(at.source), *found = NULL;
    const char *inner = find_key(at.source, end, "text_config");
    inner = inner ? strchr(inner, '{') : NULL;
    if (inner)
        found = find_key(inner, object_end(inner), key);
    if (!found)
        found = find_key(at.source, end, key);
    if (!found)
        return at;
    const char *start = at.source;
    at.line = 1;
    for (const char *c = at.source; c < found; c++)
        if (*c == '\n') {
            at.line++;
            start = c + 1;
        }
    at.column = (int)(found - start) + 1;
    return at;
}
