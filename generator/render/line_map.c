// The line map as text, and back.
#include "generator/render/render.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

void line_map_print(const struct line_map *map, struct text *out) {
    for (size_t i = 0; i < map->count; i++) {
        const struct line_origin *origin = &map->origins[i];
        text_format(out, "%zu %s:%d", i + 1, origin->template_file, origin->template_line);
        if (origin->step >= 0)
            text_format(out, " step %d", origin->step);
        if (origin->spec_file)
            text_format(out, " %s:%d", origin->spec_file, origin->spec_line);
        text_append(out, "\n");
    }
}

// Reads digits at *at up to `end` as a number of at most INT_MAX; moves *at past them.
static bool read_number(const char **at, const char *end, int *number) {
    long long result = 0;
    const char *start = *at;
    for (; *at < end && isdigit((unsigned char)**at); (*at)++) {
        result = result * 10 + (**at - '0');
        if (result > INT_MAX)
            return false;
    }
    *number = (int)result;
    return *at > start;
}

// Reads "file:line", all of [at, end).
static bool read_place(struct arena *arena, const char *at, const char *end, const char *last,
                       const char **file, int *line) {
    const char *colon = memrchr(at, ':', (size_t)(end - at));
    if (!colon || colon == at)
        return false;
    const char *digits = colon + 1;
    size_t length = (size_t)(colon - at);
    if (!read_number(&digits, end, line) || digits != end || *line < 1)
        return false;
    // Neighbours mostly share their file.
    bool same = last && strlen(last) == length && memcmp(last, at, length) == 0;
    *file = same ? last : arena_bytes(arena, at, length);
    return true;
}

static bool read_line(struct arena *arena, const char *at, const char *end, int expected,
                      const struct line_origin *last, struct line_origin *origin) {
    int number;
    *origin = (struct line_origin){.step = -1};
    if (!read_number(&at, end, &number) || number != expected || at == end || *at++ != ' ')
        return false;
    const char *blank = memchr(at, ' ', (size_t)(end - at));
    const char *place_end = blank ? blank : end;
    if (!read_place(arena, at, place_end, last ? last->template_file : NULL, &origin->template_file,
                    &origin->template_line))
        return false;
    at = place_end;
    if (end - at > 6 && memcmp(at, " step ", 6) == 0) {
        at += 6;
        if (!read_number(&at, end, &origin->step) || (at < end && *at != ' '))
            return false;
    }
    return at == end || read_place(arena, at + 1, end, last ? last->spec_file : NULL,
                                   &origin->spec_file, &origin->spec_line);
}

bool line_map_read(const char *file, const char *text, struct arena *arena, struct line_map *map,
                   struct diagnostics *diagnostics) {
    *map = (struct line_map){0};
    for (const char *line = text; *line;) {
        const char *end = line + strcspn(line, "\n");
        struct line_origin origin;
        const struct line_origin *last = map->count > 0 ? &map->origins[map->count - 1] : NULL;
        if (map->count >= INT_MAX ||
            !read_line(arena, line, end, (int)map->count + 1, last, &origin)) {
            struct location at = {.file = file, .line = (int)map->count + 1, .source = text};
            *map = (struct line_map){0};
            return diagnostic_add(diagnostics, DIAGNOSTIC_USER, at,
                                  "not a line of a line map: \"%d template:line\" is expected",
                                  at.line);
        }
        map->origins = arena_grow(arena, map->origins, map->count, sizeof *map->origins);
        map->origins[map->count++] = origin;
        line = end + (*end == '\n');
    }
    return true;
}
