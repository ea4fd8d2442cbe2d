#include "generator/commands/token_golden.h"

#include "generator/base/file.h"
#include "generator/base/text.h"
#include "generator/commands/report.h"
#include "runtime/json_node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20, SHOWN_BYTES = 60 };

// The comparison of one row.
struct row {
    const struct tokenizer *tokenizer;
    const char *path;
    struct json_node node;
    const char *text; // [text_bytes]
    size_t text_bytes;
    struct diagnostics *diagnostics;
};

// At most SHOWN_BYTES of the text from `at` on, quoted, in whole characters.
static void append_quoted(struct text *out, const char *bytes, size_t count, size_t at) {
    while (at > 0 && ((unsigned char)bytes[at] & 0xc0) == 0x80)
        at--;
    size_t end = count - at > SHOWN_BYTES ? at + SHOWN_BYTES : count;
    while (end < count && ((unsigned char)bytes[end] & 0xc0) == 0x80)
        end--;
    text_lua_string(out, bytes + at, end - at);
    text_append(out, end < count ? " ..." : "");
}

// Adds "file: rows[3].ids: ...", and the row's text as a note. Returns false.
static bool differ(const struct row *row, const char *column, const char *how) {
    struct text text = {0};
    diagnostic_add(row->diagnostics, DIAGNOSTIC_USER, (struct location){.file = row->path},
                   "%s.%s: %s", row->node.path, column, how);
    append_quoted(&text, row->text, row->text_bytes, 0);
    diagnostic_note(row->diagnostics, "the text is %s", text.bytes);
    text_close(&text);
    return false;
}

// ---- ids ----------------------------------------------------------------------------------------

static bool read_ids(const struct row *row, const char *column, struct token_list *ids) {
    const struct json_node node = json_node_field(&row->node, column);
    ids->count = json_node_count(&node);
    ids->ids = calloc(ids->count + 1, sizeof *ids->ids);
    if (!ids->ids)
        memory_exhausted((ids->count + 1) * sizeof *ids->ids);
    for (size_t i = 0; i < ids->count; i++) {
        const struct json_node item = json_node_item(&node, i);
        ids->ids[i] = (uint32_t)json_node_integer(&item, 0, UINT32_MAX);
    }
    return !row->node.document->failed;
}

static void append_id(struct text *out, const struct token_list *ids, size_t i) {
    if (i < ids->count)
        text_format(out, "%" PRIu32, ids->ids[i]);
    else
        text_append(out, "the end");
}

static bool same_ids(const struct row *row, const char *column, const struct token_list *wanted,
                     const struct token_list *got) {
    size_t i = 0;
    while (i < wanted->count && i < got->count && wanted->ids[i] == got->ids[i])
        i++;
    if (i == wanted->count && i == got->count)
        return true;
    struct text how = {0};
    text_format(&how, "id %zu is ", i);
    append_id(&how, got, i);
    text_append(&how, ", the reference has ");
    append_id(&how, wanted, i);
    text_format(&how, " (%zu ids, the reference has %zu)", got->count, wanted->count);
    differ(row, column, how.bytes);
    text_close(&how);
    return false;
}

static bool check_encoding(const struct row *row, const char *column, bool add_special_tokens,
                           const struct token_list *wanted) {
    struct monogen_error error = {0};
    struct token_list got = {0};
    const bool good = tokenizer_encode(row->tokenizer, row->text, row->text_bytes,
                                       add_special_tokens, &got, &error)
                          ? same_ids(row, column, wanted, &got)
                          : differ(row, column, error.message);
    token_list_free(&got);
    return good;
}

// ---- texts --------------------------------------------------------------------------------------

// `way`: how it was decoded, for the message.
static bool same_text(const struct row *row, const char *column, const char *way,
                      const struct text *wanted, const struct text *got) {
    size_t i = 0;
    while (i < wanted->length && i < got->length && wanted->bytes[i] == got->bytes[i])
        i++;
    if (i == wanted->length && i == got->length)
        return true;
    struct text how = {0};
    text_format(&how, "%sfrom byte %zu on it is ", way, i);
    append_quoted(&how, got->bytes, got->length, i);
    text_append(&how, ", the reference has ");
    append_quoted(&how, wanted->bytes, wanted->length, i);
    differ(row, column, how.bytes);
    text_close(&how);
    return false;
}

static bool check_text(const struct row *row, const char *column, bool skip_special,
                       const struct token_list *ids, const struct text *wanted) {
    struct monogen_error error = {0};
    struct text got = {0};
    if (!tokenizer_decode(row->tokenizer, ids->ids, ids->count, skip_special, &got.bytes,
                          &got.length, &error))
        return differ(row, column, error.message);
    const bool good = same_text(row, column, "", wanted, &got);
    free(got.bytes);
    return good;
}

// One id at a time: the same text, and no part of it ends inside a character.
static bool check_stream(const struct row *row, const char *column, bool skip_special,
                         const struct token_list *ids, const struct text *wanted) {
    static const char way[] = "decoded one id at a time, ";
    struct monogen_error error = {0};
    struct text got = {0};
    text_append(&got, ""); // bytes even where nothing comes
    struct tokenizer_stream *stream = tokenizer_stream_open(row->tokenizer, skip_special, &error);
    bool good = stream || differ(row, column, error.message);
    for (size_t i = 0; good && i <= ids->count; i++) {
        const char *part;
        size_t part_bytes;
        if (!(i < ids->count
                  ? tokenizer_stream_push(stream, ids->ids[i], &part, &part_bytes, &error)
                  : tokenizer_stream_finish(stream, &part, &part_bytes, &error))) {
            good = differ(row, column, error.message);
            break;
        }
        text_append_bytes(&got, part, part_bytes);
        if (got.length < wanted->length &&
            ((unsigned char)wanted->bytes[got.length] & 0xc0) == 0x80)
            good = differ(row, column, "decoded one id at a time, a part ends inside a character");
    }
    tokenizer_stream_close(stream);
    good = good && same_text(row, column, way, wanted, &got);
    text_close(&got);
    return good;
}

static bool check_decoding(const struct row *row, const char *column, bool skip_special,
                           const struct token_list *ids) {
    struct text wanted = {0};
    size_t length;
    const char *text = json_field_bytes(&row->node, column, &length);
    if (row->node.document->failed)
        return false;
    text_append_bytes(&wanted, text, length);
    const bool good = check_text(row, column, skip_special, ids, &wanted) &&
                      check_stream(row, column, skip_special, ids, &wanted);
    text_close(&wanted);
    return good;
}

// ---- the file -----------------------------------------------------------------------------------

static bool check_row(struct row *row) {
    struct token_list plain = {0}, special = {0};
    row->text = json_field_bytes(&row->node, "text", &row->text_bytes);
    const bool good = read_ids(row, "ids_plain", &plain) && read_ids(row, "ids", &special) &&
                      check_encoding(row, "ids_plain", false, &plain) &&
                      check_encoding(row, "ids", true, &special) &&
                      check_decoding(row, "decoded", false, &plain) &&
                      check_decoding(row, "decoded_skip", true, &special);
    token_list_free(&plain);
    token_list_free(&special);
    return good;
}

static bool check_rows(const struct tokenizer *tokenizer, const char *path,
                       struct json_document *document, size_t *rows,
                       struct diagnostics *diagnostics) {
    const struct json_node root = json_document_root(document);
    const struct json_node list = json_node_field(&root, "rows");
    const size_t count = json_node_count(&list);
    if (!document->failed && count == 0)
        json_node_fail(&list, "there is no row to compare with");
    for (*rows = 0; !document->failed && *rows < count; ++*rows) {
        struct row row = {.tokenizer = tokenizer,
                          .path = path,
                          .node = json_node_item(&list, *rows),
                          .diagnostics = diagnostics};
        if (!check_row(&row))
            break;
    }
    return !document->failed && *rows == count;
}

bool token_golden_check(const struct tokenizer *tokenizer, const char *path, size_t *rows,
                        struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct json_document document = {0};
    struct monogen_error error = {0};
    size_t bytes = 0;
    const char *text = file_read(&arena, path, MAX_FILE_BYTES, &bytes, diagnostics);
    *rows = 0;
    bool good = text && json_document_open_with_nul(&document, path, text, bytes, &error) &&
                check_rows(tokenizer, path, &document, rows, diagnostics);
    if (document.failed)
        good = report_runtime_error(&error, diagnostics);
    json_document_close(&document);
    arena_close(&arena);
    return good;
}
