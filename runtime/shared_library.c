#include "runtime/shared_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attempts {
    char reason[512];   // why the latest library could not be opened
    char obstacle[512]; // the first that is there, and why it cannot be used
};

static bool try_file(struct shared_library *library, struct attempts *attempts, const char *folder,
                     const char *file) {
    char path[sizeof library->name];
    int length = snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", file);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    // Never unmapped: a driver starts threads of its own, which outlive dlclose.
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library->handle) {
        memcpy(library->name, path, (size_t)length + 1);
        return true;
    }
    // A file that cannot be opened is named first in the loader's message; a dependency of it that
    // cannot is named instead.
    const char *message = dlerror();
    const char *reason = message ? message : "unknown error";
    bool named = strncmp(reason, path, (size_t)length) == 0;
    snprintf(attempts->reason, sizeof attempts->reason, "%s%s%s", named ? "" : path,
             named ? "" : ": ", reason);
    bool absent = named && strstr(reason, "No such file or directory");
    if (!absent && !attempts->obstacle[0])
        memcpy(attempts->obstacle, attempts->reason, sizeof attempts->obstacle);
    return false;
}

static bool try_pattern(struct shared_library *library, struct attempts *attempts,
                        const char *pattern, const char *file) {
    glob_t folders;
    bool opened = false;
    if (glob(pattern, 0, NULL, &folders) != 0)
        return false;
    for (size_t i = folders.gl_pathc; i > 0 && !opened; i--)
        opened = try_file(library, attempts, folders.gl_pathv[i - 1], file);
    globfree(&folders);
    return opened;
}

static bool open_named(struct shared_library *library, const struct library_search *search,
                       const char *name, struct monogen_error *error) {
    struct attempts attempts = {.reason = ""};
    if (strlen(name) >= sizeof library->name)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s is longer than %zu characters",
                            search->variable, sizeof library->name - 1);
    if (try_file(library, &attempts, "", name))
        return true;
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "cannot open the %s that %s names: %s",
                        search->what, search->variable, attempts.reason);
}

static bool open_first(struct shared_library *library, const struct library_search *search,
                       const char *home, struct attempts *attempts) {
    for (const char *const *file = search->files; *home && *file; file++)
        if (try_file(library, attempts, home, *file))
            return true;
    for (const char *const *file = search->files; *file; file++) {
        if (try_file(library, attempts, "", *file))
            return true;
        for (const char *const *pattern = search->patterns; *pattern; pattern++)
            if (try_pattern(library, attempts, *pattern, *file))
                return true;
    }
    return false;
}

bool shared_library_open(struct shared_library *library, const struct library_search *search,
                         struct monogen_error *error) {
    struct attempts attempts = {.reason = ""};
    char home[sizeof library->name - 32] = "";
    *library = (struct shared_library){.handle = NULL};

    const char *chosen = getenv(search->variable);
    if (chosen && *chosen)
        return open_named(library, search, chosen, error);
    const char *folder = search->home_variable ? getenv(search->home_variable) : NULL;
    if (folder && *folder) {
        int length = snprintf(home, sizeof home, "%s/%s", folder, search->home_subfolder);
        if (length < 0 || (size_t)length >= sizeof home)
            return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s is too long: %s",
                                search->home_variable, folder);
    }
    if (open_first(library, search, home, &attempts))
        return true;
    if (attempts.obstacle[0])
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT,
                            "cannot open the %s: %s\n"
                            "  note: it is installed but incomplete; install the package that "
                            "holds what is missing, or name another with %s",
                            search->what, attempts.obstacle, search->variable);
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s", search->absent);
}

const char *shared_library_find(const struct shared_library *library,
                                const struct library_symbol *symbols, size_t count, void *table) {
    const char *missing = NULL;
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(library->handle, symbols[i].name);
        memcpy((char *)table + symbols[i].offset, &symbol, sizeof symbol);
        if (!symbol && !symbols[i].optional && !missing)
            missing = symbols[i].name;
    }
    return missing;
}

void shared_library_close(struct shared_library *library) {
    if (library->handle)
        dlclose(library->handle);
    library->handle = NULL;
}
