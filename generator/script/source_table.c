#include "generator/script/source_table.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 200 }; // as deep as Lua itself nests

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    const char *bytes; // a string: what stands between its quotes
    size_t length;
    int line;
};

struct reader {
    struct arena *arena;
    const char *at;
    int line;
    struct token token; // the current one
};

// The end of a long bracket that opens at `at` ("[[", "[==["), or NULL where none opens there.
// *text and *length: what is between the brackets.
static const char *skip_long_bracket(const char *at, const char **text, size_t *length) {
    if (*at != '[')
        return NULL;
    size_t level = strspn(at + 1, "=");
    if (at[1 + level] != '[')
        return NULL;
    *text = at + 2 + level;
    for (const char *end = strchr(*text, ']'); end; end = strchr(end + 1, ']')) {
        if (strspn(end + 1, "=") == level && end[1 + level] == ']') {
            *length = (size_t)(end - *text);
            return end + 2 + level;
        }
    }
    *length = strlen(*text);
    return *text + *length;
}

static void count_lines(struct reader *reader, const char *to) {
    for (; reader->at < to; reader->at++) {
        if (*reader->at == '\n')
            reader->line++;
    }
}

static void skip_blanks_and_comments(struct reader *reader) {
    for (;;) {
        count_lines(reader, reader->at + strspn(reader->at, " \t\r\n\v\f"));
        if (strncmp(reader->at, "--", 2) != 0)
            return;
        const char *text;
        size_t length;
        const char *end = skip_long_bracket(reader->at + 2, &text, &length);
        count_lines(reader, end ? end : reader->at + strcspn(reader->at, "\n"));
    }
}

static void next_token(struct reader *reader) {
    skip_blanks_and_comments(reader);
    const char *start = reader->at, *end = start;
    struct token *token = &reader->token;
    *token = (struct token){.kind = TOKEN_OTHER, .bytes = start, .line = reader->line};
    unsigned char first = (unsigned char)*start;
    const char *text;
    size_t length;
    if (first == '\0') {
        token->kind = TOKEN_END;
    } else if (isalpha(first) || first == '_') {
        token->kind = TOKEN_NAME;
        while (isalnum((unsigned char)*end) || *end == '_')
            end++;
    } else if (isdigit(first) || (first == '.' && isdigit((unsigned char)start[1]))) {
        while (isalnum((unsigned char)*end) || *end == '.' ||
               (strchr("+-", *end) && *end && strchr("eEpP", end[-1])))
            end++;
    } else if (first == '"' || first == '\'') {
        token->kind = TOKEN_STRING;
        for (end++; *end && *end != *start; end++) {
            if (*end == '\\' && end[1])
                end++;
        }
        token->bytes = start + 1;
        token->length = (size_t)(end - token->bytes);
        end += *end ? 1 : 0;
    } else if ((end = skip_long_bracket(start, &text, &length))) {
        token->kind = TOKEN_STRING;
        token->bytes = text;
        token->length = length;
    } else {
        end = start + (strchr("=~<>", first) && start[1] == '=' ? 2 : 1);
    }
    if (token->kind != TOKEN_STRING)
        token->length = (size_t)(end - start);
    count_lines(reader, end);
}

static bool is(const struct token *token, const char *text) {
    return token->kind != TOKEN_STRING && token->kind != TOKEN_END &&
           strlen(text) == token->length && memcmp(token->bytes, text, token->length) == 0;
}

static bool is_one_of(const struct token *token, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (is(token, texts[i]))
            return true;
    }
    return false;
}

// Goes on to the `,`, `;` or closing bracket that ends the expression.
static void skip_expression(struct reader *reader) {
    static const char *const open[] = {"(", "[", "{", "function", "if", "do", "repeat"};
    static const char *const close[] = {")", "]", "}", "end", "until"};
    static const char *const separators[] = {",", ";"};
    for (int depth = 0; reader->token.kind != TOKEN_END; next_token(reader)) {
        if (is_one_of(&reader->token, open, sizeof open / sizeof open[0]))
            depth++;
        else if (depth == 0 && (is_one_of(&reader->token, separators, 2) ||
                                is_one_of(&reader->token, close, sizeof close / sizeof close[0])))
            return;
        else if (is_one_of(&reader->token, close, sizeof close / sizeof close[0]))
            depth--;
    }
}

// What a quoted string means; NULL, as for any computed key, where it holds an escape other than
// \n \t \r \" \' \\ and decimal ones.
static const char *read_escapes(struct arena *arena, const char *bytes, size_t length) {
    static const char letters[] = "ntr\"'\\", meanings[] = "\n\t\r\"'\\";
    char *out = arena_alloc(arena, length + 1);
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\\') {
            out[count++] = bytes[i];
            continue;
        }
        i++;
        const char *letter = i < length ? strchr(letters, bytes[i]) : NULL;
        if (letter && *letter) {
            out[count++] = meanings[letter - letters];
        } else if (i < length && isdigit((unsigned char)bytes[i])) {
            int code = 0;
            for (size_t end = i + 3; i < end && i < length && isdigit((unsigned char)bytes[i]); i++)
                code = code * 10 + (bytes[i] - '0');
            out[count++] = (char)code;
            i--;
        } else {
            return NULL;
        }
    }
    return out;
}

static struct source_table *read_table(struct reader *reader, int depth);

// Reads `name =`, `["name"] =`, `[expression] =` where one stands there.
static void read_key(struct reader *reader, struct source_field *field, bool *keyed) {
    struct reader ahead = *reader;
    struct token key = reader->token;
    next_token(&ahead);
    *keyed = false;
    if (key.kind == TOKEN_NAME && is(&ahead.token, "=")) {
        *keyed = true;
    } else if (is(&key, "[")) {
        *keyed = true;
        key = ahead.token;
        next_token(&ahead);
        if (key.kind != TOKEN_STRING || !is(&ahead.token, "]"))
            key.kind = TOKEN_OTHER;
        skip_expression(&ahead);
        next_token(&ahead);
    }
    if (!*keyed)
        return;
    *reader = ahead; // at the `=`
    next_token(reader);
    bool quoted = key.kind == TOKEN_STRING && strchr("\"'", key.bytes[-1]);
    if (key.kind != TOKEN_OTHER)
        field->name = quoted ? read_escapes(reader->arena, key.bytes, key.length)
                             : arena_bytes(reader->arena, key.bytes, key.length);
}

// Reads from `{` past its `}`.
static struct source_table *read_table(struct reader *reader, int depth) {
    struct source_table *table = arena_alloc(reader->arena, sizeof *table);
    table->line = reader->token.line;
    next_token(reader);
    while (reader->token.kind != TOKEN_END && !is(&reader->token, "}")) {
        struct source_field field = {.line = reader->token.line};
        bool keyed;
        read_key(reader, &field, &keyed);
        if (is(&reader->token, "{") && depth < DEPTH_MAX) {
            field.table = read_table(reader, depth + 1);
            if (!is(&reader->token, ",") && !is(&reader->token, ";") && !is(&reader->token, "}"))
                field.table = NULL; // the table is only a part of the expression
        }
        skip_expression(reader);
        if (!keyed || field.name) {
            table->fields =
                arena_grow(reader->arena, table->fields, table->count, sizeof *table->fields);
            table->fields[table->count++] = field;
        }
        if (is(&reader->token, ",") || is(&reader->token, ";"))
            next_token(reader);
        else if (!is(&reader->token, "}"))
            return table;
    }
    next_token(reader);
    return table;
}

const struct source_table *source_table_find(struct arena *arena, const char *source,
                                             const char *constructor, int line) {
    const struct source_table *first = NULL;
    struct reader reader = {.arena = arena, .at = source, .line = 1};
    for (next_token(&reader); reader.token.kind != TOKEN_END;) {
        struct token name = reader.token;
        next_token(&reader);
        if (name.kind != TOKEN_NAME || !is(&name, constructor) || (first && name.line != line))
            continue;
        if (is(&reader.token, "("))
            next_token(&reader);
        if (!is(&reader.token, "{"))
            continue;
        struct reader inside = reader;
        const struct source_table *table = read_table(&inside, 0);
        if (name.line == line)
            return table;
        first = table;
    }
    return first;
}
