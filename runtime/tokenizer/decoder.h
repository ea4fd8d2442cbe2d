// The decoder: turns the texts of tokens into the text they stand for. It works as a row of stages
// that tokens flow through, so that a whole text and a stream of tokens take the same path.
#ifndef RUNTIME_TOKENIZER_DECODER_H
#define RUNTIME_TOKENIZER_DECODER_H

#include "runtime/tokenizer/fields.h"
#include "runtime/tokenizer/matcher.h"

enum decoder_kind {
    DECODE_REPLACE,       // the matches by `text`
    DECODE_BYTE_FALLBACK, // "<0x0A>" to its byte
    DECODE_STRIP,         // `text`, one character, off both ends
    DECODE_METASPACE,     // `text`, one character, to a space, or to nothing in the first token
    DECODE_BYTE_LEVEL,    // the byte-level alphabet to bytes
    DECODE_JOIN,          // a space between tokens
};

struct decoder_stage {
    enum decoder_kind kind;
    bool fused; // what comes in is one token that arrives in parts
    char *text;
    struct matcher matcher; // REPLACE, a literal
    uint32_t strip_start, strip_end;
    bool drops_first; // METASPACE
};

struct decoder {
    struct decoder_stage stages[TOKENIZER_MAX_STEPS];
    size_t stage_count;
    bool fused; // after the last stage loaded so far
};

// Reads the "decoder" of a tokenizer.json; absent or null puts spaces between tokens, like the
// reference. Errors go to the document; the caller frees in any case.
void decoder_load(struct decoder *decoder, const struct json_node *node);
void decoder_free(struct decoder *decoder); // {0} is fine

// What a stage remembers between tokens.
struct decoder_memory {
    struct byte_buffer scratch;
    struct byte_buffer held; // BYTE_FALLBACK: bytes of the run; BYTE_LEVEL: a part of a character
    uint32_t start_left;     // STRIP: characters that may still be stripped
    uint32_t end_held;       // STRIP: characters that are the end's if nothing follows
    bool begun;              // METASPACE, JOIN: the first token is past
};

struct decoder_state {
    struct decoder_memory memory[TOKENIZER_MAX_STEPS];
    struct byte_buffer output;
};

void decoder_begin(const struct decoder *decoder, struct decoder_state *state);
void decoder_state_free(struct decoder_state *state); // {0} is fine

// Takes the text of one token; appends to state->output what is certain now.
bool decoder_push(const struct decoder *decoder, struct decoder_state *state, const char *text,
                  size_t length, struct monogen_error *error);

// Appends what was held back.
bool decoder_finish(const struct decoder *decoder, struct decoder_state *state,
                    struct monogen_error *error);

#endif
