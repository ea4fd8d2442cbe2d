#include "runtime/tokenizer/decoder.h"

#include "runtime/tokenizer/byte_level.h"
#include "runtime/tokenizer/utf8.h"

#include <string.h>

struct decoding {
    const struct decoder *decoder;
    struct decoder_state *state;
    struct monogen_error *error;
};

static bool feed(const struct decoding *decoding, size_t index, const char *text, size_t length);

static bool feed_replace(const struct decoding *decoding, size_t index, const char *text,
                         size_t length) {
    const struct decoder_stage *stage = &decoding->decoder->stages[index];
    struct byte_buffer *scratch = &decoding->state->memory[index].scratch;
    scratch->length = 0;
    if (!matcher_replace_all(&stage->matcher, NULL, text, length, stage->text, scratch,
                             decoding->error))
        return false;
    return feed(decoding, index + 1, scratch->bytes, scratch->length);
}

// The byte that "<0x0A>" names, or -1.
static int named_byte(const char *text, size_t length) {
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int value = 0;
    for (size_t i = 3; i < 5; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return -1;
        value = value * 16 + (int)((digit - digits) % 16);
    }
    return value;
}

// Passes the run of bytes on: as text where all of it is UTF-8, else a U+FFFD for each byte. So
// none of it is certain before its end.
static bool end_byte_run(const struct decoding *decoding, size_t index) {
    struct byte_buffer *run = &decoding->state->memory[index].held;
    size_t length = run->length;
    run->length = 0;
    if (length == 0)
        return true;
    if (utf8_valid_length(run->bytes, length) == length)
        return feed(decoding, index + 1, run->bytes, length);
    for (size_t i = 0; i < length; i++)
        if (!feed(decoding, index + 1, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES))
            return false;
    return true;
}

static bool feed_byte_fallback(const struct decoding *decoding, size_t index, const char *text,
                               size_t length) {
    int byte = named_byte(text, length);
    if (byte < 0)
        return end_byte_run(decoding, index) && feed(decoding, index + 1, text, length);
    char value = (char)byte;
    return byte_buffer_append(&decoding->state->memory[index].held, &value, 1, decoding->error);
}

static void begin_strip(const struct decoder_stage *stage, struct decoder_memory *memory) {
    memory->start_left = stage->strip_start;
    memory->end_held = 0;
}

static bool feed_strip(const struct decoding *decoding, size_t index, const char *text,
                       size_t length) {
    const struct decoder_stage *stage = &decoding->decoder->stages[index];
    struct decoder_memory *memory = &decoding->state->memory[index];
    size_t bytes = strlen(stage->text);
    memory->scratch.length = 0;
    if (!stage->fused)
        begin_strip(stage, memory);
    for (size_t at = 0; at < length;) {
        size_t width = utf8_first(text + at, length - at);
        bool matches = width == bytes && memcmp(text + at, stage->text, bytes) == 0;
        if (matches && memory->start_left > 0) {
            memory->start_left--;
        } else if (matches && memory->end_held < stage->strip_end) {
            memory->start_left = 0;
            memory->end_held++;
        } else {
            memory->start_left = 0;
            // Held characters are not the end's after all, unless this is one more of them.
            for (; !matches && memory->end_held > 0; memory->end_held--)
                if (!byte_buffer_append(&memory->scratch, stage->text, bytes, decoding->error))
                    return false;
            if (!byte_buffer_append(&memory->scratch, text + at, width, decoding->error))
                return false;
        }
        at += width;
    }
    return feed(decoding, index + 1, memory->scratch.bytes, memory->scratch.length);
}

static bool feed_metaspace(const struct decoding *decoding, size_t index, const char *text,
                           size_t length) {
    const struct decoder_stage *stage = &decoding->decoder->stages[index];
    struct decoder_memory *memory = &decoding->state->memory[index];
    size_t bytes = strlen(stage->text);
    // Like the reference, the first token loses the mark everywhere.
    bool drops = stage->drops_first && (stage->fused || !memory->begun);
    memory->begun = true;
    memory->scratch.length = 0;
    for (size_t at = 0; at < length;) {
        size_t width = utf8_first(text + at, length - at);
        bool mark = width == bytes && memcmp(text + at, stage->text, bytes) == 0;
        if (!(mark && drops) && !byte_buffer_append(&memory->scratch, mark ? " " : text + at,
                                                    mark ? 1 : width, decoding->error))
            return false;
        at += width;
    }
    return feed(decoding, index + 1, memory->scratch.bytes, memory->scratch.length);
}

// Takes one byte: appends the character it completes, and U+FFFD for the longest beginning of a
// character that it does not continue.
static bool take_byte(struct decoder_memory *memory, char byte, struct monogen_error *error) {
    struct byte_buffer *held = &memory->held;
    if (!byte_buffer_append(held, &byte, 1, error))
        return false;
    enum utf8_state state = utf8_classify(held->bytes, held->length);
    if (state == UTF8_INVALID && held->length > 1) {
        held->bytes[0] = byte;
        held->length = 1;
        state = utf8_classify(held->bytes, 1);
        if (!byte_buffer_append(&memory->scratch, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES, error))
            return false;
    }
    if (state == UTF8_INCOMPLETE)
        return true;
    size_t length = held->length;
    held->length = 0;
    return state == UTF8_COMPLETE ? byte_buffer_append(&memory->scratch, held->bytes, length, error)
                                  : byte_buffer_append(&memory->scratch, UTF8_REPLACEMENT,
                                                       UTF8_REPLACEMENT_BYTES, error);
}

// Whether every character of the token is of the byte-level alphabet.
static bool is_byte_level(const char *text, size_t length) {
    for (size_t at = 0; at < length;) {
        size_t width = utf8_first(text + at, length - at);
        if (byte_level_byte(utf8_codepoint(text + at, width)) < 0)
            return false;
        at += width;
    }
    return true;
}

static bool feed_byte_level(const struct decoding *decoding, size_t index, const char *text,
                            size_t length) {
    struct decoder_memory *memory = &decoding->state->memory[index];
    bool mapped = is_byte_level(text, length); // else the token is an added one, and plain text
    memory->scratch.length = 0;
    for (size_t at = 0; at < length;) {
        size_t width = mapped ? utf8_first(text + at, length - at) : 1;
        char byte = mapped ? (char)byte_level_byte(utf8_codepoint(text + at, width)) : text[at];
        if (!take_byte(memory, byte, decoding->error))
            return false;
        at += width;
    }
    return feed(decoding, index + 1, memory->scratch.bytes, memory->scratch.length);
}

// Gives stage `index` the text of a token, or of a part of one where the stage is fused.
static bool feed(const struct decoding *decoding, size_t index, const char *text, size_t length) {
    if (index == decoding->decoder->stage_count)
        return byte_buffer_append(&decoding->state->output, text, length, decoding->error);
    struct decoder_memory *memory = &decoding->state->memory[index];
    switch (decoding->decoder->stages[index].kind) {
    case DECODE_REPLACE:
        return feed_replace(decoding, index, text, length);
    case DECODE_BYTE_FALLBACK:
        return feed_byte_fallback(decoding, index, text, length);
    case DECODE_STRIP:
        return feed_strip(decoding, index, text, length);
    case DECODE_METASPACE:
        return feed_metaspace(decoding, index, text, length);
    case DECODE_BYTE_LEVEL:
        return feed_byte_level(decoding, index, text, length);
    case DECODE_JOIN:
        if (memory->begun && !feed(decoding, index + 1, " ", 1))
            return false;
        memory->begun = true;
        return feed(decoding, index + 1, text, length);
    }
    return true;
}

void decoder_begin(const struct decoder *decoder, struct decoder_state *state) {
    for (size_t i = 0; i < decoder->stage_count; i++) {
        struct decoder_memory *memory = &state->memory[i];
        memory->held.length = 0;
        memory->begun = false;
        begin_strip(&decoder->stages[i], memory);
    }
}

void decoder_state_free(struct decoder_state *state) {
    for (size_t i = 0; i < TOKENIZER_MAX_STEPS; i++) {
        byte_buffer_free(&state->memory[i].scratch);
        byte_buffer_free(&state->memory[i].held);
    }
    byte_buffer_free(&state->output);
}

bool decoder_push(const struct decoder *decoder, struct decoder_state *state, const char *text,
                  size_t length, struct monogen_error *error) {
    struct decoding decoding = {decoder, state, error};
    return feed(&decoding, 0, text, length);
}

bool decoder_finish(const struct decoder *decoder, struct decoder_state *state,
                    struct monogen_error *error) {
    struct decoding decoding = {decoder, state, error};
    for (size_t i = 0; i < decoder->stage_count; i++) {
        struct decoder_memory *memory = &state->memory[i];
        if (decoder->stages[i].kind == DECODE_BYTE_FALLBACK && !end_byte_run(&decoding, i))
            return false;
        if (decoder->stages[i].kind == DECODE_BYTE_LEVEL && memory->held.length > 0) {
            memory->held.length = 0;
            if (!feed(&decoding, i + 1, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES))
                return false;
        }
    }
    return true;
}
