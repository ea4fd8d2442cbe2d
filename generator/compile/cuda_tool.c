#include "generator/compile/cuda_tool.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// folder: [length]
static bool is_in(const char *folder, size_t length, const char *below, const char *name,
                  char *path, size_t bytes) {
    int written = snprintf(path, bytes, "%.*s%s/%s", (int)length, folder, below, name);
    return length > 0 && written > 0 && (size_t)written < bytes && access(path, X_OK) == 0;
}

bool cuda_tool_find(const char *name, char *path, size_t bytes) {
    const char *home = getenv("CUDA_HOME");
    if (home && is_in(home, strlen(home), "/bin", name, path, bytes))
        return true;
    for (const char *folder = getenv("PATH"); folder && *folder;) {
        size_t length = strcspn(folder, ":");
        if (is_in(folder, length, "", name, path, bytes))
            return true;
        folder += length + (folder[length] == ':');
    }
    glob_t folders = {0};
    bool found = false;
    glob("/usr/local/cuda*/bin", 0, NULL, &folders);
    for (size_t i = folders.gl_pathc; i > 0 && !found; i--) // the newest stands last
        found =
            is_in(folders.gl_pathv[i - 1], strlen(folders.gl_pathv[i - 1]), "", name, path, bytes);
    globfree(&folders);
    if (!found)
        *path = '\0';
    return found;
}
