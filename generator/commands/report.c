#include "generator/commands/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 100 }; // of a line

bool report_runtime_error(const struct monogen_error *error, struct diagnostics *diagnostics) {
    static const char note[] = "  note: ";
    const enum diagnostic_kind kind = error->status == MONOGEN_BAD_USAGE ? DIAGNOSTIC_USAGE
                                      : error->status == MONOGEN_NO_ENVIRONMENT
                                          ? DIAGNOSTIC_ENVIRONMENT
                                          : DIAGNOSTIC_USER;
    const char *line = error->message;
    for (bool first = true; *line || first; first = false) {
        const size_t length = strcspn(line, "\n");
        if (first) {
            diagnostic_add(diagnostics, kind, (struct location){0}, "%.*s", (int)length, line);
        } else {
            const size_t skip = strncmp(line, note, sizeof note - 1) == 0 ? sizeof note - 1 : 0;
            diagnostic_note(diagnostics, "%.*s", (int)(length - skip), line + skip);
        }
        line += length;
        line += *line == '\n';
    }
    return false;
}

void report_note(const char *format, ...) {
    va_list arguments;
    fputs("monogen: note: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void report_progress(const char *format, ...) {
    va_list arguments;
    if (!isatty(STDERR_FILENO))
        return;
    fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

void report_stage(void *context, const char *stage) {
    (void)context;
    report_progress("generating: %s ...", stage);
}

void report_stage_end(void) {
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

void report_wrapped(FILE *stream, const char *words, int indent, int column) {
    for (const char *at = words; *at;) {
        int length = (int)strcspn(at, " ");
        if (column > indent && column + 1 + length > COLUMNS) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', stream);
            column++;
        }
        fprintf(stream, "%.*s", length, at);
        column += length;
        at += length;
        at += strspn(at, " ");
    }
    fputc('\n', stream);
}

char *report_bytes(struct arena *arena, double bytes) {
    if (bytes < 1024)
        return arena_format(arena, "%.0f bytes", bytes);
    if (bytes < 1e6)
        return arena_format(arena, "%.1f KiB", bytes / 1024);
    return bytes < 1e9 ? arena_format(arena, "%.1f MB", bytes / 1e6)
                       : arena_format(arena, "%.2f GB", bytes / 1e9);
}

char *report_range(struct arena *arena, double low, double high) {
    char *least = arena_format(arena, "%.0f", low), *most = arena_format(arena, "%.0f", high);
    return strcmp(least, most) == 0 ? least : arena_format(arena, "%s-%s", least, most);
}

void report_set_text(struct arena *arena, struct value *table, const char *name, const char *text) {
    value_table_set(arena, table, name, text ? value_string(arena, text) : value_nil(arena));
}

void report_set_integer(struct arena *arena, struct value *table, const char *name,
                        int64_t number) {
    value_table_set(arena, table, name, value_integer(arena, number));
}

struct value *report_resources(struct arena *arena, const struct kernel_resources *resources) {
    struct value *table = value_table(arena);
#define KERNEL_RESOURCE(name, meaning)                                                             \
    value_table_set(arena, table, #name,                                                           \
                    resources->name < 0 ? value_nil(arena)                                         \
                                        : value_integer(arena, resources->name));
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
    return table;
}

// ---- data for people ----------------------------------------------------------------------------

enum { INDENT = 2, MOST_COLUMNS = 32 };

static bool is_scalar(const struct value *value) {
    return value->kind != VALUE_LIST && value->kind != VALUE_TABLE;
}

static bool is_table_list(const struct value *value) {
    return value->kind == VALUE_LIST && value->list.count > 0 &&
           value->list.items[0]->kind == VALUE_TABLE;
}

static void print_scalar(struct text *out, const struct value *value) {
    switch (value->kind) {
    case VALUE_BOOLEAN:
        text_append(out, value->boolean ? "yes" : "no");
        break;
    case VALUE_INTEGER:
        text_format(out, "%" PRId64, value->integer);
        break;
    case VALUE_NUMBER:
        text_format(out, "%.4g", value->number);
        break;
    case VALUE_STRING:
        text_append(out, value->string);
        break;
    default:
        text_append(out, "-");
        break;
    }
}

// A scalar, or a list of scalars with blanks between.
static void print_inline(struct text *out, const struct value *value) {
    if (is_scalar(value)) {
        print_scalar(out, value);
    } else if (value->kind == VALUE_LIST) {
        for (size_t i = 0; i < value->list.count; i++) {
            text_append(out, i ? " " : "");
            print_inline(out, value->list.items[i]);
        }
    } else {
        text_append(out, "...");
    }
}

static size_t inline_width(const struct value *value) {
    struct text text = {0};
    print_inline(&text, value);
    const size_t width = text.length;
    text_close(&text);
    return width;
}

static void pad(struct text *out, size_t count) {
    while (count-- > 0)
        text_append(out, " ");
}

// Columns under the names of the first row's fields; a row may lack some.
static void print_columns(struct text *out, const struct value *rows, size_t indent) {
    const struct value *first = rows->list.items[0];
    const size_t columns =
        first->table.count < MOST_COLUMNS ? first->table.count : (size_t)MOST_COLUMNS;
    size_t widths[MOST_COLUMNS];
    for (size_t c = 0; c < columns; c++) {
        widths[c] = strlen(first->table.fields[c].name);
        for (size_t r = 0; r < rows->list.count; r++) {
            const struct value *cell = value_get(rows->list.items[r], first->table.fields[c].name);
            const size_t width = cell ? inline_width(cell) : 0;
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (size_t r = 0; r <= rows->list.count; r++) { // row 0: the names
        pad(out, indent);
        for (size_t c = 0; c < columns; c++) {
            const char *name = first->table.fields[c].name;
            const struct value *cell = r ? value_get(rows->list.items[r - 1], name) : NULL;
            const bool number = cell && (cell->kind == VALUE_INTEGER || cell->kind == VALUE_NUMBER);
            const size_t width = r == 0 ? strlen(name) : cell ? inline_width(cell) : 0;
            if (number)
                pad(out, widths[c] - width);
            if (r == 0)
                text_append(out, name);
            else if (cell)
                print_inline(out, cell);
            if (c + 1 < columns)
                pad(out, (number ? 0 : widths[c] - width) + INDENT);
        }
        text_append(out, "\n");
    }
}

static const struct value nothing = {.kind = VALUE_NIL};

static void print_table(struct text *out, const struct value *table, size_t indent) {
    size_t widest = 0;
    for (size_t i = 0; i < table->table.count; i++) {
        const size_t width = strlen(table->table.fields[i].name);
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < table->table.count; i++) {
        const struct value_field *field = &table->table.fields[i];
        pad(out, indent);
        text_append(out, field->name);
        if (field->value->kind == VALUE_TABLE) {
            text_append(out, "\n");
            print_table(out, field->value, indent + INDENT);
        } else if (is_table_list(field->value)) {
            text_append(out, "\n");
            print_columns(out, field->value, indent + INDENT);
        } else {
            const bool none = field->value->kind == VALUE_LIST && field->value->list.count == 0;
            pad(out, widest - strlen(field->name) + INDENT);
            print_inline(out, none ? &nothing : field->value);
            text_append(out, "\n");
        }
    }
}

void report_print(struct text *out, const struct value *value) {
    if (value->kind == VALUE_TABLE) {
        print_table(out, value, 0);
    } else if (is_table_list(value)) {
        print_columns(out, value, 0);
    } else {
        print_inline(out, value);
        text_append(out, "\n");
    }
}

void report_value(const struct value *value, bool json) {
    struct text text = {0};
    if (json) {
        value_print_json(&text, value);
        text_append(&text, "\n");
    } else {
        report_print(&text, value);
    }
    if (text.bytes)
        fwrite(text.bytes, 1, text.length, stdout);
    text_close(&text);
}
