#include "tests/support/printed.h"

#include <stdio.h>
#include <stdlib.h>

const char *printed_diagnostics(const struct diagnostics *diagnostics) {
    static char text[1 << 16];
    FILE *stream = fmemopen(text, sizeof text, "w");
    if (!stream)
        abort();
    text[0] = '\0';
    diagnostics_print(diagnostics, stream);
    fclose(stream);
    return text;
}

const char *temporary_folder(void) {
    static char made[4000];
    const char *given = getenv("MONOGEN_TEST_TMP"), *parent = getenv("TMPDIR");
    if (given && *given)
        return given;
    if (!made[0]) {
        snprintf(made, sizeof made, "%s/monogen-test-XXXXXX", parent && *parent ? parent : "/tmp");
        if (!mkdtemp(made))
            abort();
    }
    return made;
}

const char *temporary_path(const char *name) {
    static char paths[4][4096];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", temporary_folder(), name);
    return path;
}
