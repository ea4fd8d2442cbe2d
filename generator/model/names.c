#include "generator/model/names.h"

#include "generator/base/file.h"
#include "generator/base/text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

bool name_is_plain(const char *name) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length <= NAME_MAX_BYTES && name[0] != '.' && name[0] != '-' &&
           strspn(name, allowed) == length;
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

const char *const *names_in(struct arena *arena, const char *folder, size_t *count) {
    const char **names = NULL;
    *count = 0;
    DIR *directory = opendir(folder);
    if (!directory)
        return NULL;
    for (struct dirent *entry; (entry = readdir(directory));) {
        size_t length = strlen(entry->d_name);
        if (length <= 4 || strcmp(entry->d_name + length - 4, ".lua") != 0)
            continue;
        const char *name = arena_bytes(arena, entry->d_name, length - 4);
        if (!name_is_plain(name))
            continue;
        names = arena_grow(arena, names, *count, sizeof *names);
        names[(*count)++] = name;
    }
    closedir(directory);
    if (*count > 0)
        qsort(names, *count, sizeof *names, compare_names);
    return names;
}

const char *name_find(struct arena *arena, const char *specs, const char *folder, const char *noun,
                      const char *name, struct location at, struct diagnostics *diagnostics) {
    const char *path = arena_format(arena, "%s/%s/%s.lua", specs, folder, name);
    if (name_is_plain(name) && file_exists(path))
        return path;
    size_t count;
    const char *const *known = names_in(arena, arena_format(arena, "%s/%s", specs, folder), &count);
    const char *nearest = nearest_name(name, known, count);
    diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "there is no %s \"%.100s\"%s%s%s", noun, name,
                   nearest ? ": did you mean \"" : "", nearest ? nearest : "",
                   nearest ? "\"?" : "");
    struct text list = {0};
    for (size_t i = 0; i < count; i++)
        text_format(&list, "%s%s", i ? ", " : "", known[i]);
    if (count > 0)
        diagnostic_note(diagnostics, "%s/%s has: %s", specs, folder, list.bytes);
    else
        diagnostic_note(diagnostics, "%s/%s has no spec at all", specs, folder);
    text_close(&list);
    return NULL;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *path_shown(struct arena *arena, const char *specs, const char *path) {
    size_t length = strlen(specs);
    while (length > 0 && specs[length - 1] == '/')
        length--;
    if (strncmp(path, specs, length) == 0 && path[length] == '/') {
        const char *folder = last_part(arena_bytes(arena, specs, length));
        bool named = *folder && strcmp(folder, ".") != 0 && strcmp(folder, "..") != 0;
        const char *rest = path + length + strspn(path + length, "/");
        return arena_format(arena, "%s/%s", named ? folder : "specs", rest);
    }
    return arena_string(arena, path[0] == '/' ? last_part(path) : path);
}
