#include "generator/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_error(struct diagnostics *diagnostics, const char *path, const char *what) {
    return diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){.file = path}, "%s",
                          what);
}

// Fills `bytes` from the file; returns how many came, or -1 with errno set.
static ssize_t read_all(int descriptor, char *bytes, size_t count) {
    size_t done = 0;
    while (done < count) {
        ssize_t got = read(descriptor, bytes + done, count - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

char *file_read(struct arena *arena, const char *path, size_t max_bytes, size_t *length,
                struct diagnostics *diagnostics) {
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        read_error(diagnostics, path, errno == ENOENT ? "there is no such file" : strerror(errno));
        return NULL;
    }
    struct stat status;
    char *bytes = NULL;
    if (fstat(descriptor, &status) != 0) {
        read_error(diagnostics, path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        read_error(diagnostics, path,
                   S_ISDIR(status.st_mode) ? "is a folder, a file is expected"
                                           : "is not a regular file");
    } else if (status.st_size < 0 || (uintmax_t)status.st_size > max_bytes ||
               (uintmax_t)status.st_size >= SSIZE_MAX) {
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){.file = path},
                       "has %jd bytes, at most %zu are accepted", (intmax_t)status.st_size,
                       max_bytes);
    } else {
        char *room = arena_alloc(arena, (size_t)status.st_size + 1);
        ssize_t got = read_all(descriptor, room, (size_t)status.st_size);
        if (got < 0) {
            read_error(diagnostics, path, strerror(errno));
        } else {
            room[got] = '\0';
            *length = (size_t)got;
            bytes = room;
        }
    }
    close(descriptor);
    return bytes;
}

static bool write_all(int descriptor, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = write(descriptor, bytes, count);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        if (done == 0) {
            errno = ENOSPC;
            return false;
        }
        bytes += done;
        count -= (size_t)done;
    }
    return true;
}

static bool write_error(struct diagnostics *diagnostics, const char *path, int error) {
    environment_error(diagnostics, "cannot write %s: %s", path, strerror(error));
    if (error == ENOSPC || error == EDQUOT)
        diagnostic_note(diagnostics, "free some space there, or choose another folder");
    return false;
}

// Creates a temporary file beside `path` that no other process uses. Names its path in *temporary.
static int open_temporary(const char *path, struct arena *arena, char **temporary) {
    enum { ATTEMPTS = 1000 }; // each taken by a leftover of a killed process with this id
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        *temporary = arena_format(arena, "%s.%ld.%d.partial", path, (long)getpid(), attempt);
        int descriptor = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST)
            return descriptor;
    }
    return -1;
}

bool file_write(const char *path, const char *bytes, size_t length,
                struct diagnostics *diagnostics) {
    struct arena arena = {0};
    char *temporary;
    int descriptor = open_temporary(path, &arena, &temporary);
    if (descriptor < 0) {
        write_error(diagnostics, path, errno);
        arena_close(&arena);
        return false;
    }
    int error = 0;
    if (!write_all(descriptor, bytes, length) || fsync(descriptor) != 0)
        error = errno;
    if (close(descriptor) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(temporary, path) != 0)
        error = errno;
    if (error != 0) {
        unlink(temporary);
        write_error(diagnostics, path, error);
    }
    arena_close(&arena);
    return error == 0;
}

bool folder_make(const char *path, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    char *copy = arena_string(&arena, path);
    bool made = true;
    for (char *end = copy; made && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char after = *end;
        *end = '\0';
        int error = mkdir(copy, 0777) == 0 ? 0 : errno;
        if (error != 0 && !folder_exists(copy)) {
            environment_error(diagnostics, "cannot make the folder %s: %s", copy, strerror(error));
            made = false;
        }
        *end = after;
    }
    arena_close(&arena);
    return made;
}

bool file_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool folder_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}
