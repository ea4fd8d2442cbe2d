// The two printed forms of a value: Lua, which reads back, and JSON.
#include "generator/base/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { INDENT = 2, COLUMNS = 100 };

struct printer {
    struct text *out;
    size_t line_start; // offset of the line being written
    int expand_depth;
};

static void new_line(struct printer *printer, int depth) {
    text_format(printer->out, "\n%*s", depth * INDENT, "");
    printer->line_start = printer->out->length - (size_t)(depth * INDENT);
}

static bool is_lua_name(const char *name) {
    static const char *const reserved[] = {"and",   "break", "do",       "else", "elseif", "end",
                                           "false", "for",   "function", "goto", "if",     "in",
                                           "local", "nil",   "not",      "or",   "repeat", "return",
                                           "then",  "true",  "until",    "while"};
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    for (const char *byte = name; *byte; byte++) {
        if (!isalnum((unsigned char)*byte) && *byte != '_')
            return false;
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcmp(name, reserved[i]) == 0)
            return false;
    }
    return true;
}

static bool is_scalar(const struct value *value) {
    return value->kind != VALUE_LIST && value->kind != VALUE_TABLE;
}

static void print_scalar(struct text *out, const struct value *value) {
    switch (value->kind) {
    case VALUE_BOOLEAN:
        text_append(out, value->boolean ? "true" : "false");
        break;
    case VALUE_INTEGER:
        // The smallest integer has no decimal literal in Lua: its digits alone are a float.
        if (value->integer == INT64_MIN)
            text_append(out, "0x8000000000000000");
        else
            text_format(out, "%" PRId64, value->integer);
        break;
    case VALUE_NUMBER:
        if (isnan(value->number))
            text_append(out, "0/0");
        else if (isinf(value->number))
            text_append(out, value->number < 0 ? "-math.huge" : "math.huge");
        else
            text_number(out, value->number);
        break;
    case VALUE_STRING:
        text_lua_string(out, value->string, strlen(value->string));
        break;
    default:
        text_append(out, "nil");
        break;
    }
}

static void print_lua(struct printer *printer, const struct value *value, int depth);

// A list of scalars: as many on a line as fit.
static void print_filled(struct printer *printer, const struct value *list, int depth) {
    struct text *out = printer->out;
    struct text item = {0};
    text_append(out, "{");
    for (size_t i = 0; i < list->list.count; i++) {
        bool last = i + 1 == list->list.count;
        text_clear(&item);
        print_scalar(&item, list->list.items[i]);
        size_t column = out->length - printer->line_start;
        if (i > 0 && column + item.length + (last ? 3 : 2) > COLUMNS)
            new_line(printer, depth + 1);
        else
            text_append(out, " ");
        text_append_bytes(out, item.bytes, item.length);
        text_append(out, last ? " }" : ",");
    }
    text_close(&item);
}

static bool is_filled_list(const struct value *value) {
    if (value->kind != VALUE_LIST)
        return false;
    for (size_t i = 0; i < value->list.count; i++) {
        if (!is_scalar(value->list.items[i]))
            return false;
    }
    return true;
}

static void print_members(struct printer *printer, const struct value *value, int depth) {
    struct text *out = printer->out;
    bool expand = depth < printer->expand_depth;
    size_t count = value->kind == VALUE_LIST ? value->list.count : value->table.count;
    bool first = true;
    text_append(out, "{");
    for (size_t i = 0; i < count; i++) {
        const struct value *member =
            value->kind == VALUE_LIST ? value->list.items[i] : value->table.fields[i].value;
        if (value->kind == VALUE_TABLE && member->kind == VALUE_NIL)
            continue;
        if (!first && !expand)
            text_append(out, ",");
        first = false;
        if (expand)
            new_line(printer, depth + 1);
        else
            text_append(out, " ");
        if (value->kind == VALUE_TABLE) {
            const char *name = value->table.fields[i].name;
            if (is_lua_name(name)) {
                text_append(out, name);
            } else {
                text_append(out, "[");
                text_lua_string(out, name, strlen(name));
                text_append(out, "]");
            }
            text_append(out, " = ");
        }
        print_lua(printer, member, depth + 1);
        if (expand)
            text_append(out, ",");
    }
    if (expand && !first)
        new_line(printer, depth);
    else if (!first)
        text_append(out, " ");
    text_append(out, "}");
}

static void print_lua(struct printer *printer, const struct value *value, int depth) {
    if (is_scalar(value))
        print_scalar(printer->out, value);
    else if (value->kind == VALUE_LIST && value->list.count == 0)
        text_append(printer->out, "{}");
    else if (is_filled_list(value))
        print_filled(printer, value, depth);
    else
        print_members(printer, value, depth);
}

void value_print_lua(struct text *out, const struct value *value, int expand_depth) {
    struct printer printer = {.out = out, .expand_depth = expand_depth, .line_start = out->length};
    while (printer.line_start > 0 && out->bytes[printer.line_start - 1] != '\n')
        printer.line_start--;
    print_lua(&printer, value, 0);
}

// Bytes of the UTF-8 character at `bytes` (NUL-terminated), 0 where there is none.
static size_t utf8_length(const char *bytes) {
    const unsigned char *b = (const unsigned char *)bytes;
    size_t length = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if (b[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    }
    // Overlong forms, surrogates, and beyond U+10FFFF.
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
        (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
        return 0;
    return length;
}

static void print_json_string(struct text *out, const char *string) {
    text_append(out, "\"");
    while (*string) {
        size_t length = utf8_length(string);
        unsigned char byte = (unsigned char)*string;
        if (length == 0)
            text_append(out, "\\ufffd");
        else if (byte == '"' || byte == '\\')
            text_format(out, "\\%c", byte);
        else if (byte == '\n')
            text_append(out, "\\n");
        else if (byte < 0x20)
            text_format(out, "\\u%04x", (unsigned)byte);
        else
            text_append_bytes(out, string, length);
        string += length == 0 ? 1 : length;
    }
    text_append(out, "\"");
}

static void print_json(struct text *out, const struct value *value, int depth) {
    if (value->kind == VALUE_STRING) {
        print_json_string(out, value->string);
    } else if (value->kind == VALUE_INTEGER) {
        text_format(out, "%" PRId64, value->integer);
    } else if (value->kind == VALUE_BOOLEAN) {
        text_append(out, value->boolean ? "true" : "false");
    } else if (value->kind == VALUE_NUMBER && isfinite(value->number)) {
        text_number(out, value->number);
    } else if (value->kind == VALUE_LIST || value->kind == VALUE_TABLE) {
        bool list = value->kind == VALUE_LIST;
        size_t count = list ? value->list.count : value->table.count;
        text_append(out, list ? "[" : "{");
        for (size_t i = 0; i < count; i++) {
            text_format(out, "%s\n%*s", i == 0 ? "" : ",", (depth + 1) * INDENT, "");
            if (!list) {
                print_json_string(out, value->table.fields[i].name);
                text_append(out, ": ");
            }
            print_json(out, list ? value->list.items[i] : value->table.fields[i].value, depth + 1);
        }
        if (count > 0)
            text_format(out, "\n%*s", depth * INDENT, "");
        text_append(out, list ? "]" : "}");
    } else {
        text_append(out, "null");
    }
}

void value_print_json(struct text *out, const struct value *value) { print_json(out, value, 0); }
