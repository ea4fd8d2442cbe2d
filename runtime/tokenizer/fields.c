#include "runtime/tokenizer/fields.h"

#include "runtime/tokenizer/buffer.h"

#include <string.h>

bool node_is_present(const struct json_node *node) {
    return !node->document->failed && node->json && !json_is_null(node->json);
}

bool field_boolean(const struct json_node *object, const char *name, bool otherwise) {
    struct json_node field = json_node_optional(object, name);
    if (!node_is_present(&field))
        return otherwise;
    if (!json_is_boolean(field.json)) {
        json_node_fail(&field, "must be true or false");
        return otherwise;
    }
    return json_is_true(field.json);
}

const char *field_optional_string(const struct json_node *object, const char *name) {
    struct json_node field = json_node_optional(object, name);
    return node_is_present(&field) ? json_field_string(object, name) : NULL;
}

char *node_copy(const struct json_node *node, const char *text) {
    char *copy = strdup(text);
    if (!copy) {
        node->document->failed = true;
        tokenizer_out_of_memory(node->document->error);
    }
    return copy;
}

char *field_copy(const struct json_node *object, const char *name) {
    const char *value = json_field_string(object, name);
    return object->document->failed ? NULL : node_copy(object, value);
}

void fail_unsupported(const struct json_node *node, const char *kind) {
    json_node_fail(node, "%s '%.100s' is not supported", kind, json_field_string(node, "type"));
}

static void load_nested(const struct json_node *node, const char *items, part_loader *load,
                        void *context, int depth) {
    const char *type = json_field_string(node, "type");
    if (node->document->failed)
        return;
    if (strcmp(type, "Sequence") != 0) {
        load(context, node, type);
        return;
    }
    if (depth == TOKENIZER_MAX_NESTING) {
        json_node_fail(node, "sequences nest more than %d deep", TOKENIZER_MAX_NESTING);
        return;
    }
    struct json_node list = json_node_field(node, items);
    size_t count = json_node_count(&list);
    for (size_t i = 0; i < count && !node->document->failed; i++) {
        struct json_node item = json_node_item(&list, i);
        load_nested(&item, items, load, context, depth + 1);
    }
}

void load_parts(const struct json_node *node, const char *items, part_loader *load, void *context) {
    if (node_is_present(node))
        load_nested(node, items, load, context, 0);
}
