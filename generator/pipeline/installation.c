#include "generator/base/file.h"
#include "generator/pipeline/pipeline.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool holds_installation(struct arena *arena, const char *folder,
                               struct installation *installation) {
    installation->specs = arena_format(arena, "%s/specs", folder);
    installation->templates = arena_format(arena, "%s/templates", folder);
    return folder_exists(installation->specs) && folder_exists(installation->templates);
}

bool installation_find(struct arena *arena, struct installation *installation,
                       struct diagnostics *diagnostics) {
    const char *home = getenv("MONOGEN_HOME");
    if (home && *home)
        return holds_installation(arena, home, installation) ||
               environment_error(diagnostics, "MONOGEN_HOME=%s holds no specs and templates", home);
    char path[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
        *slash = '\0';
        if (holds_installation(arena, path, installation))
            return true;
    }
    environment_error(diagnostics, "the program's specs and templates are nowhere above it");
    return diagnostic_note(diagnostics, "set MONOGEN_HOME to the folder that holds them");
}
