// Characters that PCRE2 may be too old to know. Debian 12 has one of Unicode 14, the reference's
// regular expressions know Unicode 16: a letter that came between would be none here.
#ifndef RUNTIME_TOKENIZER_UNICODE_NEWER_H
#define RUNTIME_TOKENIZER_UNICODE_NEWER_H

#include "runtime/tokenizer/buffer.h"

// Of Unicode's versions, the one up to which the table goes.
#define UNICODE_NEWER_UP_TO 16

// Appends what Unicode 15 and 16 added to the property `name` [length], as ranges of a PCRE2 class:
// a general category ("L", "Nd"), "Alphabetic", "Uppercase", "Lowercase" or "Han"; nothing for
// others. False after filling *error.
bool unicode_newer_append(const char *name, size_t length, struct byte_buffer *ranges,
                          struct monogen_error *error);

#endif
