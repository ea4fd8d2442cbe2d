#include "runtime/tokenizer/tokenizer.h"

#include "runtime/file_map.h"
#include "runtime/tokenizer/added_tokens.h"
#include "runtime/tokenizer/bpe.h"
#include "runtime/tokenizer/decoder.h"
#include "runtime/tokenizer/pretokenizer.h"
#include "runtime/tokenizer/template.h"
#include "runtime/tokenizer/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE_BYTES ((size_t)256 << 20)

struct tokenizer {
    struct bpe model;
    struct normalizer normalizer;
    struct pretokenizer pretokenizer;
    struct added_tokens added;
    struct template template;
    struct decoder decoder;
};

struct tokenizer_stream {
    const struct tokenizer *tokenizer;
    bool skip_special;
    struct decoder_state state;
};

// The file's "truncation" and "padding" are not looked at: they are settings of batches.
static void load(struct tokenizer *tokenizer, struct json_document *document,
                 const struct json_tables *tables) {
    struct json_node root = json_document_root(document);
    struct json_node model = json_node_field(&root, "model");
    if (!document->failed)
        bpe_load(&tokenizer->model, &model, tables);
    struct json_node normalizer = json_node_optional(&root, "normalizer");
    normalizer_load(&tokenizer->normalizer, &normalizer);
    struct json_node pretokenizer = json_node_optional(&root, "pre_tokenizer");
    pretokenizer_load(&tokenizer->pretokenizer, &pretokenizer);
    struct json_node added = json_node_optional(&root, "added_tokens");
    added_tokens_load(&tokenizer->added, &added, &tokenizer->normalizer,
                      &tokenizer->model.vocabulary);
    struct json_node template = json_node_optional(&root, "post_processor");
    template_load(&tokenizer->template, &template, &tokenizer->model.vocabulary);
    struct json_node decoder = json_node_optional(&root, "decoder");
    decoder_load(&tokenizer->decoder, &decoder);
}

static struct tokenizer *open_file(const char *path, struct monogen_error *error) {
    struct file_map map;
    if (!file_map_open(&map, path, MAX_FILE_BYTES, error))
        return NULL;
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    struct json_document document = {0};
    struct json_tables tables;
    struct byte_buffer rest = {0};
    bool good = false;
    if (!tokenizer) {
        tokenizer_out_of_memory(error);
    } else if (json_tables_cut(&tables, (const char *)map.bytes, map.length, &rest, error) &&
               json_document_open(&document, path, rest.bytes, rest.length, error)) {
        load(tokenizer, &document, &tables);
        good = !document.failed;
    }
    byte_buffer_free(&rest);
    json_document_close(&document);
    file_map_close(&map);
    if (good)
        return tokenizer;
    tokenizer_close(tokenizer);
    return NULL;
}

bool tokenizer_open(const char *folder, struct tokenizer **tokenizer, struct monogen_error *error) {
    *tokenizer = NULL;
    char *path = file_path(folder, "tokenizer.json", error);
    if (!path)
        return false;
    bool absent = access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
    if (!absent)
        *tokenizer = open_file(path, error);
    free(path);
    return absent || *tokenizer;
}

void tokenizer_close(struct tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    bpe_free(&tokenizer->model);
    normalizer_free(&tokenizer->normalizer);
    pretokenizer_free(&tokenizer->pretokenizer);
    added_tokens_free(&tokenizer->added);
    template_free(&tokenizer->template);
    decoder_free(&tokenizer->decoder);
    free(tokenizer);
}

// One call of tokenizer_encode: its working memory and where the ids go.
struct encoding {
    const struct tokenizer *tokenizer;
    struct regex_work *regex;
    struct bpe_work bpe;
    struct pretokenizer_work pieces;
    struct byte_buffer normalized;
    struct segment_list plain, inner; // added tokens of the given and of the normalized text
    struct token_list *ids;
    struct monogen_error *error;
};

static bool encode_word(void *context, const char *word, size_t length) {
    struct encoding *encoding = context;
    return bpe_encode(&encoding->tokenizer->model, &encoding->bpe, word, length, encoding->ids,
                      encoding->error);
}

static bool encode_words(struct encoding *encoding, const char *text, size_t length,
                         bool begins_text) {
    return pretokenizer_apply(&encoding->tokenizer->pretokenizer, &encoding->pieces,
                              encoding->regex, text, length, begins_text, encode_word, encoding,
                              encoding->error);
}

static bool encode_plain(struct encoding *encoding, const char *text, size_t length,
                         bool begins_text) {
    const struct tokenizer *tokenizer = encoding->tokenizer;
    struct byte_buffer *normalized = &encoding->normalized;
    if (!normalizer_apply(&tokenizer->normalizer, encoding->regex, text, length, normalized,
                          encoding->error) ||
        !added_tokens_find(&tokenizer->added, &tokenizer->added.normalized, encoding->regex,
                           normalized->bytes, normalized->length, &encoding->inner,
                           encoding->error))
        return false;
    for (size_t i = 0; i < encoding->inner.count; i++) {
        const struct segment *segment = &encoding->inner.segments[i];
        bool good =
            segment->id != VOCABULARY_NO_TOKEN
                ? token_list_append(encoding->ids, segment->id, encoding->error)
                : encode_words(encoding, normalized->bytes + segment->start,
                               segment->end - segment->start, begins_text && segment->start == 0);
        if (!good)
            return false;
    }
    return true;
}

static bool encode_text(struct encoding *encoding, const char *text, size_t length) {
    const struct tokenizer *tokenizer = encoding->tokenizer;
    if (!added_tokens_find(&tokenizer->added, &tokenizer->added.plain, encoding->regex, text,
                           length, &encoding->plain, encoding->error))
        return false;
    for (size_t i = 0; i < encoding->plain.count; i++) {
        const struct segment *segment = &encoding->plain.segments[i];
        bool good = segment->id != VOCABULARY_NO_TOKEN
                        ? token_list_append(encoding->ids, segment->id, encoding->error)
                        : encode_plain(encoding, text + segment->start,
                                       segment->end - segment->start, segment->start == 0);
        if (!good)
            return false;
    }
    return true;
}

static bool append_all(const struct token_list *from, struct token_list *to,
                       struct monogen_error *error) {
    for (size_t i = 0; i < from->count; i++)
        if (!token_list_append(to, from->ids[i], error))
            return false;
    return true;
}

bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t text_bytes,
                      bool add_special_tokens, struct token_list *ids,
                      struct monogen_error *error) {
    size_t valid = utf8_valid_length(text, text_bytes);
    if (valid < text_bytes)
        return monogen_fail(error, MONOGEN_BAD_INPUT, "the text is not UTF-8 at byte %zu", valid);
    size_t count_before = ids->count;
    struct encoding encoding = {.tokenizer = tokenizer, .ids = ids, .error = error};
    encoding.regex = regex_work_open(text_bytes, error);
    bool good = encoding.regex &&
                (!add_special_tokens || append_all(&tokenizer->template.before, ids, error)) &&
                encode_text(&encoding, text, text_bytes) &&
                (!add_special_tokens || append_all(&tokenizer->template.after, ids, error));
    regex_work_close(encoding.regex);
    bpe_work_free(&encoding.bpe);
    pretokenizer_work_free(&encoding.pieces);
    byte_buffer_free(&encoding.normalized);
    segment_list_free(&encoding.plain);
    segment_list_free(&encoding.inner);
    if (!good)
        ids->count = count_before;
    return good;
}

struct tokenizer_stream *tokenizer_stream_open(const struct tokenizer *tokenizer, bool skip_special,
                                               struct monogen_error *error) {
    struct tokenizer_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        tokenizer_out_of_memory(error);
        return NULL;
    }
    stream->tokenizer = tokenizer;
    stream->skip_special = skip_special;
    decoder_begin(&tokenizer->decoder, &stream->state);
    return stream;
}

void tokenizer_stream_close(struct tokenizer_stream *stream) {
    if (!stream)
        return;
    decoder_state_free(&stream->state);
    free(stream);
}

// Appends what id makes certain to the stream's output.
static bool push(struct tokenizer_stream *stream, uint32_t id, struct monogen_error *error) {
    const struct tokenizer *tokenizer = stream->tokenizer;
    size_t length;
    const char *text = vocabulary_decoded_text(&tokenizer->model.vocabulary, id, &length);
    if (!text || (stream->skip_special && tokenizer->model.vocabulary.tokens[id].skipped))
        return true;
    return decoder_push(&tokenizer->decoder, &stream->state, text, length, error);
}

static void give_output(const struct tokenizer_stream *stream, const char **text,
                        size_t *text_bytes) {
    *text_bytes = stream->state.output.length;
    *text = *text_bytes ? stream->state.output.bytes : "";
}

bool tokenizer_stream_push(struct tokenizer_stream *stream, uint32_t id, const char **text,
                           size_t *text_bytes, struct monogen_error *error) {
    stream->state.output.length = 0;
    bool good = push(stream, id, error);
    give_output(stream, text, text_bytes);
    return good;
}

bool tokenizer_stream_finish(struct tokenizer_stream *stream, const char **text, size_t *text_bytes,
                             struct monogen_error *error) {
    const struct decoder *decoder = &stream->tokenizer->decoder;
    stream->state.output.length = 0;
    bool good = decoder_finish(decoder, &stream->state, error);
    decoder_begin(decoder, &stream->state);
    give_output(stream, text, text_bytes);
    return good;
}

bool tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count,
                      bool skip_special, char **text, size_t *text_bytes,
                      struct monogen_error *error) {
    struct tokenizer_stream *stream = tokenizer_stream_open(tokenizer, skip_special, error);
    bool good = stream;
    for (size_t i = 0; good && i < count; i++)
        good = push(stream, ids[i], error);
    good = good && decoder_finish(&tokenizer->decoder, &stream->state, error) &&
           byte_buffer_append(&stream->state.output, "", 1, error);
    if (good) {
        *text = stream->state.output.bytes;
        *text_bytes = stream->state.output.length - 1;
        stream->state.output = (struct byte_buffer){0};
    }
    tokenizer_stream_close(stream);
    return good;
}

uint32_t tokenizer_token_count(const struct tokenizer *tokenizer) {
    return tokenizer->model.vocabulary.token_count;
}

bool tokenizer_has_token(const struct tokenizer *tokenizer, uint32_t id) {
    size_t length;
    return vocabulary_text(&tokenizer->model.vocabulary, id, &length) != NULL;
}

bool tokenizer_is_special(const struct tokenizer *tokenizer, uint32_t id) {
    const struct vocabulary *vocabulary = &tokenizer->model.vocabulary;
    return id < vocabulary->token_count && vocabulary->tokens[id].special;
}
