#include "generator/model/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 128 };

static const char *last_part(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

struct value *field_get(const struct value *value, const char *path) {
    char name[PATH_BYTES];
    const char *dot = strchr(path, '.');
    if (!dot)
        return value_get(value, path);
    size_t length = (size_t)(dot - path);
    if (length >= sizeof name)
        return NULL;
    memcpy(name, path, length);
    name[length] = '\0';
    struct value *inner = value_get(value, name);
    return inner ? field_get(inner, dot + 1) : NULL;
}

static bool is_name_byte(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *line_start(const char *text, int line) {
    for (; text && line > 1; line--) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return text;
}

// The 1-based column of `name =` in a line at or after `from`, or of what follows the "=" and
// blanks; 0 where the line has no such text.
static int column_of(const char *line, int from, const char *name, bool at_name) {
    size_t length = strlen(name), end = strcspn(line, "\n");
    for (size_t i = from > 0 ? (size_t)from - 1 : 0; i + length < end; i++) {
        if (memcmp(line + i, name, length) != 0 || (i > 0 && is_name_byte(line[i - 1])))
            continue;
        size_t after = i + length;
        after += strspn(line + after, " \t");
        if (line[after] != '=' || line[after + 1] == '=')
            continue;
        after++;
        after += strspn(line + after, " \t");
        return (int)(at_name || after >= end ? i : after) + 1;
    }
    return 0;
}

// The override that put the value of `path` there, or one of the tables around it.
static const struct override *override_of(const struct field_source *source, const char *path) {
    for (int i = 0; source->overrides && i < source->overrides->count; i++) {
        const struct override *item = &source->overrides->items[i];
        if (item->used && strcmp(item->key, path) == 0)
            return item;
    }
    return NULL;
}

// The key of config.json that the field comes from, NULL where none is known.
static const char *config_key(const struct field_source *source, const char *path) {
    const struct value *key = value_get(source->config_keys, path);
    if (!source->config || !key || key->kind != VALUE_LIST)
        return source->config && key && key->kind == VALUE_STRING ? key->string : NULL;
    const char *first = NULL;
    for (size_t i = 0; i < key->list.count; i++) {
        const struct value *item = key->list.items[i];
        if (item->kind != VALUE_STRING)
            continue;
        if (config_locate(source->config, item->string).line > 0)
            return item->string;
        first = first ? first : item->string;
    }
    return first;
}

struct location field_locate(const struct field_source *source, const struct value *value,
                             const char *path, bool at_name) {
    const struct override *replaced = override_of(source, path);
    if (replaced)
        return (struct location){
            .file = arena_format(source->arena, "--set %s=%s", replaced->key, replaced->value)};
    const char *key = config_key(source, path);
    if (key)
        return config_locate(source->config, key);
    struct location at = {.file = source->file, .source = source->text};
    const struct value *field = field_get(value, path);
    char parent[PATH_BYTES];
    const char *name = last_part(path);
    size_t parent_length = name == path ? 0 : (size_t)(name - path) - 1;
    struct location outer = {.line = value->line};
    if (parent_length > 0 && parent_length < sizeof parent) {
        memcpy(parent, path, parent_length);
        parent[parent_length] = '\0';
        outer = field_locate(source, value, parent, at_name);
    }
    if (source->config && outer.file)
        return outer;
    if (!field || field->line <= 0) {
        at.line = outer.line;
        at.column = outer.column;
        return at;
    }
    at.line = field->line;
    const char *start = source->text ? line_start(source->text, at.line) : NULL;
    if (start)
        at.column = column_of(start, outer.line == at.line ? outer.column : 1, name, at_name);
    return at;
}

struct check {
    const struct field *fields;
    size_t count;
    const struct value *root;
    const struct field_source *source;
    char *into;
    struct arena *arena;
    struct diagnostics *diagnostics;
    bool *suggested; // [count] fields that were named as the likely meaning of an unknown key
    bool good;
};

static bool wrong(struct check *check, const char *path, bool at_name, const char *message) {
    check->good = false;
    return diagnostic_add(check->diagnostics, DIAGNOSTIC_USER,
                          field_locate(check->source, check->root, path, at_name), "%s", message);
}

// "hidden must be an integer from 1 to 131072, not "x"", the last part where it is short.
static void wrong_kind(struct check *check, const struct field *field, const struct value *value,
                       const char *expected) {
    struct text shown = {0};
    if (value->kind == VALUE_TABLE || value->kind == VALUE_LIST)
        text_format(&shown, "a %s", value_kind_name(value->kind));
    else
        value_print_lua(&shown, value, 0);
    wrong(check, field->name, false,
          arena_format(check->arena, "%s must be %s, not %.60s", field->name, expected,
                       shown.bytes ? shown.bytes : ""));
    text_close(&shown);
}

// An empty Lua table may read as either kind.
static bool is_empty(const struct value *value) {
    return (value->kind == VALUE_TABLE && value->table.count == 0) ||
           (value->kind == VALUE_LIST && value->list.count == 0);
}

static bool is_table(const struct value *value) {
    return value->kind == VALUE_TABLE || is_empty(value);
}

static bool number_of(const struct value *value, double *number) {
    if (value->kind == VALUE_INTEGER)
        *number = (double)value->integer;
    else if (value->kind == VALUE_NUMBER)
        *number = value->number;
    else
        return false;
    return isfinite(*number);
}

static bool in_bounds(const struct field *field, double number) {
    return number >= field->minimum && number <= field->maximum;
}

static const char *expected_number(struct check *check, const struct field *field,
                                   const char *noun) {
    return arena_format(check->arena, "%s from %.15g to %.15g", noun, field->minimum,
                        field->maximum);
}

static void read_number(struct check *check, const struct field *field, const struct value *value) {
    double number;
    bool whole = field->kind != FIELD_NUMBER;
    if (!number_of(value, &number) || !in_bounds(field, number) ||
        (whole && floor(number) != number)) {
        wrong_kind(check, field, value,
                   expected_number(check, field, whole ? "an integer" : "a number"));
        return;
    }
    if (field->kind == FIELD_INTEGER)
        *(int *)(void *)(check->into + field->offset) = (int)number;
    else if (field->kind == FIELD_LONG_INTEGER)
        *(int64_t *)(void *)(check->into + field->offset) = (int64_t)number;
    else
        *(double *)(void *)(check->into + field->offset) = number;
}

static void read_tokens(struct check *check, const struct field *field, const struct value *value) {
    int32_t *tokens = (int32_t *)(void *)(check->into + field->offset);
    int *token_count = (int *)(void *)(check->into + field->count_offset);
    const struct value *one = value;
    struct value *const *items = value->kind == VALUE_LIST ? value->list.items : NULL;
    size_t count = value->kind == VALUE_LIST ? value->list.count : 1;
    if (is_empty(value))
        count = 0;
    if (count > (size_t)field->capacity) {
        wrong(check, field->name, false,
              arena_format(check->arena, "%s has %zu token ids, at most %d are supported",
                           field->name, count, field->capacity));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct value *item = items ? items[i] : one;
        double number;
        if (!number_of(item, &number) || !in_bounds(field, number) || floor(number) != number) {
            wrong_kind(check, field, item, "a token id or a list of token ids");
            return;
        }
        tokens[i] = (int32_t)number;
    }
    *token_count = (int)count;
}

static void read_numbers(struct check *check, const struct field *field,
                         const struct value *value) {
    double *numbers = (double *)(void *)(check->into + field->offset);
    const char *expected = arena_format(check->arena, "a list of %d numbers from %.15g to %.15g",
                                        field->capacity, field->minimum, field->maximum);
    if (value->kind != VALUE_LIST || value->list.count != (size_t)field->capacity) {
        wrong_kind(check, field, value, expected);
        return;
    }
    for (size_t i = 0; i < value->list.count; i++)
        if (!number_of(value->list.items[i], &numbers[i]) || !in_bounds(field, numbers[i])) {
            wrong_kind(check, field, value->list.items[i], expected);
            return;
        }
}

static void read_texts(struct check *check, const struct field *field, const struct value *value) {
    bool empty = is_empty(value);
    if (!empty && (value->kind != VALUE_LIST || value->list.count > (size_t)field->capacity)) {
        wrong_kind(check, field, value, "a list of strings");
        return;
    }
    size_t count = empty ? 0 : value->list.count;
    const char **texts = arena_array(check->arena, count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        if (value->list.items[i]->kind != VALUE_STRING) {
            wrong_kind(check, field, value->list.items[i], "a list of strings");
            return;
        }
        texts[i] = value->list.items[i]->string;
    }
    *(const char *const **)(void *)(check->into + field->offset) = texts;
}

static bool fits(const struct value *declared, const struct value *value) {
    const double largest = 9007199254740992; // as a double too, every integer up to it is exact
    double number;
    if (declared->kind == VALUE_INTEGER)
        return number_of(value, &number) && floor(number) == number && fabs(number) <= largest;
    if (declared->kind == VALUE_NUMBER)
        return number_of(value, &number);
    return value->kind == declared->kind;
}

static void read_declared(struct check *check, const struct field *field,
                          const struct value *value) {
    static const char *const nouns[][2] = {
        [VALUE_BOOLEAN] = {"true or false", "truth values"},
        [VALUE_INTEGER] = {"an integer", "integers"},
        [VALUE_NUMBER] = {"a number", "numbers"},
        [VALUE_STRING] = {"a string", "strings"},
    };
    static const struct value a_number = {.kind = VALUE_NUMBER};
    const struct value *declared = field->declared;
    if (declared->kind != VALUE_LIST) {
        if (!fits(declared, value))
            wrong_kind(check, field, value, nouns[declared->kind][0]);
        return;
    }
    declared = declared->list.count > 0 ? declared->list.items[0] : &a_number;
    size_t count = value->kind == VALUE_LIST ? value->list.count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct value *item = value->kind == VALUE_LIST ? value->list.items[i] : value;
        if (!fits(declared, item)) {
            wrong_kind(check, field, item,
                       arena_format(check->arena, "a list of %s", nouns[declared->kind][1]));
            return;
        }
    }
}

struct value *field_declared(const struct field *field, struct value *value, struct arena *arena) {
    struct value *meant = value;
    double number;
    if (field->declared->kind == VALUE_LIST && value->kind != VALUE_LIST) {
        meant = value_list(arena);
        value_list_add(arena, meant, value);
    } else if (field->declared->kind == VALUE_INTEGER && value->kind == VALUE_NUMBER) {
        meant = value_integer(arena, (int64_t)value->number);
    } else if (field->declared->kind == VALUE_NUMBER && number_of(value, &number)) {
        meant = value_number(arena, number);
    }
    meant->line = value->line;
    return meant;
}

static void read_field(struct check *check, const struct field *field, const struct value *value) {
    switch (field->kind) {
    case FIELD_TEXT:
        if (value->kind != VALUE_STRING)
            wrong_kind(check, field, value, "a string");
        else
            *(const char **)(void *)(check->into + field->offset) = value->string;
        break;
    case FIELD_BOOLEAN:
        if (value->kind != VALUE_BOOLEAN)
            wrong_kind(check, field, value, "true or false");
        else
            *(bool *)(check->into + field->offset) = value->boolean;
        break;
    case FIELD_INTEGER:
    case FIELD_LONG_INTEGER:
    case FIELD_NUMBER:
        read_number(check, field, value);
        break;
    case FIELD_TOKENS:
        read_tokens(check, field, value);
        break;
    case FIELD_NUMBERS:
        read_numbers(check, field, value);
        break;
    case FIELD_TEXTS:
        read_texts(check, field, value);
        break;
    case FIELD_TABLE:
        if (!is_table(value))
            wrong_kind(check, field, value, "a table");
        break;
    case FIELD_UNSUPPORTED:
        wrong(check, field->name, true,
              arena_format(check->arena, "%s is not supported yet (%s)", field->unsupported,
                           field->name));
        break;
    case FIELD_DECLARED:
        read_declared(check, field, value);
        break;
    case FIELD_OTHER:
        break;
    }
}

static const struct field *find_field(const struct check *check, const char *path) {
    for (size_t i = 0; i < check->count; i++)
        if (strcmp(check->fields[i].name, path) == 0)
            return &check->fields[i];
    return NULL;
}

// Whether `path` is a field directly inside the table `prefix` ("" or "rope.").
static bool is_inside(const char *path, const char *prefix) {
    size_t length = strlen(prefix);
    return strncmp(path, prefix, length) == 0 && !strchr(path + length, '.');
}

static void unknown(struct check *check, const char *prefix, const char *path) {
    // Where nobody will see the message, its place and what was meant are not searched for: that
    // takes a walk over all fields, of which there may be a million.
    if (check->diagnostics->suppressed > 0) {
        check->good = diagnostic_add(check->diagnostics, DIAGNOSTIC_USER, (struct location){0},
                                     "unknown key");
        return;
    }
    const char **names = arena_array(check->arena, check->count, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < check->count; i++)
        if (check->fields[i].kind != FIELD_UNSUPPORTED && is_inside(check->fields[i].name, prefix))
            names[count++] = last_part(check->fields[i].name);
    const char *nearest = nearest_name(path + strlen(prefix), names, count);
    for (size_t i = 0; nearest && i < check->count; i++)
        check->suggested[i] |= is_inside(check->fields[i].name, prefix) &&
                               strcmp(last_part(check->fields[i].name), nearest) == 0;
    const char *where = *prefix ? arena_format(check->arena, "\"%.*s\" of a %s",
                                               (int)strlen(prefix) - 1, prefix, check->source->noun)
                                : arena_format(check->arena, "a %s", check->source->noun);
    wrong(check, path, true,
          arena_format(check->arena, "unknown key \"%s\" in %s%s%s%s", path + strlen(prefix), where,
                       nearest ? ": did you mean \"" : "", nearest ? nearest : "",
                       nearest ? "\"?" : ""));
    if (check->source->family && !nearest && !*prefix)
        diagnostic_note(check->diagnostics,
                        "the family \"%s\" declares no such number: numbers = { %s = ... }",
                        check->source->family, path);
}

// The required fields that the table at `prefix` lacks, in one diagnostic. A field for which an
// unknown key was probably meant is not reported twice.
static void check_missing(struct check *check, const struct value *table, const char *prefix) {
    struct text names = {0};
    const char *first = NULL;
    for (size_t i = 0; i < check->count; i++) {
        const struct field *field = &check->fields[i];
        if (!field->required || !is_inside(field->name, prefix) || check->suggested[i] ||
            value_get(table, last_part(field->name)))
            continue;
        const char *key = config_key(check->source, field->name);
        text_append(&names, first ? ", " : "");
        if (key)
            text_format(&names, "%s (%s)", key, field->name);
        else
            text_append(&names, field->name);
        first = first ? first : field->name;
    }
    if (first)
        wrong(check, first, true,
              arena_format(check->arena, "the %s has no %s",
                           check->source->config ? "config" : check->source->noun, names.bytes));
    text_close(&names);
}

// `table` may also be the empty list, which is how an empty Lua table reads.
static void check_table(struct check *check, const struct value *table, const char *prefix) {
    size_t count = table->kind == VALUE_TABLE ? table->table.count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct value *value = table->table.fields[i].value;
        char path[PATH_BYTES];
        int length = snprintf(path, sizeof path, "%s%s", prefix, table->table.fields[i].name);
        const struct field *field =
            length > 0 && (size_t)length < sizeof path ? find_field(check, path) : NULL;
        if (!field) {
            unknown(check, prefix,
                    arena_format(check->arena, "%s%.100s", prefix, table->table.fields[i].name));
            continue;
        }
        read_field(check, field, value);
        if (field->kind == FIELD_TABLE && is_table(value))
            check_table(check, value, arena_format(check->arena, "%s.", path));
    }
    check_missing(check, table, prefix);
}

bool fields_read(const struct field *fields, size_t count, const struct value *value,
                 const struct field_source *source, void *into, struct arena *arena,
                 struct diagnostics *diagnostics) {
    struct check check = {.fields = fields,
                          .count = count,
                          .root = value,
                          .source = source,
                          .into = into,
                          .arena = arena,
                          .diagnostics = diagnostics,
                          .suggested = arena_array(arena, count + 1, sizeof(bool)),
                          .good = true};
    if (is_table(value))
        check_table(&check, value, "");
    else
        check.good = diagnostic_add(
            diagnostics, DIAGNOSTIC_USER,
            (struct location){.file = source->file, .line = value->line, .source = source->text},
            "a %s has named fields, not a list", source->noun);
    return check.good;
}
