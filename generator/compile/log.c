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

// One line of the log that names a place: "NAME:LINE:COLUMN: KIND: message", or as NVRTC has it,
// "NAME(LINE): KIND: message", with a number in KIND for some.
struct entry {
    int line, column;
    bool is_error, is_note;
    const char *message; // [message_length]
    size_t message_length;
};

// Takes a number off *at; 0: there is none above 0.
static int take_number(const char **at) {
    char *next;
    long number = strtol(*at, &next, 10);
    *at = next;
    return number > 0 && number < 1 << 30 ? (int)number : 0;
}

// Takes the place off *at, which stands behind the name.
static bool parse_place(const char **at, struct entry *entry) {
    const char form = **at;
    if (form != ':' && form != '(')
        return false;
    ++*at;
    entry->line = take_number(at);
    if (entry->line == 0)
        return false;
    if (form == '(') {
        if (strncmp(*at, "):", 2) != 0)
            return false;
        *at += 2;
        return true;
    }
    if (**at != ':')
        return false;
    const char *column = ++*at;
    entry->column = take_number(at);
    if (*at != column && **at == ':') // g++ names no column in a few messages
        ++*at;
    else
        *at = column;
    return true;
}

// Takes "error: ", "warning #177-D: " and the like off *at.
static bool parse_kind(const char **at, const char *end, struct entry *entry) {
    static const struct {
        const char *word;
        bool is_error, is_note;
    } kinds[] = {{"error", true, false},
                 {"fatal error", true, false},
                 {"catastrophic error", true, false},
                 {"note", false, true},
                 {"warning", false, false}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t word = strlen(kinds[i].word);
        if ((size_t)(end - *at) < word || strncmp(*at, kinds[i].word, word) != 0)
            continue;
        const char *rest = *at + word;
        if (strncmp(rest, " #", 2) == 0)
            rest += 2 + strspn(rest + 2, "0123456789D-");
        if (end - rest < 2 || strncmp(rest, ": ", 2) != 0)
            continue;
        entry->is_error = kinds[i].is_error;
        entry->is_note = kinds[i].is_note;
        *at = rest + 2;
        return true;
    }
    return false;
}

static bool parse_entry(const char *text, size_t length, const char *name, struct entry *entry) {
    size_t name_length = strlen(name);
    if (length <= name_length || strncmp(text, name, name_length) != 0)
        return false;
    const char *at = text + name_length, *end = text + length;
    *entry = (struct entry){0};
    if (!parse_place(&at, entry) || at > end)
        return false;
    while (at < end && *at == ' ')
        at++;
    if (!parse_kind(&at, end, entry))
        return false;
    entry->message = at;
    entry->message_length = (size_t)(end - at);
    return true;
}

// The column under which a caret stands, where the log goes on with the line of the source,
// indented by two, and a line with a caret. 0: it does not.
static int column_of_caret(const char *log, const char *source, int number) {
    enum { INDENT = 2 };
    for (; number > 1 && *source; number--) {
        source += strcspn(source, "\n");
        source += *source == '\n';
    }
    size_t length = strcspn(source, "\n");
    if (strncmp(log, "  ", INDENT) != 0 || strncmp(log + INDENT, source, length) != 0 ||
        log[INDENT + length] != '\n')
        return 0;
    const char *caret = log + INDENT + length + 1;
    size_t column = strspn(caret, " \t");
    return caret[column] == '^' && column >= INDENT ? (int)(column - INDENT) + 1 : 0;
}

// "detected during instantiation of ... at line 8", which NVRTC sets below an error.
static void note_instantiation(const char *line, size_t length, struct diagnostics *diagnostics) {
    static const char words[] = "detected during ";
    size_t blanks = strspn(line, " ");
    if (blanks > 0 && strncmp(line + blanks, words, sizeof words - 1) == 0)
        diagnostic_note(diagnostics, "%.*s", (int)(length - blanks), line + blanks);
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

static void report_error(const struct logged_source *source, const struct entry *entry,
                         struct diagnostics *diagnostics) {
    diagnostic_add(diagnostics, DIAGNOSTIC_USER,
                   (struct location){source->path, entry->line, entry->column, source->text},
                   "%.*s", (int)entry->message_length, entry->message);
    note_origin(source->map, entry->line, diagnostics);
}

size_t log_report(const char *log, const struct logged_source *source,
                  struct diagnostics *diagnostics) {
    size_t errors = 0;
    bool in_error = false; // notes after a warning are not ours to show
    for (const char *line = log; *line;) {
        size_t length = strcspn(line, "\n");
        const char *next = line + length + (line[length] == '\n');
        struct entry entry;
        if (parse_entry(line, length, source->name, &entry)) {
            if (entry.column == 0)
                entry.column = column_of_caret(next, source->text, entry.line);
            in_error = entry.is_error || (entry.is_note && in_error);
            if (entry.is_error)
                report_error(source, &entry, diagnostics);
            else if (in_error)
                diagnostic_note(diagnostics, "%s:%d: %.*s", source->path, entry.line,
                                (int)entry.message_length, entry.message);
            errors += entry.is_error;
        } else if (in_error) {
            note_instantiation(line, length, diagnostics);
        }
        line = next;
    }
    return errors;
}
