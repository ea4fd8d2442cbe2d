#include "generator/model/family.h"

#include "generator/base/file.h"
#include "generator/base/text.h"
#include "generator/model/fields.h"
#include "generator/model/names.h"
#include "generator/model/spec.h"

#include <string.h>

enum { FAMILY_MAX_BYTES = 1 << 20 };

static const struct field fields[] = {
    {.name = "name", .kind = FIELD_TEXT, .required = true, .offset = offsetof(struct family, name)},
    {.name = "model_type", .kind = FIELD_OTHER, .required = true},
    {.name = "numbers", .kind = FIELD_OTHER},
    {.name = "config_keys", .kind = FIELD_OTHER},
    {.name = "config", .kind = FIELD_OTHER},
    {.name = "graph", .kind = FIELD_OTHER},
};

// One reading of a family file.
struct reading {
    struct script *script;
    const char *specs;
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct field_source source;
    const struct value *value;
};

static bool wrong(const struct reading *reading, const char *path, const char *message) {
    return diagnostic_add(reading->diagnostics, DIAGNOSTIC_USER,
                          field_locate(&reading->source, reading->value, path, false), "%s",
                          message);
}

// model_type is a string or a list of strings.
static bool read_model_types(const struct reading *reading, struct family *family) {
    const struct value *types = value_get(reading->value, "model_type");
    size_t count = types->kind == VALUE_LIST ? types->list.count : 1;
    const char **texts = arena_array(reading->arena, count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        const struct value *type = types->kind == VALUE_LIST ? types->list.items[i] : types;
        if (type->kind != VALUE_STRING)
            return wrong(reading, "model_type", "model_type must be a string or a list of strings");
        texts[i] = type->string;
    }
    family->model_types = texts;
    family->model_type_count = count;
    return true;
}

static bool is_name(const char *name) {
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(name);
}

static bool is_plain(const struct value *value) {
    return value->kind == VALUE_BOOLEAN || value->kind == VALUE_INTEGER ||
           value->kind == VALUE_NUMBER || value->kind == VALUE_STRING;
}

static bool check_number(const struct reading *reading, const struct value_field *number) {
    struct arena *arena = reading->arena;
    const char *path = arena_format(arena, "numbers.%.100s", number->name);
    if (!is_name(number->name))
        return wrong(
            reading, path,
            arena_format(arena,
                         "\"%.100s\" cannot be the name of a number: it must be made of a-z, "
                         "0-9 and _",
                         number->name));
    if (spec_has_field(number->name))
        return wrong(reading, path,
                     arena_format(arena, "%s is a number of every model already", number->name));
    const struct value *value = number->value;
    bool good = is_plain(value) || value->kind == VALUE_LIST;
    for (size_t i = 0; good && value->kind == VALUE_LIST && i < value->list.count; i++)
        good = is_plain(value->list.items[i]);
    return good || wrong(reading, path,
                         arena_format(arena,
                                      "the default of %s must be a number, a string, true, false, "
                                      "or a list of such",
                                      number->name));
}

static bool read_numbers(const struct reading *reading, struct family *family) {
    const struct value *numbers = value_get(reading->value, "numbers");
    if (!numbers || (numbers->kind == VALUE_LIST && numbers->list.count == 0))
        return true;
    if (numbers->kind != VALUE_TABLE)
        return wrong(reading, "numbers", "numbers must be a table: { name = default, ... }");
    if (numbers->table.count > FAMILY_MAX_NUMBERS)
        return wrong(reading, "numbers",
                     arena_format(reading->arena, "numbers has %zu fields, at most %d are allowed",
                                  numbers->table.count, FAMILY_MAX_NUMBERS));
    bool good = true;
    for (size_t i = 0; i < numbers->table.count; i++)
        good &= check_number(reading, &numbers->table.fields[i]);
    family->numbers = numbers->table.fields;
    family->number_count = numbers->table.count;
    return good;
}

// What `library "name"` in a family file finds.
static bool find_library(void *context, const char *name, struct location at,
                         struct script_library *library, struct diagnostics *diagnostics) {
    const struct reading *reading = context;
    size_t length;
    library->file =
        name_find(reading->arena, reading->specs, "library", "library", name, at, diagnostics);
    if (!library->file)
        return false;
    library->source =
        file_read(reading->arena, library->file, FAMILY_MAX_BYTES, &length, diagnostics);
    return library->source != NULL;
}

static bool load(struct reading *reading, const char *path, const char *name,
                 struct family *family) {
    static const char *const constructors[] = {"family"};
    size_t length;
    const char *constructor;
    struct value *value;
    *family = (struct family){.path = path};
    family->source =
        file_read(reading->arena, path, FAMILY_MAX_BYTES, &length, reading->diagnostics);
    if (!family->source)
        return false;
    script_use_libraries(reading->script, find_library, reading);
    bool good = script_read(reading->script, path, family->source, constructors, 1, reading->arena,
                            &constructor, &value, reading->diagnostics);
    script_use_libraries(reading->script, NULL, NULL);
    if (!good)
        return false;
    reading->value = value;
    reading->source = (struct field_source){
        .file = path, .text = family->source, .noun = "family", .arena = reading->arena};
    if (!fields_read(fields, sizeof fields / sizeof *fields, value, &reading->source, family,
                     reading->arena, reading->diagnostics) ||
        !read_model_types(reading, family) || !read_numbers(reading, family))
        return false;
    family->config_keys = value_get(value, "config_keys");
    return strcmp(family->name, name) == 0 ||
           wrong(reading, "name",
                 arena_format(reading->arena,
                              "the family is named \"%.60s\", but its file \"%s.lua\"",
                              family->name, name));
}

bool family_load(struct script *script, const char *specs, const char *name, struct location at,
                 struct arena *arena, struct family *family, struct diagnostics *diagnostics) {
    struct reading reading = {
        .script = script, .specs = specs, .arena = arena, .diagnostics = diagnostics};
    const char *path = name_find(arena, specs, "families", "family", name, at, diagnostics);
    return path && load(&reading, path, name, family);
}

static bool reads(const struct family *family, const char *model_type) {
    for (size_t i = 0; i < family->model_type_count; i++)
        if (strcmp(family->model_types[i], model_type) == 0)
            return true;
    return false;
}

bool family_load_for(struct script *script, const char *specs, const char *model_type,
                     struct location at, struct arena *arena, struct family *family,
                     struct diagnostics *diagnostics) {
    struct reading reading = {
        .script = script, .specs = specs, .arena = arena, .diagnostics = diagnostics};
    size_t count;
    const char *folder = arena_format(arena, "%s/families", specs);
    const char *const *names = names_in(arena, folder, &count);
    struct text list = {0};
    bool found = false, good = true;
    for (size_t i = 0; i < count && good && !found; i++) {
        good = load(&reading, arena_format(arena, "%s/%s.lua", folder, names[i]), names[i], family);
        if (!good)
            break;
        found = reads(family, model_type);
        for (size_t j = 0; j < family->model_type_count; j++)
            text_format(&list, "%s%s", list.length > 0 ? ", " : "", family->model_types[j]);
    }
    if (good && !found) {
        good = diagnostic_add(diagnostics, DIAGNOSTIC_USER, at,
                              "model_type \"%.60s\" is not supported yet", model_type);
        diagnostic_note(diagnostics, "the families of %s know: %s", folder,
                        list.bytes ? list.bytes : "none");
    }
    text_close(&list);
    return good;
}
