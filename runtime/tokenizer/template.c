#include "runtime/tokenizer/template.h"

#include "runtime/tokenizer/fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEMPLATE_TOKENS 1024

struct loading {
    struct template *template;
    const struct vocabulary *vocabulary;
};

// Appends the ids of the special token that `piece` names.
static void load_special(const struct loading *loading, const struct json_node *tokens,
                         const struct json_node *piece, struct token_list *ids) {
    struct json_node token = json_node_field(tokens, json_field_string(piece, "id"));
    struct json_node list = json_node_field(&token, "ids");
    size_t count = json_node_count(&list);
    if (count > MAX_TEMPLATE_TOKENS - ids->count)
        json_node_fail(&list, "more than %d special tokens around a text", MAX_TEMPLATE_TOKENS);
    for (size_t i = 0; i < count && !list.document->failed; i++) {
        struct json_node item = json_node_item(&list, i);
        uint32_t id = (uint32_t)json_node_integer(&item, 0, VOCABULARY_MAX_TOKENS - 1);
        size_t length;
        if (!vocabulary_text(loading->vocabulary, id, &length))
            json_node_fail(&item, "there is no token with the id %" PRIu32, id);
        else if (!token_list_append(ids, id, list.document->error))
            list.document->failed = true;
    }
}

// Puts `outer` around `template`, whose ids stay the inner ones. Empties `outer`'s lists into it.
static bool wrap(struct template *template, struct template *outer, struct monogen_error *error) {
    for (size_t i = 0; i < template->before.count; i++)
        if (!token_list_append(&outer->before, template->before.ids[i], error))
            return false;
    for (size_t i = 0; i < outer->after.count; i++)
        if (!token_list_append(&template->after, outer->after.ids[i], error))
            return false;
    token_list_free(&template->before);
    template->before = outer->before;
    outer->before = (struct token_list){0};
    return true;
}

static void load_template(const struct loading *loading, const struct json_node *node) {
    struct template outer = {0};
    struct json_node pieces = json_node_field(node, "single");
    size_t count = json_node_count(&pieces);
    struct json_node tokens = json_node_optional(node, "special_tokens");
    bool text_seen = false;
    for (size_t i = 0; i < count && !node->document->failed; i++) {
        struct json_node item = json_node_item(&pieces, i);
        struct json_node special = json_node_optional(&item, "SpecialToken");
        if (node_is_present(&special)) {
            load_special(loading, &tokens, &special, text_seen ? &outer.after : &outer.before);
            continue;
        }
        struct json_node sequence = json_node_field(&item, "Sequence");
        const char *name = json_field_string(&sequence, "id");
        if (strcmp(name, "A") != 0 || text_seen)
            json_node_fail(&sequence, "a template must hold the text 'A' once and no other");
        text_seen = true;
    }
    if (!text_seen)
        json_node_fail(&pieces, "a template must hold the text 'A'");
    // Of all templates together, too: each is copied into the next.
    const struct template *inner = loading->template;
    if (inner->before.count + outer.before.count > MAX_TEMPLATE_TOKENS ||
        inner->after.count + outer.after.count > MAX_TEMPLATE_TOKENS)
        json_node_fail(&pieces, "more than %d special tokens around a text", MAX_TEMPLATE_TOKENS);
    if (!node->document->failed && !wrap(loading->template, &outer, node->document->error))
        node->document->failed = true;
    template_free(&outer);
}

static void load_processor(void *context, const struct json_node *node, const char *type) {
    if (strcmp(type, "TemplateProcessing") == 0)
        load_template(context, node);
    else if (strcmp(type, "ByteLevel") != 0) // which moves offsets only, not ids
        fail_unsupported(node, "post_processor");
}

void template_load(struct template *template, const struct json_node *node,
                   const struct vocabulary *vocabulary) {
    *template = (struct template){0};
    struct loading loading = {template, vocabulary};
    load_parts(node, "processors", load_processor, &loading);
}

void template_free(struct template *template) {
    token_list_free(&template->before);
    token_list_free(&template->after);
}
