#include "runtime/json_node.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_block {
    struct json_block *next;
    max_align_t bytes[];
};

static bool open_document(struct json_document *document, const char *file, const void *text,
                          size_t bytes, size_t flags, struct monogen_error *error) {
    *document = (struct json_document){.error = error};
    document->file = strdup(file);
    document->failed = !document->file;
    if (document->failed)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    json_error_t problem;
    document->root = json_loadb(bytes ? text : "", bytes, flags, &problem);
    if (!document->root) {
        document->failed = true;
        return monogen_fail(error, MONOGEN_BAD_INPUT, "%s:%d:%d: %s", file, problem.line,
                            problem.column, problem.text);
    }
    struct json_node root = json_document_root(document);
    if (!json_is_object(document->root))
        return json_node_fail(&root, "must be an object");
    return true;
}

bool json_document_open(struct json_document *document, const char *file, const void *text,
                        size_t bytes, struct monogen_error *error) {
    return open_document(document, file, text, bytes, JSON_REJECT_DUPLICATES, error);
}

bool json_document_open_with_nul(struct json_document *document, const char *file, const void *text,
                                 size_t bytes, struct monogen_error *error) {
    return open_document(document, file, text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                         error);
}

void json_document_close(struct json_document *document) {
    while (document->blocks) {
        struct json_block *next = document->blocks->next;
        free(document->blocks);
        document->blocks = next;
    }
    json_decref(document->root);
    free(document->file);
    *document = (struct json_document){0};
}

struct json_node json_document_root(struct json_document *document) {
    return (struct json_node){.document = document, .json = document->root};
}

void *json_document_array(struct json_document *document, size_t count, size_t element_bytes) {
    size_t bytes;
    if (document->failed || count == 0)
        return NULL;
    struct json_block *block = NULL;
    if (!__builtin_mul_overflow(count, element_bytes, &bytes) &&
        !__builtin_add_overflow(bytes, sizeof *block, &bytes))
        block = calloc(1, bytes);
    if (!block) {
        document->failed = true;
        monogen_fail(document->error, MONOGEN_NO_ENVIRONMENT, "%s: out of memory", document->file);
        return NULL;
    }
    block->next = document->blocks;
    document->blocks = block;
    return block->bytes;
}

bool json_node_fail(const struct json_node *node, const char *format, ...) {
    struct json_document *document = node->document;
    if (document->failed)
        return false;
    document->failed = true;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return monogen_fail(document->error, MONOGEN_BAD_INPUT, "%s: %s%s%s", document->file,
                        node->path, node->path[0] ? ": " : "", length < 0 ? "is wrong" : message);
}

struct json_node json_node_optional(const struct json_node *object, const char *name) {
    struct json_node field = {.document = object->document};
    int length = snprintf(field.path, sizeof field.path, "%s%s%s", object->path,
                          object->path[0] ? "." : "", name);
    if (length < 0)
        field.path[0] = '\0';
    if (object->document->failed)
        return field;
    if (!json_is_object(object->json))
        json_node_fail(object, "must be an object");
    else
        field.json = json_object_get(object->json, name);
    return field;
}

struct json_node json_node_field(const struct json_node *object, const char *name) {
    struct json_node field = json_node_optional(object, name);
    if (!field.json)
        json_node_fail(&field, "is missing");
    return field;
}

struct json_node json_node_item(const struct json_node *array, size_t index) {
    struct json_node item = {.document = array->document};
    int length = snprintf(item.path, sizeof item.path, "%s[%zu]", array->path, index);
    if (length < 0)
        item.path[0] = '\0';
    if (!array->document->failed)
        item.json = json_array_get(array->json, index);
    return item;
}

size_t json_node_count(const struct json_node *array) {
    if (array->document->failed)
        return 0;
    if (!json_is_array(array->json))
        return (size_t)json_node_fail(array, "must be an array");
    return json_array_size(array->json);
}

const char *json_field_bytes(const struct json_node *object, const char *name, size_t *length) {
    struct json_node field = json_node_field(object, name);
    *length = 0;
    if (field.document->failed)
        return "";
    if (!json_is_string(field.json)) {
        json_node_fail(&field, "must be a string");
        return "";
    }
    *length = json_string_length(field.json);
    return json_string_value(field.json);
}

const char *json_field_string(const struct json_node *object, const char *name) {
    size_t length;
    const char *string = json_field_bytes(object, name, &length);
    if (strlen(string) == length)
        return string;
    struct json_node field = json_node_field(object, name);
    json_node_fail(&field, "must not hold a NUL byte");
    return "";
}

uint64_t json_node_integer(const struct json_node *node, uint64_t least, uint64_t most) {
    if (node->document->failed)
        return least;
    if (!json_is_integer(node->json) || json_integer_value(node->json) < 0) {
        json_node_fail(node, "must be an integer of at least %" PRIu64, least);
        return least;
    }
    uint64_t value = (uint64_t)json_integer_value(node->json);
    if (value < least || value > most) {
        json_node_fail(node, "is %" PRIu64 ", must be %" PRIu64 " to %" PRIu64, value, least, most);
        return least;
    }
    return value;
}

uint64_t json_field_integer(const struct json_node *object, const char *name, uint64_t least,
                            uint64_t most) {
    struct json_node field = json_node_field(object, name);
    return json_node_integer(&field, least, most);
}

int64_t json_field_signed(const struct json_node *object, const char *name, int64_t least,
                          int64_t most) {
    struct json_node field = json_node_field(object, name);
    if (field.document->failed)
        return least;
    int64_t value = json_integer_value(field.json);
    if (!json_is_integer(field.json) || value < least || value > most) {
        json_node_fail(&field, "must be an integer of %" PRId64 " to %" PRId64, least, most);
        return least;
    }
    return value;
}

double json_node_number(const struct json_node *node) {
    if (node->document->failed)
        return 0;
    double value = json_number_value(node->json);
    if (!json_is_number(node->json) || !isfinite(value)) {
        json_node_fail(node, "must be a finite number");
        return 0;
    }
    return value;
}

double json_field_number(const struct json_node *object, const char *name) {
    struct json_node field = json_node_field(object, name);
    return json_node_number(&field);
}
