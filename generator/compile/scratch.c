#include "generator/compile/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool scratch_make(const char *parent, const char *prefix, char path[SCRATCH_PATH_BYTES]) {
    if (!parent) {
        parent = getenv("TMPDIR");
        if (!parent || *parent != '/') // a relative one would not survive a change of folder
            parent = "/tmp";
    }
    if (snprintf(path, SCRATCH_PATH_BYTES, "%s/%sXXXXXX", parent, prefix) >= SCRATCH_PATH_BYTES) {
        errno = ENAMETOOLONG;
        return false;
    }
    return mkdtemp(path) != NULL;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)walk;
    if (type == FTW_DP || type == FTW_D || type == FTW_DNR)
        rmdir(path);
    else
        unlink(path);
    return 0; // what cannot be removed stays; the rest goes
}

void scratch_remove(const char *path) {
    enum { OPEN_FOLDERS_MAX = 16 };
    nftw(path, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
}
