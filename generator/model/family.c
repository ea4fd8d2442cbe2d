#include "generator/model/family.h"

#include "generator/base/file.h"
#include "generator/base/text.h"
#include "generator/model/fields.h"
#include "generator/model/names.h"

#include <string.h>

enum { FAMILY_MAX_BYTES = 1 << 20 };

static const struct field fields[] = {
    {.name = "name", .kind = FIELD_TEXT, .required = true, .offset = offsetof(struct family, name)},
    {.name = "model_type",
     .kind = FIELD_TEXT,
     .required = true,
     .offset = offsetof(struct family, model_type)},
    {.name = "config_keys", .kind = FIELD_OTHER},
    {.name = "config", .kind = FIELD_OTHER},
    {.name = "graph", .kind = FIELD_OTHER},
};

static bool load(struct script *script, const char *path, const char *name, struct arena *arena,
                 struct family *family, struct diagnostics *diagnostics) {
    static const char *const constructors[] = {"family"};
    size_t length;
    const char *constructor;
    struct value *value;
    *family = (struct family){.path = path};
    family->source = file_read(arena, path, FAMILY_MAX_BYTES, &length, diagnostics);
    if (!family->source || !script_read(script, path, family->source, constructors, 1, arena,
                                        &constructor, &value, diagnostics))
        return false;
    struct field_source source = {
        .file = path, .text = family->source, .noun = "family", .arena = arena};
    if (!fields_read(fields, sizeof fields / sizeof *fields, value, &source, family, arena,
                     diagnostics))
        return false;
    family->config_keys = value_get(value, "config_keys");
    if (strcmp(family->name, name) == 0)
        return true;
    return diagnostic_add(diagnostics, DIAGNOSTIC_USER, field_locate(&source, value, "name", false),
                          "the family is named \"%.60s\", but its file \"%s.lua\"", family->name,
                          name);
}

bool family_load(struct script *script, const char *specs, const char *name, struct location at,
                 struct arena *arena, struct family *family, struct diagnostics *diagnostics) {
    const char *path = name_find(arena, specs, "families", "family", name, at, diagnostics);
    return path && load(script, path, name, arena, family, diagnostics);
}

bool family_load_for(struct script *script, const char *specs, const char *model_type,
                     struct location at, struct arena *arena, struct family *family,
                     struct diagnostics *diagnostics) {
    size_t count;
    const char *folder = arena_format(arena, "%s/families", specs);
    const char *const *names = names_in(arena, folder, &count);
    struct text list = {0};
    bool found = false, good = true;
    for (size_t i = 0; i < count && good && !found; i++) {
        good = load(script, arena_format(arena, "%s/%s.lua", folder, names[i]), names[i], arena,
                    family, diagnostics);
        if (!good)
            break;
        found = strcmp(family->model_type, model_type) == 0;
        text_format(&list, "%s%s", i ? ", " : "", family->model_type);
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
