// Tokenizers: the bytes are a tokenizer.json. One that is accepted encodes texts of all kinds, and
// decodes what came out at once as it does one by one.
#include "runtime/tokenizer/tokenizer.h"

#include "generator/base/text.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/fuzz/input.h"

#include <stdlib.h>
#include <string.h>

static void require_stream(const struct tokenizer *tokenizer, const struct token_list *ids,
                           bool skip_special, const char *whole, size_t whole_bytes) {
    struct monogen_error error = {0};
    struct text streamed = {0};
    const char *piece;
    size_t bytes;
    struct tokenizer_stream *stream = tokenizer_stream_open(tokenizer, skip_special, &error);
    input_require(stream != NULL, "a stream opens");
    for (size_t i = 0; i < ids->count; i++) {
        input_require(tokenizer_stream_push(stream, ids->ids[i], &piece, &bytes, &error),
                      "a stream takes every token");
        text_append_bytes(&streamed, piece, bytes);
    }
    input_require(tokenizer_stream_finish(stream, &piece, &bytes, &error), "a stream ends");
    text_append_bytes(&streamed, piece, bytes);
    tokenizer_stream_close(stream);
    input_require(streamed.length == whole_bytes &&
                      (whole_bytes == 0 || memcmp(streamed.bytes, whole, whole_bytes) == 0),
                  "tokens decode one by one as they do at once");
    text_close(&streamed);
}

static void decode(const struct tokenizer *tokenizer, const struct token_list *ids) {
    for (int skip_special = 0; skip_special < 2; skip_special++) {
        struct monogen_error error = {0};
        char *text;
        size_t bytes;
        input_require(
            tokenizer_decode(tokenizer, ids->ids, ids->count, skip_special, &text, &bytes, &error),
            "tokens can be decoded");
        input_require(utf8_valid_length(text, bytes) == bytes && text[bytes] == '\0',
                      "decoded text is UTF-8");
        require_stream(tokenizer, ids, skip_special, text, bytes);
        free(text);
    }
}

static void encode(const struct tokenizer *tokenizer, const char *text, size_t bytes) {
    struct monogen_error error = {0};
    struct token_list ids = {0};
    if (tokenizer_encode(tokenizer, text, bytes, true, &ids, &error)) {
        for (size_t i = 0; i < ids.count; i++)
            input_require(ids.ids[i] < tokenizer_token_count(tokenizer), "an id is a token's");
        decode(tokenizer, &ids);
    } else {
        input_require(error.message[0] && ids.count == 0, "a text is refused with a reason");
    }
    token_list_free(&ids);
}

static void use(const struct tokenizer *tokenizer) {
    static const char words[] = " Emma  WOODHOUSE, aged 12345; 'tis a truth\r\n\n\tabc don't  ";
    static const char scripts[] = "e\xCC\x81\xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x99\x82"
                                  "\xE2\x80\x8D\xE2\x96\x81\xC2\xA0\xD7\xA9\xF4\x8F\xBF\xBF";
    static const char marks[] = "<s>a</s><|x|> [INST]<0x41><unk>\0b\x7F";
    char run[240];
    memset(run, 'a', sizeof run);
    memset(run + 150, ' ', 40);
    encode(tokenizer, "", 0);
    encode(tokenizer, words, sizeof words - 1);
    encode(tokenizer, scripts, sizeof scripts - 1);
    encode(tokenizer, marks, sizeof marks - 1);
    encode(tokenizer, run, sizeof run);
    enum { IDS = 64 };
    uint32_t ids[IDS + 2];
    for (uint32_t i = 0; i < IDS; i++)
        ids[i] = i;
    ids[IDS] = tokenizer_token_count(tokenizer);
    ids[IDS + 1] = UINT32_MAX;
    decode(tokenizer, &(struct token_list){.ids = ids, .count = IDS + 2});
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena arena = {0};
    struct monogen_error error = {0};
    struct tokenizer *tokenizer = NULL;
    input_file(&arena, "tokenizer/tokenizer.json", bytes, size);
    if (tokenizer_open(arena_format(&arena, "%s/tokenizer", input_folder()), &tokenizer, &error)) {
        input_require(tokenizer != NULL, "the file is there");
        use(tokenizer);
    } else {
        input_require(error.status != MONOGEN_OK && error.message[0] && !tokenizer,
                      "a tokenizer is refused with a reason");
    }
    tokenizer_close(tokenizer);
    arena_close(&arena);
    return 0;
}
