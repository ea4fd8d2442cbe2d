// Family: an architecture's Lua file, found by its name or by the model_type of a config.json, and
// kept in the script as its current family.
#ifndef GENERATOR_MODEL_FAMILY_H
#define GENERATOR_MODEL_FAMILY_H

#include "generator/base/diagnostic.h"
#include "generator/script/script.h"

struct family {
    const char *name, *model_type;
    const char *path, *source;       // as diagnostics locate it
    const struct value *config_keys; // the key of config.json of each number; may be NULL
};

// Reads <specs>/families/<name>.lua. Errors about the name are located at `at`.
bool family_load(struct script *script, const char *specs, const char *name, struct location at,
                 struct arena *arena, struct family *family, struct diagnostics *diagnostics);

// Reads the family whose model_type is `model_type`, asking each file under <specs>/families.
bool family_load_for(struct script *script, const char *specs, const char *model_type,
                     struct location at, struct arena *arena, struct family *family,
                     struct diagnostics *diagnostics);

#endif
