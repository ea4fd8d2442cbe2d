#include "generator/compile/log.h"

#include <stdlib.h>
#include <string.h>

void log_strip_folder(struct text *log, const char *scratch) {
    size_t prefix = strlen(scratch);
    if (!log->length || !prefix)
        return;
    struct text clean = {0};
    const char *rest = log->bytes;
    for (const char *found; (found = strstr(rest, scratch));) {
        size_t path = prefix + strcspn(found + prefix, " \t\n:'\"<>()");
        const char *name = found + path;
        while (name > found + prefix && name[-1] != '/')
            name--;
        text_append_bytes(&clean, rest, (size_t)(found - rest));
        rest = name;
    }
    text_append(&clean, rest);
    text_close(log);
    *log = clean;
}

// One line of the log that names a place: "NAME:LINE:COLUMN: KIND: message".
struct entry {
    int line, column;
    bool is_error, is_note;
    const char *message; // [message_length]
    size_t message_length;
};

static bool parse_entry(const char *text, size_t length, const char *name, struct entry *entry) {
    static const struct {
        const char *word;
        bool is_error, is_note;
    } kinds[] = {{"error: ", true, false},
                 {"fatal error: ", true, false},
                 {"note: ", false, true},
                 {"warning: ", false, false}};
    size_t name_length = strlen(name);
    if (length <= name_length || strncmp(text, name, name_length) != 0 || text[name_length] != ':')
        return false;
    const char *at = text + name_length + 1, *end = text + length;
    char *next;
    *entry = (struct entry){0};
    long line = strtol(at, &next, 10);
    if (next == at || *next != ':' || line < 1 || line > 1 << 30)
        return false;
    entry->line = (int)line;
    at = next + 1;
    long column = strtol(at, &next, 10);
    if (next != at && *next == ':') { // g++ names no column in a few messages
        entry->column = column > 0 && column < 1 << 30 ? (int)column : 0;
        at = next + 1;
    }
    while (at < end && *at == ' ')
        at++;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t word = strlen(kinds[i].word);
        if ((size_t)(end - at) >= word && strncmp(at, kinds[i].word, word) == 0) {
            entry->is_error = kinds[i].is_error;
            entry->is_note = kinds[i].is_note;
            entry->message = at + word;
            entry->message_length = (size_t)(end - entry->message);
            return true;
        }
    }
    return false;
}

// "from stage_linear.hip:14, step 29, specs/x.lua:15"
static void note_origin(const struct line_map *map, int line, struct diagnostics *diagnostics) {
    if (!map || (size_t)line > map->count)
        return;
    const struct line_origin *origin = &map->origins[line - 1];
    if (!origin->template_file)
        return;
    struct text note = {0};
    text_format(&note, "from %s:%d", origin->template_file, origin->template_line);
    if (origin->step >= 0)
        text_format(&note, ", step %d", origin->step);
    if (origin->spec_file)
        text_format(&note, ", %s:%d", origin->spec_file, origin->spec_line);
    diagnostic_note(diagnostics, "%s", note.bytes);
    text_close(&note);
}

size_t log_report(const char *log, const struct logged_source *source,
                  struct diagnostics *diagnostics) {
    size_t errors = 0;
    bool in_error = false; // notes after a warning are not ours to show
    for (const char *line = log; *line;) {
        size_t length = strcspn(line, "\n");
        struct entry entry;
        if (parse_entry(line, length, source->name, &entry)) {
            if (entry.is_error) {
                errors++;
                diagnostic_add(
                    diagnostics, DIAGNOSTIC_USER,
                    (struct location){source->path, entry.line, entry.column, source->text}, "%.*s",
                    (int)entry.message_length, entry.message);
                note_origin(source->map, entry.line, diagnostics);
            } else if (entry.is_note && in_error) {
                diagnostic_note(diagnostics, "%s:%d: %.*s", source->path, entry.line,
                                (int)entry.message_length, entry.message);
            }
            in_error = entry.is_error || (entry.is_note && in_error);
        }
        line += length + (line[length] == '\n');
    }
    return errors;
}
