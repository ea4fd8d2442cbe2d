#include "runtime/tokenizer/buffer.h"

#include <stdlib.h>
#include <string.h>

bool tokenizer_out_of_memory(struct monogen_error *error) {
    return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "the tokenizer is out of memory");
}

void *array_grow(void *elements, size_t *capacity, size_t needed, size_t element_bytes,
                 struct monogen_error *error) {
    if (elements && needed <= *capacity)
        return elements;
    size_t wanted = *capacity < 8 ? 16 : 2 * *capacity;
    size_t bytes;
    if (wanted < needed)
        wanted = needed;
    if (__builtin_mul_overflow(wanted, element_bytes, &bytes)) {
        tokenizer_out_of_memory(error);
        return NULL;
    }
    void *grown = realloc(elements, bytes);
    if (!grown) {
        tokenizer_out_of_memory(error);
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

bool byte_buffer_append(struct byte_buffer *buffer, const char *bytes, size_t length,
                        struct monogen_error *error) {
    if (length == 0)
        return true;
    if (length > TOKENIZER_MAX_TEXT_BYTES - buffer->length)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "the text is, or becomes while it is tokenized, longer than %zu bytes",
                            TOKENIZER_MAX_TEXT_BYTES);
    size_t needed = buffer->length + length;
    if (needed > buffer->capacity) {
        char *grown = array_grow(buffer->bytes, &buffer->capacity, needed, 1, error);
        if (!grown)
            return false;
        buffer->bytes = grown;
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length = needed;
    return true;
}

void byte_buffer_free(struct byte_buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct byte_buffer){0};
}

bool token_list_append(struct token_list *list, uint32_t id, struct monogen_error *error) {
    uint32_t *grown =
        array_grow(list->ids, &list->capacity, list->count + 1, sizeof *list->ids, error);
    if (!grown)
        return false;
    list->ids = grown;
    list->ids[list->count++] = id;
    return true;
}

void token_list_free(struct token_list *list) {
    free(list->ids);
    *list = (struct token_list){0};
}
