#include "generator/compile/message.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FIRST_LINE[] = "monogen-compile 1\n";
static const char LAST_LINE[] = "end\n";

void message_begin(struct text *out) { text_append(out, FIRST_LINE); }

void message_add(struct text *out, const char *name, const char *bytes, size_t length) {
    text_format(out, "%s %zu\n", name, length);
    text_append_bytes(out, bytes, length);
    text_append(out, "\n");
}

void message_add_string(struct text *out, const char *name, const char *string) {
    message_add(out, name, string, strlen(string));
}

void message_add_long(struct text *out, const char *name, long number) {
    char digits[32];
    snprintf(digits, sizeof digits, "%ld", number);
    message_add_string(out, name, digits);
}

void message_end(struct text *out) { text_append(out, LAST_LINE); }

// Takes one field off *rest. Returns false where it is not whole.
static bool parse_field(char **rest, size_t *left, struct message_field *field) {
    char *newline = memchr(*rest, '\n', *left);
    if (!newline)
        return false;
    char *space = memchr(*rest, ' ', (size_t)(newline - *rest));
    if (!space || space == *rest || !isdigit((unsigned char)space[1]))
        return false;
    *newline = '\0';
    errno = 0;
    char *end;
    unsigned long long bytes = strtoull(space + 1, &end, 10);
    if (errno || end != newline)
        return false;
    *left -= (size_t)(newline + 1 - *rest);
    if (bytes >= *left || newline[1 + bytes] != '\n')
        return false;
    *space = '\0';
    newline[1 + bytes] = '\0';
    *field = (struct message_field){*rest, newline + 1, (size_t)bytes};
    *rest = newline + 2 + bytes;
    *left -= (size_t)bytes + 1;
    return true;
}

bool message_parse(char *text, size_t length, struct message *message) {
    message->count = 0;
    size_t first = strlen(FIRST_LINE), last = strlen(LAST_LINE);
    if (!text || length < first || memcmp(text, FIRST_LINE, first) != 0)
        return false;
    char *rest = text + first;
    size_t left = length - first;
    while (left != last || memcmp(rest, LAST_LINE, last) != 0) {
        if (message->count == MESSAGE_FIELDS_MAX ||
            !parse_field(&rest, &left, &message->fields[message->count]))
            return false;
        message->count++;
    }
    return true;
}

const struct message_field *message_field(const struct message *message, const char *name) {
    for (size_t i = 0; i < message->count; i++)
        if (strcmp(message->fields[i].name, name) == 0)
            return &message->fields[i];
    return NULL;
}

const char *message_string(const struct message *message, const char *name) {
    const struct message_field *field = message_field(message, name);
    return field ? field->bytes : "";
}

long message_long(const struct message *message, const char *name) {
    const struct message_field *field = message_field(message, name);
    if (!field || field->length == 0)
        return -1;
    char *end;
    errno = 0;
    long number = strtol(field->bytes, &end, 10);
    return errno || *end ? -1 : number;
}
