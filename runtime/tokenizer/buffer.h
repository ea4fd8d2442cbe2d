// Memory that grows, with sizes checked, for the tokenizer's working texts and lists.
#ifndef RUNTIME_TOKENIZER_BUFFER_H
#define RUNTIME_TOKENIZER_BUFFER_H

#include "runtime/tokenizer/tokenizer.h"

// No text inside the tokenizer grows past this, whatever a file's replacement rules do with it. A
// text of 64 MiB may consist of blanks, each of which becomes a U+2581 of three bytes.
#define TOKENIZER_MAX_TEXT_BYTES ((size_t)256 << 20)

// Bytes that grow; all zero is the empty buffer. The owner frees it with byte_buffer_free.
struct byte_buffer {
    char *bytes; // [length]
    size_t length, capacity;
};

// False after filling *error, the buffer as it was: no memory, or past TOKENIZER_MAX_TEXT_BYTES.
bool byte_buffer_append(struct byte_buffer *buffer, const char *bytes, size_t length,
                        struct monogen_error *error);
void byte_buffer_free(struct byte_buffer *buffer); // leaves the empty buffer

bool token_list_append(struct token_list *list, uint32_t id, struct monogen_error *error);

// Gives `elements` room for `needed` elements; *capacity follows. Returns the new address, or NULL
// after filling *error, the old one still valid.
void *array_grow(void *elements, size_t *capacity, size_t needed, size_t element_bytes,
                 struct monogen_error *error);

// Records that there is no memory. Returns false.
bool tokenizer_out_of_memory(struct monogen_error *error);

#endif
