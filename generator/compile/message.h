// Message: what the compiler client and its worker say to each other, as text: a first line with
// the protocol's name, then fields, each as the line "NAME BYTES" and that many bytes and a
// newline, then the line "end". A message that was cut short is not a message.
#ifndef GENERATOR_COMPILE_MESSAGE_H
#define GENERATOR_COMPILE_MESSAGE_H

#include "generator/base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { MESSAGE_FIELDS_MAX = 128 };

struct message_field {
    const char *name, *bytes; // NUL-terminated, in the parsed text
    size_t length;
};

struct message {
    struct message_field fields[MESSAGE_FIELDS_MAX];
    size_t count;
};

void message_begin(struct text *out);
void message_add(struct text *out, const char *name, const char *bytes, size_t length);
void message_add_string(struct text *out, const char *name, const char *string);
void message_add_long(struct text *out, const char *name, long number);
void message_end(struct text *out);

// Takes `text` [length] apart in place: the fields point into it and get NUL terminators. Returns
// false where it is not one whole message.
bool message_parse(char *text, size_t length, struct message *message);

// The first field of that name; NULL where there is none.
const struct message_field *message_field(const struct message *message, const char *name);
const char *message_string(const struct message *message, const char *name); // "" where absent
long message_long(const struct message *message, const char *name);          // -1 where absent

#endif
