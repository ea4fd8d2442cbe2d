#include "tests/fuzz/input.h"

#include "generator/base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct script_limits input_script_limits = {
    .memory_bytes = (size_t)32 << 20, .instructions = 2000000, .seconds = 5};

_Noreturn static void give_up(const char *what) {
    perror(what);
    abort();
}

const char *input_folder(void) {
    static char folder[256];
    if (folder[0])
        return folder;
    const char *parent = getenv("MONOGEN_TEST_TMP");
    parent = parent ? parent : getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.200s/fuzz-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(folder))
        give_up(folder);
    return folder;
}

const char *input_file(struct arena *arena, const char *name, const void *bytes, size_t size) {
    struct diagnostics trouble = {0};
    const char *path = arena_format(arena, "%s/%s", input_folder(), name);
    // Not file_write, which syncs: these files are read once, at once.
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) { // the first one of its folder
        const char *slash = strrchr(path, '/');
        folder_make(arena_bytes(arena, path, (size_t)(slash - path)), &trouble);
        file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    diagnostics_close(&trouble);
    if (file < 0 || write(file, bytes, size) != (ssize_t)size || close(file) != 0)
        give_up(path);
    return path;
}

void input_file_remove(const char *path) {
    if (unlink(path) != 0)
        give_up(path);
}

void input_require_reason(const struct diagnostics *diagnostics) {
    static FILE *nowhere;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    if (!nowhere)
        give_up("/dev/null");
    diagnostics_print(diagnostics, nowhere);
    input_require(diagnostics_exit_status(diagnostics) == DIAGNOSTIC_USER,
                  "what is refused has a reason, and is the user's");
}

void input_require(bool kept, const char *word) {
    if (kept)
        return;
    fprintf(stderr, "broken: %s\n", word);
    abort();
}
