// JSON nodes: reading hostile JSON with errors that name the place ("weights.regions[1].bytes").
// The first error wins; after it every read returns a harmless empty value, so that a reader can be
// written as a straight list of fields and checked once.
#ifndef RUNTIME_JSON_NODE_H
#define RUNTIME_JSON_NODE_H

#include "runtime/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_block; // memory that lives as long as the document

struct json_document {
    char *file; // for messages
    json_t *root;
    struct json_block *blocks;
    struct monogen_error *error; // where the first error goes; NULL is allowed
    bool failed;
};

struct json_node {
    struct json_document *document;
    json_t *json; // NULL: absent, or after an error
    char path[160];
};

// Parses `text` ([bytes]), whose root must be an object and whose keys must be unique. Returns
// false after filling *error, which also takes the errors of later reads. `file` is copied.
bool json_document_open(struct json_document *document, const char *file, const void *text,
                        size_t bytes, struct monogen_error *error);
// The same for files whose strings may hold NUL bytes, which json_field_bytes reads.
bool json_document_open_with_nul(struct json_document *document, const char *file, const void *text,
                                 size_t bytes, struct monogen_error *error);
void json_document_close(struct json_document *document); // {0} is fine

struct json_node json_document_root(struct json_document *document);

// `count` zeroed elements, owned by the document. NULL after an error, and where count is 0.
void *json_document_array(struct json_document *document, size_t count, size_t element_bytes);

// Records an error at the node: "file: path: message". Returns false.
bool json_node_fail(const struct json_node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct json_node json_node_field(const struct json_node *object, const char *name); // must be there
// json is NULL where the field is absent.
struct json_node json_node_optional(const struct json_node *object, const char *name);
struct json_node json_node_item(const struct json_node *array, size_t index);
size_t json_node_count(const struct json_node *array); // error where it is no array

// The field of that name as a value. Errors: absent, of another type, out of range.
const char *json_field_string(const struct json_node *object, const char *name); // never NULL
const char *json_field_bytes(const struct json_node *object, const char *name, size_t *length);
uint64_t json_field_integer(const struct json_node *object, const char *name, uint64_t least,
                            uint64_t most);
int64_t json_field_signed(const struct json_node *object, const char *name, int64_t least,
                          int64_t most);
double json_field_number(const struct json_node *object, const char *name); // finite

// The node itself as a value.
uint64_t json_node_integer(const struct json_node *node, uint64_t least, uint64_t most);
double json_node_number(const struct json_node *node); // finite

#endif
