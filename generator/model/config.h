// Config: a Hugging Face folder's config.json as a value. The file comes from anywhere and is read
// as hostile.
#ifndef GENERATOR_MODEL_CONFIG_H
#define GENERATOR_MODEL_CONFIG_H

#include "generator/base/diagnostic.h"
#include "generator/base/value.h"

#include <stdbool.h>

struct config {
    const char *path;                                // <folder>/config.json
    const char *source;                              // its text
    struct value *value;                             // a table; fields that are null are nil
    const char *generation_path, *generation_source; // NULL: eos_token_id is the config's own
};

// Reads <folder>/config.json. Where <folder>/generation_config.json is there and names
// eos_token_id, that replaces the config's. Returns false after adding diagnostics.
bool config_read(const char *folder, struct arena *arena, struct config *config,
                 struct diagnostics *diagnostics);

// Where `"key":` first stands in the text that the key was taken from, inside of text_config before
// elsewhere; the whole file where it does not.
struct location config_locate(const struct config *config, const char *key);

#endif
