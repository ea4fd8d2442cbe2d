#include "runtime/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool map_descriptor(struct file_map *map, int descriptor, const char *path, size_t max_bytes,
                           struct monogen_error *error) {
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return monogen_fail(error, MONOGEN_BAD_INPUT, "%s: not a regular file", path);
    if ((uintmax_t)status.st_size > max_bytes)
        return monogen_fail(error, MONOGEN_BAD_INPUT, "%s: %jd bytes, at most %zu are allowed",
                            path, (intmax_t)status.st_size, max_bytes);
    size_t length = (size_t)status.st_size;
    if (length == 0)
        return true;
    void *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "%s: cannot map %zu bytes: %s", path,
                            length, strerror(errno));
    map->bytes = bytes;
    map->length = length;
    return true;
}

bool file_map_open(struct file_map *map, const char *path, size_t max_bytes,
                   struct monogen_error *error) {
    *map = (struct file_map){0};
    // Without O_NONBLOCK a named pipe would block here, before fstat can refuse it.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return monogen_fail(error, MONOGEN_BAD_INPUT, "%s: %s", path, strerror(errno));
    bool mapped = map_descriptor(map, descriptor, path, max_bytes, error);
    close(descriptor);
    return mapped;
}

void file_map_close(struct file_map *map) {
    if (map->bytes)
        munmap((void *)(uintptr_t)map->bytes, map->length);
    *map = (struct file_map){0};
}

bool file_is_there(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

char *file_path(const char *folder, const char *name, struct monogen_error *error) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    return path;
}

bool file_name_is_plain(const char *name) {
    return name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}
