// Family: an architecture's Lua file, found by its name or by the model_type of a config.json, and
// kept in the script as its current family.
#ifndef GENERATOR_MODEL_FAMILY_H
#define GENERATOR_MODEL_FAMILY_H

#include "generator/base/diagnostic.h"
#include "generator/base/value.h"
#include "generator/script/script.h"

enum { FAMILY_MAX_NUMBERS = 64 };

struct family {
    const char *name;
    const char *path, *source;         // as diagnostics locate it
    const struct value *config_keys;   // the keys of config.json of each number; may be NULL
    const char *const *model_types;    // [model_type_count] of config.json
    const struct value_field *numbers; // [number_count] that its specs may have besides those of
                                       // every spec; the value is the default, and says the kind
    size_t model_type_count, number_count;
};

// Reads <specs>/families/<name>.lua. Errors about the name are located at `at`.
bool family_load(struct script *script, const char *specs, const char *name, struct location at,
                 struct arena *arena, struct family *family, struct diagnostics *diagnostics);

// Reads the family that has the model_type of a config.json, asking each file under
// <specs>/families.
bool family_load_for(struct script *script, const char *specs, const char *model_type,
                     struct location at, struct arena *arena, struct family *family,
                     struct diagnostics *diagnostics);

#endif
