#include "runtime/tokenizer/normalizer.h"

#include "runtime/tokenizer/nfc.h"

#include <stdlib.h>
#include <string.h>

static void load_step(void *context, const struct json_node *node, const char *type) {
    struct normalizer *normalizer = context;
    if (normalizer->step_count == TOKENIZER_MAX_STEPS) {
        json_node_fail(node, "more than %d normalizers", TOKENIZER_MAX_STEPS);
        return;
    }
    struct normalizer_step *step = &normalizer->steps[normalizer->step_count++];
    if (strcmp(type, "Prepend") == 0) {
        step->kind = NORMALIZE_PREPEND;
        step->text = field_copy(node, "prepend");
    } else if (strcmp(type, "Replace") == 0) {
        step->kind = NORMALIZE_REPLACE;
        matcher_load(&step->matcher, node);
        step->text = field_copy(node, "content");
    } else if (strcmp(type, "NFC") == 0) {
        step->kind = NORMALIZE_NFC;
    } else {
        fail_unsupported(node, "normalizer");
    }
}

void normalizer_load(struct normalizer *normalizer, const struct json_node *node) {
    *normalizer = (struct normalizer){0};
    load_parts(node, "normalizers", load_step, normalizer);
}

void normalizer_free(struct normalizer *normalizer) {
    for (size_t i = 0; i < normalizer->step_count; i++) {
        matcher_free(&normalizer->steps[i].matcher);
        free(normalizer->steps[i].text);
    }
    *normalizer = (struct normalizer){0};
}

static bool apply_step(const struct normalizer_step *step, struct regex_work *work,
                       const struct byte_buffer *from, struct byte_buffer *to,
                       struct monogen_error *error) {
    if (from->length == 0)
        return true;
    switch (step->kind) {
    case NORMALIZE_PREPEND:
        return byte_buffer_append(to, step->text, strlen(step->text), error) &&
               byte_buffer_append(to, from->bytes, from->length, error);
    case NORMALIZE_REPLACE:
        return matcher_replace_all(&step->matcher, work, from->bytes, from->length, step->text, to,
                                   error);
    case NORMALIZE_NFC:
        return nfc_append(from->bytes, from->length, to, error);
    }
    return true;
}

bool normalizer_apply(const struct normalizer *normalizer, struct regex_work *work,
                      const char *text, size_t length, struct byte_buffer *normalized,
                      struct monogen_error *error) {
    struct byte_buffer other = {0};
    normalized->length = 0;
    bool good = byte_buffer_append(normalized, text, length, error);
    for (size_t i = 0; good && i < normalizer->step_count; i++) {
        other.length = 0;
        good = apply_step(&normalizer->steps[i], work, normalized, &other, error);
        struct byte_buffer done = other;
        other = *normalized;
        *normalized = done;
    }
    byte_buffer_free(&other);
    return good;
}
