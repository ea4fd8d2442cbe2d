#include "runtime/tokenizer/bpe.h"

#include "runtime/tokenizer/fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A table that is being read. `node` is where its errors belong.
struct table_reader {
    struct bpe *bpe;
    const struct json_node *node;
    struct json_cursor cursor;
    struct byte_buffer text[2]; // the strings of one element
    struct byte_buffer joined;
};

static int shown(size_t length) { return (int)(length < 100 ? length : 100); }

// A text for a message; "" where there are no bytes.
static const char *bytes_of(const struct byte_buffer *buffer) {
    return buffer->length ? buffer->bytes : "";
}

// Reads the elements of a table one by one with `read`, which knows how many came before.
static bool read_table(struct table_reader *reader, const struct json_table *table,
                       bool (*read)(struct table_reader *, size_t index)) {
    struct json_cursor *cursor = &reader->cursor;
    char opens = table->text[0], closes = opens == '{' ? '}' : ']';
    *cursor = (struct json_cursor){table->text, table->text + table->length};
    (void)json_cursor_take(cursor, opens);
    if (json_cursor_take(cursor, closes))
        return true;
    size_t index = 0;
    do {
        if (!read(reader, index++))
            return false;
    } while (json_cursor_take(cursor, ','));
    if (!json_cursor_take(cursor, closes) || cursor->at != cursor->end)
        return json_node_fail(reader->node, "element %zu has no proper end", index - 1);
    return true;
}

static bool read_token(struct table_reader *reader, size_t index) {
    struct vocabulary *vocabulary = &reader->bpe->vocabulary;
    struct byte_buffer *text = &reader->text[0];
    uint32_t id;
    if (!json_cursor_string(&reader->cursor, text))
        return json_node_fail(reader->node, "the name of token %zu is no proper string", index);
    int length = shown(text->length);
    if (!json_cursor_take(&reader->cursor, ':') || !json_cursor_integer(&reader->cursor, &id) ||
        id >= VOCABULARY_MAX_TOKENS)
        return json_node_fail(reader->node, "the id of '%.*s' must be an integer of 0 to %" PRIu32,
                              length, bytes_of(text), VOCABULARY_MAX_TOKENS - 1);
    if (vocabulary_find(vocabulary, text->bytes, text->length) != VOCABULARY_NO_TOKEN)
        return json_node_fail(reader->node, "'%.*s' appears twice", length, bytes_of(text));
    size_t other_length;
    const char *other = vocabulary_text(vocabulary, id, &other_length);
    if (other)
        return json_node_fail(reader->node, "'%.*s' and '%.*s' have the same id %" PRIu32, length,
                              bytes_of(text), shown(other_length), other, id);
    if (vocabulary_add(vocabulary, id, text->bytes, text->length, true,
                       reader->node->document->error))
        return true;
    reader->node->document->failed = true;
    return false;
}

// Reads the two halves of a merge, "a b" or ["a", "b"].
static bool read_halves(struct table_reader *reader) {
    struct json_cursor *cursor = &reader->cursor;
    struct byte_buffer *left = &reader->text[0], *right = &reader->text[1];
    if (json_cursor_take(cursor, '['))
        return json_cursor_string(cursor, left) && json_cursor_take(cursor, ',') &&
               json_cursor_string(cursor, right) && json_cursor_take(cursor, ']');
    if (!json_cursor_string(cursor, left) || left->length == 0)
        return false;
    const char *space = memchr(left->bytes, ' ', left->length);
    if (!space)
        return false;
    size_t left_length = (size_t)(space - left->bytes);
    size_t right_length = left->length - left_length - 1;
    right->length = 0;
    if (memchr(space + 1, ' ', right_length) ||
        !byte_buffer_append(right, space + 1, right_length, NULL))
        return false;
    left->length = left_length;
    return true;
}

// Files made from a merges.txt keep its first line.
static bool is_version_line(struct table_reader *reader) {
    static const char begins[] = "\"#version";
    struct json_cursor *cursor = &reader->cursor;
    if ((size_t)(cursor->end - cursor->at) < strlen(begins) ||
        memcmp(cursor->at, begins, strlen(begins)) != 0)
        return false;
    return json_cursor_string(cursor, &reader->text[0]);
}

static bool read_merge(struct table_reader *reader, size_t index) {
    struct vocabulary *vocabulary = &reader->bpe->vocabulary;
    if (is_version_line(reader))
        return true;
    if (!read_halves(reader))
        return json_node_fail(reader->node,
                              "merge %zu must be two tokens, \"a b\" or [\"a\", \"b\"]", index);
    struct byte_buffer *texts[3] = {&reader->text[0], &reader->text[1], &reader->joined};
    reader->joined.length = 0;
    uint32_t ids[3];
    for (size_t i = 0; i < 3; i++) {
        ids[i] = vocabulary_find(vocabulary, texts[i]->bytes, texts[i]->length);
        if (ids[i] == VOCABULARY_NO_TOKEN)
            return json_node_fail(reader->node,
                                  "merge %zu names '%.*s', which is not in the vocabulary", index,
                                  shown(texts[i]->length), bytes_of(texts[i]));
        if (i < 2 && !byte_buffer_append(&reader->joined, texts[i]->bytes, texts[i]->length,
                                         reader->node->document->error)) {
            reader->node->document->failed = true;
            return false;
        }
    }
    vocabulary_add_merge(vocabulary, &(struct vocabulary_merge){.left = ids[0],
                                                                .right = ids[1],
                                                                .rank = (uint32_t)index,
                                                                .merged = ids[2]});
    return true;
}

static bool load_tables(struct bpe *bpe, const struct json_node *model,
                        const struct json_tables *tables) {
    struct json_node vocabulary = json_node_field(model, "vocab");
    struct json_node merges = json_node_field(model, "merges");
    if (!tables->vocabulary.text)
        json_node_fail(&vocabulary, "must be an object");
    if (!tables->merges.text)
        json_node_fail(&merges, "must be an array");
    if (tables->vocabulary.elements > VOCABULARY_MAX_TOKENS)
        json_node_fail(&vocabulary, "more than %" PRIu32 " tokens", VOCABULARY_MAX_TOKENS);
    if (tables->merges.elements > VOCABULARY_MAX_MERGES)
        json_node_fail(&merges, "more than %zu merges", VOCABULARY_MAX_MERGES);
    if (model->document->failed)
        return false;
    if (!vocabulary_open(&bpe->vocabulary, tables->vocabulary.elements, tables->merges.elements,
                         model->document->error)) {
        model->document->failed = true;
        return false;
    }
    struct table_reader reader = {.bpe = bpe, .node = &vocabulary};
    bool good = read_table(&reader, &tables->vocabulary, read_token);
    reader.node = &merges;
    good = good && read_table(&reader, &tables->merges, read_merge);
    byte_buffer_free(&reader.text[0]);
    byte_buffer_free(&reader.text[1]);
    byte_buffer_free(&reader.joined);
    return good;
}

static void load_unknown(struct bpe *bpe, const struct json_node *model) {
    const char *unknown = field_optional_string(model, "unk_token");
    if (!unknown)
        return;
    bpe->unknown = vocabulary_find(&bpe->vocabulary, unknown, strlen(unknown));
    if (bpe->unknown == VOCABULARY_NO_TOKEN)
        bpe->unknown_missing = field_copy(model, "unk_token");
}

// Whether tokens that stand for something else than their text take part in merges: then the text
// does not tell where tokens may end.
static bool merges_bytes(const struct bpe *bpe) {
    const struct vocabulary *vocabulary = &bpe->vocabulary;
    for (size_t i = 0; i <= vocabulary->merge_mask; i++) {
        const struct vocabulary_merge *merge = &vocabulary->merges[i];
        const uint32_t tokens[2] = {merge->left, merge->right};
        for (size_t k = 0; merge->merged != VOCABULARY_NO_TOKEN && k < 2; k++) {
            size_t length;
            const char *text = vocabulary_text(vocabulary, tokens[k], &length);
            if (tokens[k] == bpe->unknown ||
                (bpe->byte_fallback && length == 6 && memcmp(text, "<0x", 3) == 0))
                return true;
        }
    }
    return false;
}

// Settings that change the result and are refused unless they are off.
static void refuse_unsupported(const struct json_node *model) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = field_optional_string(model, affixes[i]);
        if (value && value[0] != '\0')
            json_node_fail(model, "%s '%.100s' is not supported", affixes[i], value);
    }
    struct json_node dropout = json_node_optional(model, "dropout");
    if (node_is_present(&dropout) && json_node_number(&dropout) != 0)
        json_node_fail(&dropout, "dropout is not supported");
}

void bpe_load(struct bpe *bpe, const struct json_node *model, const struct json_tables *tables) {
    *bpe = (struct bpe){.unknown = VOCABULARY_NO_TOKEN};
    // Old files of this kind name no type.
    const char *type = field_optional_string(model, "type");
    if (type && strcmp(type, "BPE") != 0) {
        fail_unsupported(model, "model");
        return;
    }
    refuse_unsupported(model);
    bpe->byte_fallback = field_boolean(model, "byte_fallback", false);
    bpe->fuse_unknown = field_boolean(model, "fuse_unk", false);
    bpe->ignore_merges = field_boolean(model, "ignore_merges", false);

    if (!load_tables(bpe, model, tables))
        return;
    load_unknown(bpe, model);
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        int length = snprintf(text, sizeof text, "<0x%02X>", byte);
        bpe->byte_tokens[byte] = vocabulary_find(&bpe->vocabulary, text, (size_t)length);
    }
    bpe->merges_bytes = merges_bytes(bpe);
}

void bpe_free(struct bpe *bpe) {
    vocabulary_free(&bpe->vocabulary);
    free(bpe->unknown_missing);
    *bpe = (struct bpe){0};
}
