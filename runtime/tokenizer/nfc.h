// Unicode's normalization form C, as the reference has it: with the tables of Unicode 9, and in
// time that grows with the text however many marks stand on one letter.
#ifndef RUNTIME_TOKENIZER_NFC_H
#define RUNTIME_TOKENIZER_NFC_H

#include "runtime/tokenizer/buffer.h"

// Appends the normal form of `text` [length], which is valid UTF-8. False after filling *error.
bool nfc_append(const char *text, size_t length, struct byte_buffer *composed,
                struct monogen_error *error);

#endif
