// The post-processor, as far as it changes the ids of one text: tokens before and after it.
#ifndef RUNTIME_TOKENIZER_TEMPLATE_H
#define RUNTIME_TOKENIZER_TEMPLATE_H

#include "runtime/json_node.h"
#include "runtime/tokenizer/vocabulary.h"

struct template {
    struct token_list before, after;
};

// Reads the "post_processor" of a tokenizer.json, absent and null allowed. Errors go to the
// document; the caller frees in any case.
void template_load(struct template *template, const struct json_node *node,
                   const struct vocabulary *vocabulary);
void template_free(struct template *template); // {0} is fine

#endif
