#include "tests/support/reference_folder.h"

#include "generator/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

const char *reference_checkpoint(const char *name) {
    static char path[PATH_MAX];
    const char *named = getenv("MONOGEN_REFERENCE");
    const char *folder = named && *named ? named : "../shared/reference";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!folder_exists(path)) {
        print_message("SKIPPED: there is no %s (MONOGEN_REFERENCE names another folder)\n", path);
        skip();
    }
    return path;
}
