#include "generator/commands/cache_folder.h"

#include "generator/base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// XDG's rule: a relative path in the variable is to be ignored.
static const char *default_folder(struct arena *arena) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        return arena_format(arena, "%s/monogen", cache);
    return home && *home == '/' ? arena_format(arena, "%s/.cache/monogen", home) : NULL;
}

const char *cache_folder_find(const char *wanted, struct arena *arena, char *problem,
                              size_t bytes) {
    problem[0] = '\0';
    if (wanted && strcmp(wanted, "none") == 0)
        return NULL;
    const char *folder = wanted ? wanted : default_folder(arena);
    if (!folder) {
        snprintf(problem, bytes, "neither XDG_CACHE_HOME nor HOME names a folder for the cache");
        return NULL;
    }
    struct diagnostics trial = {0};
    if (!folder_make(folder, &trial))
        snprintf(problem, bytes, "%s", trial.items[0].message);
    else if (access(folder, W_OK | X_OK) != 0)
        snprintf(problem, bytes, "cannot write to the folder %s: %s", folder, strerror(errno));
    diagnostics_close(&trial);
    return problem[0] && access(folder, R_OK | X_OK) != 0 ? NULL : folder;
}
