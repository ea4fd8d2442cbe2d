#include "runtime/tokenizer/added_tokens.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONTENT_BYTES 4096
#define MAX_ADDED_TOKENS ((size_t)1 << 20)

// As Unicode's recommendation for regular expressions (UTS 18) defines it.
static const char word_character[] = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}]";

static void free_set(struct added_token_set *set) {
    for (size_t i = 0; i < set->count; i++)
        free(set->tokens[i].content);
    free(set->tokens);
    *set = (struct added_token_set){0};
}

void added_tokens_free(struct added_tokens *added) {
    free_set(&added->plain);
    free_set(&added->normalized);
    regex_free(added->word);
    *added = (struct added_tokens){0};
}

// Gives the id the token's text, unless the vocabulary has the pair already.
static void enter(const struct json_node *node, struct vocabulary *vocabulary, uint32_t id,
                  const char *content, bool special) {
    size_t length = strlen(content), other_length = 0;
    uint32_t known = vocabulary_find(vocabulary, content, length);
    const char *other = vocabulary_text(vocabulary, id, &other_length);
    if (known != VOCABULARY_NO_TOKEN && known != id)
        json_node_fail(node, "'%.100s' has the id %" PRIu32 ", in the vocabulary it has %" PRIu32,
                       content, id, known);
    else if (other && (other_length != length || memcmp(other, content, length) != 0))
        json_node_fail(node, "'%.100s' has the id %" PRIu32 " of '%.*s'", content, id,
                       (int)(other_length < 100 ? other_length : 100), other);
    else if (!other &&
             !vocabulary_add(vocabulary, id, content, length, false, node->document->error))
        node->document->failed = true;
    else
        vocabulary->tokens[id].special = special;
}

static void load_token(struct added_tokens *added, const struct json_node *node,
                       const struct normalizer *normalizer, struct vocabulary *vocabulary) {
    const char *content = json_field_string(node, "content");
    uint32_t id = (uint32_t)json_field_integer(node, "id", 0, VOCABULARY_MAX_TOKENS - 1);
    bool special = field_boolean(node, "special", false);
    struct added_token token = {
        .id = id,
        .single_word = field_boolean(node, "single_word", false),
        .take_left = field_boolean(node, "lstrip", false),
        .take_right = field_boolean(node, "rstrip", false),
        .normalized = field_boolean(node, "normalized", !special),
    };
    struct monogen_error *error = node->document->error;
    if (node->document->failed || content[0] == '\0')
        return;
    if (strlen(content) > MAX_CONTENT_BYTES) {
        json_node_fail(node, "an added token of more than %d bytes", MAX_CONTENT_BYTES);
        return;
    }
    enter(node, vocabulary, id, content, special);
    if (token.single_word && !added->word && !node->document->failed)
        node->document->failed = !(added->word = regex_compile(word_character, error));
    if (node->document->failed)
        return;

    struct byte_buffer text = {0};
    struct regex_work *work = regex_work_open(MAX_CONTENT_BYTES, error);
    static const struct normalizer as_it_is;
    bool good = work && normalizer_apply(token.normalized ? normalizer : &as_it_is, work, content,
                                         strlen(content), &text, error);
    regex_work_close(work);
    node->document->failed = !good;
    if (good && (text.length == 0 || text.length > MAX_CONTENT_BYTES))
        good = json_node_fail(node, "the normalizer makes '%.100s' %zu bytes, allowed are 1 to %d",
                              content, text.length, MAX_CONTENT_BYTES);
    // Like the reference, a token that is found in the normalized text is decoded to that form.
    if (good && !vocabulary_set_decoded(vocabulary, id, text.bytes, text.length, error)) {
        node->document->failed = true;
        good = false;
    }
    if (!good) {
        byte_buffer_free(&text);
        return;
    }
    // The reference skips what is decoded to the content of a special token. One that the
    // normalizer changes is decoded to something else, and stays.
    vocabulary->tokens[id].skipped =
        special && text.length == strlen(content) && memcmp(text.bytes, content, text.length) == 0;
    token.content = text.bytes;
    token.length = text.length;
    struct added_token_set *set = token.normalized ? &added->normalized : &added->plain;
    set->tokens[set->count++] = token;
}

// Shorter before longer where one begins the other; the id decides between equals.
static int compare(const void *left, const void *right) {
    const struct added_token *a = left, *b = right;
    int order = memcmp(a->content, b->content, a->length < b->length ? a->length : b->length);
    if (order != 0)
        return order;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

void added_tokens_load(struct added_tokens *added, const struct json_node *node,
                       const struct normalizer *normalizer, struct vocabulary *vocabulary) {
    *added = (struct added_tokens){0};
    if (!node_is_present(node))
        return;
    size_t count = json_node_count(node);
    if (count > MAX_ADDED_TOKENS)
        json_node_fail(node, "%zu added tokens, at most %zu are allowed", count, MAX_ADDED_TOKENS);
    if (node->document->failed || count == 0)
        return;
    added->plain.tokens = calloc(count, sizeof *added->plain.tokens);
    added->normalized.tokens = calloc(count, sizeof *added->normalized.tokens);
    if (!added->plain.tokens || !added->normalized.tokens) {
        node->document->failed = true;
        tokenizer_out_of_memory(node->document->error);
        return;
    }
    for (size_t i = 0; i < count && !node->document->failed; i++) {
        struct json_node item = json_node_item(node, i);
        load_token(added, &item, normalizer, vocabulary);
    }
    qsort(added->plain.tokens, added->plain.count, sizeof *added->plain.tokens, compare);
    qsort(added->normalized.tokens, added->normalized.count, sizeof *added->normalized.tokens,
          compare);
}
