#include "generator/render/template.h"

#include <string.h>

// The end of the quoted or long-bracket Lua string that starts at `at`, or NULL where it does not
// end on the line; `at` where no string starts there.
static const char *skip_string(const char *at, const char *end) {
    if (*at == '"' || *at == '\'') {
        for (const char *byte = at + 1; byte < end; byte++) {
            if (*byte == *at)
                return byte + 1;
            if (*byte == '\\')
                byte++;
        }
        return NULL;
    }
    const char *bracket = at + 1;
    while (bracket < end && *bracket == '=')
        bracket++;
    if (*at != '[' || bracket == end || *bracket != '[')
        return at;
    size_t level = (size_t)(bracket - at) - 1;
    for (const char *byte = bracket + 1; byte + level + 1 < end; byte++) {
        if (*byte == ']' && byte[level + 1] == ']' && strspn(byte + 1, "=") == level)
            return byte + level + 2;
    }
    return NULL;
}

// The `)` that closes the expression which starts at `at`; NULL and *problem where none does.
static const char *find_close(const char *at, const char *end, const char **problem) {
    *problem = "$( is not closed on this line";
    for (int depth = 0; at < end; at++) {
        if (*at == '-' && at + 1 < end && at[1] == '-') {
            *problem = "$( holds a comment";
            return NULL;
        }
        if (*at == ')' && depth == 0)
            return at;
        if (*at == '(' || *at == ')') {
            depth += *at == '(' ? 1 : -1;
            continue;
        }
        const char *after = skip_string(at, end);
        if (!after) {
            *problem = "a string in $( is not closed on this line";
            return NULL;
        }
        if (after > at)
            at = after - 1;
    }
    return NULL;
}

static void add_part(struct arena *arena, struct template_part **parts, size_t *count,
                     const char *from, const char *to, bool is_expression) {
    if (from == to && !is_expression)
        return;
    *parts = arena_grow(arena, *parts, *count, sizeof **parts);
    (*parts)[(*count)++] = (struct template_part){
        .bytes = from, .length = (size_t)(to - from), .is_expression = is_expression};
}

bool template_split(struct arena *arena, const char *line, struct template_part **parts,
                    size_t *count, const char **problem) {
    const char *end = line + strcspn(line, "\n");
    *parts = NULL;
    *count = 0;
    while (line < end) {
        const char *open = memmem(line, (size_t)(end - line), "$(", 2);
        add_part(arena, parts, count, line, open ? open : end, false);
        if (!open)
            break;
        const char *close = find_close(open + 2, end, problem);
        if (!close)
            return false;
        if (open + 2 + strspn(open + 2, " \t") == close) {
            *problem = "$() holds nothing";
            return false;
        }
        add_part(arena, parts, count, open + 2, close, true);
        line = close + 1;
    }
    return true;
}

static void translate_text(const struct template_part *parts, size_t count, struct text *chunk) {
    text_append(chunk, TEMPLATE_EMIT "(");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text_append(chunk, ", ");
        if (parts[i].is_expression) {
            text_append(chunk, "(");
            text_append_bytes(chunk, parts[i].bytes, parts[i].length);
            text_append(chunk, ")");
        } else {
            text_lua_string(chunk, parts[i].bytes, parts[i].length);
        }
    }
    // The semicolon keeps a line of Lua that starts with `(` from becoming a call of the result.
    text_append(chunk, ");");
}

bool template_translate(const char *file, const char *source, struct text *chunk,
                        struct diagnostics *diagnostics) {
    struct arena arena = {0};
    bool good = true;
    int number = 1;
    for (const char *line = source; *line; number++) {
        const char *end = line + strcspn(line, "\n");
        const char *first = line + strspn(line, " \t");
        if (strncmp(first, "//@", 3) == 0) {
            text_append_bytes(chunk, first + 3, (size_t)(end - first) - 3);
        } else {
            struct template_part *parts;
            size_t count;
            const char *problem;
            if (template_split(&arena, line, &parts, &count, &problem)) {
                translate_text(parts, count, chunk);
            } else {
                struct location at = {.file = file, .line = number, .source = source};
                const char *done = count > 0 ? parts[count - 1].bytes + parts[count - 1].length +
                                                   parts[count - 1].is_expression
                                             : line;
                at.column = (int)(done - line) + 1;
                good = diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "%s", problem);
            }
        }
        text_append(chunk, "\n");
        line = *end ? end + 1 : end;
    }
    arena_close(&arena);
    return good;
}
