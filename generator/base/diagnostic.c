#include "generator/base/diagnostic.h"

#include "generator/base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

enum { SHOWN_MAX = 20, NOTES_MAX = 4, SHOWN_COLUMNS = 160 };

static char *format_in(struct arena *arena, const char *format, va_list arguments) {
    struct text text = {0};
    text_vformat(&text, format, arguments);
    char *copy = arena_bytes(arena, text.bytes, text.length);
    text_close(&text);
    return copy;
}

static void add(struct diagnostics *diagnostics, enum diagnostic_kind kind, struct location at,
                const char *format, va_list arguments) {
    if (diagnostics->count >= SHOWN_MAX) {
        diagnostics->suppressed++;
        return;
    }
    struct arena *arena = &diagnostics->arena;
    diagnostics->items =
        arena_grow(arena, diagnostics->items, diagnostics->count, sizeof *diagnostics->items);
    // Diagnostics of one file share one copy of its text.
    const char *source = NULL;
    for (size_t i = 0; i < diagnostics->count && at.source && !source; i++) {
        const char *known = diagnostics->items[i].at.source;
        if (known && strcmp(known, at.source) == 0)
            source = known;
    }
    diagnostics->items[diagnostics->count++] = (struct diagnostic){
        .kind = kind,
        .at = {.file = arena_string(arena, at.file),
               .line = at.line,
               .column = at.column,
               .source = source ? source : arena_string(arena, at.source)},
        .message = format_in(arena, format, arguments),
    };
}

bool diagnostic_add(struct diagnostics *diagnostics, enum diagnostic_kind kind, struct location at,
                    const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(diagnostics, kind, at, format, arguments);
    va_end(arguments);
    return false;
}

bool diagnostic_note(struct diagnostics *diagnostics, const char *format, ...) {
    if (diagnostics->count == 0 || diagnostics->suppressed > 0)
        return false;
    struct diagnostic *newest = &diagnostics->items[diagnostics->count - 1];
    if (newest->note_count == NOTES_MAX)
        return false;
    va_list arguments;
    va_start(arguments, format);
    newest->notes[newest->note_count++] = format_in(&diagnostics->arena, format, arguments);
    va_end(arguments);
    return false;
}

bool usage_error(struct diagnostics *diagnostics, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(diagnostics, DIAGNOSTIC_USAGE, (struct location){0}, format, arguments);
    va_end(arguments);
    return false;
}

bool environment_error(struct diagnostics *diagnostics, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(diagnostics, DIAGNOSTIC_ENVIRONMENT, (struct location){0}, format, arguments);
    va_end(arguments);
    return false;
}

// The line of `source` and its length without the line end; NULL where it has no such line.
static const char *find_line(const char *source, int line, size_t *length) {
    if (!source || line < 1)
        return NULL;
    for (int at = 1; at < line; at++) {
        const char *end = strchr(source, '\n');
        if (!end)
            return NULL;
        source = end + 1;
    }
    *length = strcspn(source, "\r\n");
    return source;
}

static bool is_name_byte(char byte) { return isalnum((unsigned char)byte) || byte == '_'; }

struct location location_of_word(const char *file, const char *source, int line, const char *word) {
    struct location at = {.file = file, .line = line, .source = source};
    size_t length, word_length = word ? strlen(word) : 0;
    const char *text = find_line(source, line, &length);
    if (!text || word_length == 0)
        return at;
    for (size_t i = 0; i + word_length <= length; i++) {
        if (memcmp(text + i, word, word_length) != 0)
            continue;
        bool before = i > 0 && is_name_byte(text[i - 1]) && is_name_byte(word[0]);
        bool after = i + word_length < length && is_name_byte(text[i + word_length]) &&
                     is_name_byte(word[word_length - 1]);
        if (!before && !after) {
            at.column = (int)(i + 1);
            break;
        }
    }
    return at;
}

// Prints bytes [from, to) of a source line; control characters, tabs aside, become '?'.
static void print_source(const char *line, size_t from, size_t to, FILE *stream) {
    for (size_t i = from; i < to; i++) {
        unsigned char byte = (unsigned char)line[i];
        fputc((byte < 0x20 && byte != '\t') || byte == 0x7f ? '?' : byte, stream);
    }
    fputc('\n', stream);
}

static void print_line_and_caret(const struct location *at, FILE *stream) {
    size_t length;
    const char *line = find_line(at->source, at->line, &length);
    if (!line || length == 0)
        return;
    size_t column = at->column > 0 ? (size_t)at->column : 0;
    // Of a very long line, the part around the column.
    size_t from = column > SHOWN_COLUMNS ? column - SHOWN_COLUMNS / 2 : 0;
    if (from > length)
        from = length;
    size_t to = length - from > SHOWN_COLUMNS ? from + SHOWN_COLUMNS : length;
    print_source(line, from, to, stream);
    if (column == 0 || column > length + 1)
        return;
    for (size_t i = from; i + 1 < column; i++) {
        // One blank a character, not a byte: UTF-8 continuation bytes take no room.
        if (((unsigned char)line[i] & 0xc0) != 0x80)
            fputc(line[i] == '\t' ? '\t' : ' ', stream);
    }
    fputs("^\n", stream);
}

void diagnostics_print(const struct diagnostics *diagnostics, FILE *stream) {
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *diagnostic = &diagnostics->items[i];
        const struct location *at = &diagnostic->at;
        if (!at->file)
            fprintf(stream, "monogen: %s\n", diagnostic->message);
        else if (at->line <= 0)
            fprintf(stream, "%s: error: %s\n", at->file, diagnostic->message);
        else if (at->column <= 0)
            fprintf(stream, "%s:%d: error: %s\n", at->file, at->line, diagnostic->message);
        else
            fprintf(stream, "%s:%d:%d: error: %s\n", at->file, at->line, at->column,
                    diagnostic->message);
        print_line_and_caret(at, stream);
        for (int note = 0; note < diagnostic->note_count; note++)
            fprintf(stream, "  note: %s\n", diagnostic->notes[note]);
    }
    if (diagnostics->suppressed > 0)
        fprintf(stream, "monogen: %zu more error%s not shown\n", diagnostics->suppressed,
                diagnostics->suppressed == 1 ? "" : "s");
}

int diagnostics_exit_status(const struct diagnostics *diagnostics) {
    return diagnostics->count == 0 ? 0 : (int)diagnostics->items[0].kind;
}

void diagnostics_close(struct diagnostics *diagnostics) {
    arena_close(&diagnostics->arena);
    *diagnostics = (struct diagnostics){0};
}

enum { NAME_MAX_BYTES = 64 };

// Levenshtein distance of two names of at most NAME_MAX_BYTES bytes; a swap of neighbours counts 1.
static int edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    int rows[3][NAME_MAX_BYTES + 1];
    int *before = rows[0], *last = rows[1], *current = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = (int)j;
    for (size_t i = 1; i <= a_length; i++) {
        current[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (current[j - 1] + 1 < best)
                best = current[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            current[j] = best;
        }
        int *oldest = before;
        before = last;
        last = current;
        current = oldest;
    }
    return last[b_length];
}

const char *nearest_name(const char *name, const char *const *names, size_t count) {
    size_t length = strlen(name);
    if (length > NAME_MAX_BYTES)
        return NULL;
    const char *nearest = NULL;
    // A third of the letters may be wrong, but never all of a short name.
    int best = length < 6 ? 1 : (int)(length / 3);
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(names[i]);
        if (other > NAME_MAX_BYTES)
            continue;
        int distance = edit_distance(name, length, names[i], other);
        if (distance < (int)length && (distance < best || (distance == best && !nearest))) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
