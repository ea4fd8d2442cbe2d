#include "runtime/tokenizer/json_tables.h"

#include "runtime/tokenizer/utf8.h"

#include <string.h>

static void skip_space(struct json_cursor *cursor) {
    while (cursor->at < cursor->end && strchr(" \t\r\n", *cursor->at) && *cursor->at != '\0')
        cursor->at++;
}

bool json_cursor_take(struct json_cursor *cursor, char symbol) {
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != symbol)
        return false;
    cursor->at++;
    skip_space(cursor);
    return true;
}

bool json_cursor_integer(struct json_cursor *cursor, uint32_t *value) {
    uint64_t sum = 0;
    const char *start = cursor->at;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
        sum = sum * 10 + (uint64_t)(*cursor->at - '0');
        if (sum > UINT32_MAX)
            return false;
    }
    size_t digits = (size_t)(cursor->at - start);
    *value = (uint32_t)sum;
    return digits == 1 || (digits > 1 && *start != '0');
}

// The four digits of "\uHHHH", `at` behind the u.
static bool read_hexadecimal(struct json_cursor *cursor, uint32_t *value) {
    *value = 0;
    if (cursor->end - cursor->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = *cursor->at ? strchr(digits, *cursor->at) : NULL;
        if (!digit)
            return false;
        *value = *value << 4 | (uint32_t)((digit - digits) % 16);
        cursor->at++;
    }
    return true;
}

static bool read_unicode_escape(struct json_cursor *cursor, struct byte_buffer *string) {
    uint32_t codepoint, low;
    if (!read_hexadecimal(cursor, &codepoint) || (codepoint >= 0xDC00 && codepoint <= 0xDFFF))
        return false;
    if (codepoint >= 0xD800 && codepoint < 0xDC00) {
        if (cursor->end - cursor->at < 2 || memcmp(cursor->at, "\\u", 2) != 0)
            return false;
        cursor->at += 2;
        if (!read_hexadecimal(cursor, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        codepoint = 0x10000 + ((codepoint - 0xD800) << 10) + (low - 0xDC00);
    }
    char character[4];
    return byte_buffer_append(string, character, utf8_write(codepoint, character), NULL);
}

static bool read_escape(struct json_cursor *cursor, struct byte_buffer *string) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    cursor->at++; // the backslash
    if (cursor->at == cursor->end || *cursor->at == '\0')
        return false;
    char letter = *cursor->at++;
    if (letter == 'u')
        return read_unicode_escape(cursor, string);
    const char *found = strchr(letters, letter);
    return found && byte_buffer_append(string, &meanings[found - letters], 1, NULL);
}

bool json_cursor_string(struct json_cursor *cursor, struct byte_buffer *string) {
    string->length = 0;
    if (cursor->at == cursor->end || *cursor->at != '"')
        return false;
    cursor->at++;
    for (;;) {
        const char *plain = cursor->at;
        while (cursor->at < cursor->end && *cursor->at != '"' && *cursor->at != '\\' &&
               (unsigned char)*cursor->at >= 0x20)
            cursor->at++;
        size_t length = (size_t)(cursor->at - plain);
        if (utf8_valid_length(plain, length) != length ||
            !byte_buffer_append(string, plain, length, NULL) || cursor->at == cursor->end)
            return false;
        if (*cursor->at == '"') {
            cursor->at++;
            return true;
        }
        if (*cursor->at != '\\' || !read_escape(cursor, string))
            return false;
    }
}

// Moves past a string without reading it. False where it has no end.
static bool skip_string(struct json_cursor *cursor) {
    for (cursor->at++; cursor->at < cursor->end; cursor->at++) {
        if (*cursor->at == '"') {
            cursor->at++;
            return true;
        }
        if (*cursor->at == '\\' && cursor->at + 1 < cursor->end)
            cursor->at++;
    }
    return false;
}

// Moves past a value, counting the elements of the outermost object or array. Brackets need not
// match in kind: what is cut is read properly later, and the rest too.
static bool skip_value(struct json_cursor *cursor, size_t *elements) {
    size_t depth = 0;
    *elements = 1;
    while (cursor->at < cursor->end) {
        switch (*cursor->at) {
        case '"':
            if (!skip_string(cursor))
                return false;
            if (depth == 0)
                return true;
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0)
                return true; // the end of what the value is in
            if (--depth == 0) {
                cursor->at++;
                return true;
            }
            break;
        case ',':
            if (depth == 0)
                return true;
            *elements += depth == 1;
            break;
        default:
            break;
        }
        cursor->at++;
    }
    return false;
}

// Moves from the beginning of an object to the value of its member `name`.
static bool find_member(struct json_cursor *cursor, const char *name) {
    size_t name_length = strlen(name), elements;
    if (!json_cursor_take(cursor, '{'))
        return false;
    do {
        const char *key = cursor->at;
        if (key == cursor->end || *key != '"' || !skip_string(cursor))
            return false;
        bool found = (size_t)(cursor->at - key) == name_length + 2 &&
                     memcmp(key + 1, name, name_length) == 0;
        if (!json_cursor_take(cursor, ':'))
            return false;
        if (found)
            return true;
    } while (skip_value(cursor, &elements) && json_cursor_take(cursor, ','));
    return false;
}

// Finds the table `name` of the model that `model` stands at, if it begins with `bracket`.
static void find_table(struct json_cursor model, const char *name, char bracket,
                       struct json_table *table) {
    if (!find_member(&model, name) || model.at == model.end || *model.at != bracket)
        return;
    const char *start = model.at;
    size_t elements;
    if (skip_value(&model, &elements))
        *table = (struct json_table){start, (size_t)(model.at - start), elements};
}

// Appends the text from *at to the table, and `instead` in the table's place. Moves *at behind it.
static bool append_without(const char **at, const struct json_table *table, const char *instead,
                           struct byte_buffer *rest, struct monogen_error *error) {
    if (!table->text)
        return true;
    const char *end = table->text + table->length;
    if (!byte_buffer_append(rest, *at, (size_t)(table->text - *at), error) ||
        !byte_buffer_append(rest, instead, strlen(instead), error))
        return false;
    for (const char *line = table->text; (line = memchr(line, '\n', (size_t)(end - line))); line++)
        if (!byte_buffer_append(rest, "\n", 1, error))
            return false;
    *at = end;
    return true;
}

bool json_tables_cut(struct json_tables *tables, const char *text, size_t length,
                     struct byte_buffer *rest, struct monogen_error *error) {
    *tables = (struct json_tables){0};
    if (length == 0)
        return true;
    struct json_cursor model = {text, text + length};
    const char *at = text;
    if (find_member(&model, "model")) {
        find_table(model, "vocab", '{', &tables->vocabulary);
        find_table(model, "merges", '[', &tables->merges);
    }
    const struct json_table *vocabulary = &tables->vocabulary, *merges = &tables->merges;
    bool merges_first = merges->text && (!vocabulary->text || merges->text < vocabulary->text);
    return append_without(&at, merges_first ? merges : vocabulary, merges_first ? "[]" : "{}", rest,
                          error) &&
           append_without(&at, merges_first ? vocabulary : merges, merges_first ? "{}" : "[]", rest,
                          error) &&
           byte_buffer_append(rest, at, (size_t)(text + length - at), error);
}
