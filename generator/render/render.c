#include "generator/render/render.h"

#include "generator/base/file.h"
#include "generator/render/template.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

enum { FILE_BYTES_MAX = 4 << 20, INCLUDE_DEPTH_MAX = 32 };

// A template that was read, and its Lua.
struct template {
    const char *file, *source, *chunk;
};

struct renderer {
    struct script *script;
    const char *folder;
    struct arena *arena;
    struct text *out;
    struct line_map *map;
    struct template *templates;
    size_t template_count;
    int depth;                 // of includes
    struct line_origin origin; // of the next line, less its template
};

static void add_origin(struct renderer *renderer, const char *file, int line) {
    struct line_map *map = renderer->map;
    map->origins = arena_grow(renderer->arena, map->origins, map->count, sizeof *map->origins);
    struct line_origin *origin = &map->origins[map->count++];
    *origin = renderer->origin;
    origin->template_file = file;
    origin->template_line = line;
}

static bool starts_with_parent(const char *path) { return strncmp(path, "../", 3) == 0; }

// Whether `path` stays in the folder it is relative to, and fits the line map.
static bool is_inside(const char *path) {
    if (path[0] == '/' || path[0] == '\0' || strpbrk(path, " \t\n\r"))
        return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.')
            return false;
    }
    return true;
}

// Reads a file of the templates folder; NULL after a diagnostic, which has no location.
static const char *read_file(struct renderer *renderer, const char *file,
                             struct diagnostics *diagnostics) {
    size_t length;
    struct diagnostics own = {0};
    const char *path = arena_format(renderer->arena, "%s/%s", renderer->folder, file);
    const char *source = file_read(renderer->arena, path, FILE_BYTES_MAX, &length, &own);
    if (!source)
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){0}, "%s: %s", path,
                       own.items[0].message);
    diagnostics_close(&own);
    if (source && strlen(source) != length) {
        diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){0}, "%s: holds a NUL byte",
                       path);
        return NULL;
    }
    return source;
}

static const struct template *find_template(const struct renderer *renderer, const char *file) {
    for (size_t i = 0; i < renderer->template_count; i++) {
        if (strcmp(renderer->templates[i].file, file) == 0)
            return &renderer->templates[i];
    }
    return NULL;
}

// Reads and translates a template, once. NULL after a diagnostic.
static const struct template *load_template(struct renderer *renderer, const char *file,
                                            struct diagnostics *diagnostics) {
    const struct template *known = find_template(renderer, file);
    if (known)
        return known;
    const char *source = read_file(renderer, file, diagnostics);
    if (!source)
        return NULL;
    struct text chunk = {0};
    text_append(&chunk, "");
    bool good = template_translate(file, source, &chunk, diagnostics);
    if (good) {
        renderer->templates = arena_grow(renderer->arena, renderer->templates,
                                         renderer->template_count, sizeof *renderer->templates);
        renderer->templates[renderer->template_count++] =
            (struct template){.file = arena_string(renderer->arena, file),
                              .source = source,
                              .chunk = arena_bytes(renderer->arena, chunk.bytes, chunk.length)};
    }
    text_close(&chunk);
    return good ? &renderer->templates[renderer->template_count - 1] : NULL;
}

static bool run_template(struct renderer *renderer, const char *file,
                         struct diagnostics *diagnostics) {
    const struct template *found = load_template(renderer, file, diagnostics);
    if (!found)
        return false;
    struct template template = *found; // includes may move the list
    return script_render_run(renderer->script, template.file, template.chunk, template.source,
                             diagnostics);
}

// The functions that templates call. Each may fail with a diagnostic that has no location: it gets
// the calling line's.

static struct value *fail(bool *failed, struct diagnostics *diagnostics, const char *message) {
    *failed = true;
    diagnostic_add(diagnostics, DIAGNOSTIC_USER, (struct location){0}, "%s", message);
    return NULL;
}

// The diagnostic for a part of a line that has no text: names the expression.
static void report_nothing(struct renderer *renderer, struct location at, size_t part,
                           const struct value *value, struct diagnostics *diagnostics) {
    const struct template *template = at.file ? find_template(renderer, at.file) : NULL;
    const char *line = template ? template->source : "";
    for (int number = 1; number < at.line && line; number++) {
        line = strchr(line, '\n');
        line += line != NULL;
    }
    struct template_part *parts;
    size_t count;
    const char *problem;
    const char *expression = "a value";
    if (line && template_split(renderer->arena, line, &parts, &count, &problem) && part < count) {
        expression = arena_bytes(renderer->arena, parts[part].bytes, parts[part].length);
        at.column = (int)(parts[part].bytes - line) + 1;
    }
    diagnostic_add(diagnostics, DIAGNOSTIC_USER, at, "nothing to insert: %s", expression);
    diagnostic_note(diagnostics, "it is %s; a string, a number or a boolean can be inserted",
                    value->kind == VALUE_NIL ? "nil" : "a table");
}

// TEMPLATE_EMIT(part ...): one line of text.
static struct value *call_emit(void *context, struct arena *arena, struct location at,
                               struct value *const *arguments, size_t count, bool *failed,
                               struct diagnostics *diagnostics) {
    (void)arena;
    struct renderer *renderer = context;
    struct text *out = renderer->out;
    size_t start = out->length;
    for (size_t i = 0; i < count; i++) {
        const struct value *value = arguments[i];
        switch (value->kind) {
        case VALUE_STRING:
            text_append(out, value->string);
            break;
        case VALUE_INTEGER:
            text_format(out, "%" PRId64, value->integer);
            break;
        case VALUE_NUMBER:
            text_number(out, value->number);
            break;
        case VALUE_BOOLEAN:
            text_append(out, value->boolean ? "true" : "false");
            break;
        default:
            *failed = true;
            report_nothing(renderer, at, i, value, diagnostics);
            return NULL;
        }
    }
    text_append(out, "\n");
    const struct template *template = at.file ? find_template(renderer, at.file) : NULL;
    const char *file = template ? template->file : "";
    // An inserted string may hold line ends.
    for (const char *end = out->bytes + start; (end = strchr(end, '\n')); end++)
        add_origin(renderer, file, at.line);
    return NULL;
}

static struct value *call_include(void *context, struct arena *arena, struct location at,
                                  struct value *const *arguments, size_t count, bool *failed,
                                  struct diagnostics *diagnostics) {
    (void)arena;
    (void)at;
    struct renderer *renderer = context;
    if (count != 1 || arguments[0]->kind != VALUE_STRING)
        return fail(failed, diagnostics, "include takes the name of a template");
    if (!is_inside(arguments[0]->string))
        return fail(failed, diagnostics,
                    "include: the name must stay inside the templates folder, without blanks");
    if (renderer->depth == INCLUDE_DEPTH_MAX)
        return fail(failed, diagnostics, "include: templates include each other without end");
    renderer->depth++;
    *failed = !run_template(renderer, arguments[0]->string, diagnostics);
    renderer->depth--;
    return NULL;
}

static struct value *call_verbatim(void *context, struct arena *arena, struct location at,
                                   struct value *const *arguments, size_t count, bool *failed,
                                   struct diagnostics *diagnostics) {
    (void)arena;
    (void)at;
    struct renderer *renderer = context;
    if (count != 1 || arguments[0]->kind != VALUE_STRING)
        return fail(failed, diagnostics, "verbatim takes the name of a file");
    const char *file = arguments[0]->string;
    if (!is_inside(file + (starts_with_parent(file) ? 3 : 0)))
        return fail(failed, diagnostics,
                    "verbatim: the name must stay beside the templates folder, without blanks");
    const char *source = read_file(renderer, file, diagnostics);
    if (!source) {
        *failed = true;
        return NULL;
    }
    const char *name = arena_string(renderer->arena, file);
    text_append(renderer->out, source);
    size_t length = strlen(source);
    if (length > 0 && source[length - 1] != '\n')
        text_append(renderer->out, "\n");
    int line = 1;
    for (const char *start = source; *start; line++) {
        add_origin(renderer, name, line);
        start += strcspn(start, "\n");
        start += *start != '\0';
    }
    return NULL;
}

static bool is_number_in(const struct value *value, int64_t lowest) {
    return value->kind == VALUE_INTEGER && value->integer >= lowest && value->integer <= INT_MAX;
}

// from(), from(step), from(step, file, line); the step may be nil.
static struct value *call_from(void *context, struct arena *arena, struct location at,
                               struct value *const *arguments, size_t count, bool *failed,
                               struct diagnostics *diagnostics) {
    (void)arena;
    (void)at;
    struct renderer *renderer = context;
    struct line_origin origin = {.step = -1};
    bool has_step = count > 0 && arguments[0]->kind != VALUE_NIL;
    bool has_spec = count > 1 && arguments[1]->kind != VALUE_NIL;
    if (count > 3 || (has_step && !is_number_in(arguments[0], 0)) ||
        (has_spec &&
         (count < 3 || arguments[1]->kind != VALUE_STRING || !is_number_in(arguments[2], 1) ||
          arguments[1]->string[0] == '\0' || strpbrk(arguments[1]->string, "\n\r"))))
        return fail(failed, diagnostics,
                    "from takes a step of the schedule, a spec's file and a line of it: from(29, "
                    "\"specs/models/x.lua\", 15)");
    if (has_step)
        origin.step = (int)arguments[0]->integer;
    if (has_spec) {
        const char *last = renderer->origin.spec_file;
        origin.spec_file = last && strcmp(last, arguments[1]->string) == 0
                               ? last
                               : arena_string(renderer->arena, arguments[1]->string);
        origin.spec_line = (int)arguments[2]->integer;
    }
    renderer->origin = origin;
    return NULL;
}

static struct value *call_here(void *context, struct arena *arena, struct location at,
                               struct value *const *arguments, size_t count, bool *failed,
                               struct diagnostics *diagnostics) {
    (void)context;
    (void)arguments;
    if (count > 0)
        return fail(failed, diagnostics, "here takes no arguments");
    struct value *value = value_nil(arena);
    value->kind = VALUE_STRING;
    value->string = arena_format(arena, "%s:%d", at.file ? at.file : "", at.line);
    return value;
}

bool render(struct script *script, const char *templates, const char *entry,
            const struct value *plan, struct arena *arena, struct text *source,
            struct line_map *map, struct diagnostics *diagnostics) {
    struct renderer renderer = {.script = script,
                                .folder = templates,
                                .arena = arena,
                                .out = source,
                                .map = map,
                                .origin = {.step = -1}};
    const struct script_function functions[] = {
        {TEMPLATE_EMIT, call_emit, &renderer},  {"include", call_include, &renderer},
        {"verbatim", call_verbatim, &renderer}, {"from", call_from, &renderer},
        {"here", call_here, &renderer},
    };
    text_clear(source);
    *map = (struct line_map){0};
    bool good = script_render_begin(script, plan, functions, sizeof functions / sizeof functions[0],
                                    diagnostics) &&
                run_template(&renderer, entry, diagnostics);
    if (!good) {
        text_clear(source);
        *map = (struct line_map){0};
    }
    return good;
}
