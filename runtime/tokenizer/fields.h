// Fields of a tokenizer.json that runtime/json_node.h has no reader for.
#ifndef RUNTIME_TOKENIZER_FIELDS_H
#define RUNTIME_TOKENIZER_FIELDS_H

#include "runtime/json_node.h"

// Sequences inside sequences end here.
#define TOKENIZER_MAX_NESTING 8
// Steps of a normalizer, pre-tokenizer or decoder, sequences flattened.
#define TOKENIZER_MAX_STEPS 32

// Whether an optional part of the file is there: neither absent nor null.
bool node_is_present(const struct json_node *node);

// The boolean of that name, or `otherwise` where it is absent or null.
bool field_boolean(const struct json_node *object, const char *name, bool otherwise);

// The string of that name, or NULL where it is absent or null.
const char *field_optional_string(const struct json_node *object, const char *name);

// New copies of `text` and of a field, owned by the caller; NULL after an error of the document.
char *node_copy(const struct json_node *node, const char *text);
char *field_copy(const struct json_node *object, const char *name);

// Records that `kind` ("normalizer") of the type named in `node` is not supported.
void fail_unsupported(const struct json_node *node, const char *kind);

// The elements of `node`, whose field `items` holds them where it is a Sequence, are given to
// `load` one by one, sequences inside included. `load` is called with elements of any other type.
typedef void part_loader(void *context, const struct json_node *node, const char *type);
void load_parts(const struct json_node *node, const char *items, part_loader *load, void *context);

#endif
