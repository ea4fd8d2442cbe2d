#include "runtime/tokenizer/pretokenizer.h"

#include "runtime/tokenizer/byte_level.h"

#include <string.h>

// A piece goes through all steps before the next one begins: there are never lists of them.
struct pretokenizing {
    const struct pretokenizer *pretokenizer;
    struct pretokenizer_work *work;
    struct regex_work *regex;
    piece_taker *take;
    void *context;
    struct monogen_error *error;
};

struct piece {
    const char *text; // [length]
    size_t length;
    bool begins_text;
};

void pretokenizer_work_free(struct pretokenizer_work *work) {
    for (size_t i = 0; i < sizeof work->texts / sizeof *work->texts; i++)
        byte_buffer_free(&work->texts[i]);
}

static bool give(const struct pretokenizing *run, size_t index, struct piece piece);

// Whether a span joins the one before it.
static bool joins(enum split_behavior behavior, bool matched_before, bool matched) {
    switch (behavior) {
    case SPLIT_CONTIGUOUS:
        return matched == matched_before;
    case SPLIT_MERGED_WITH_PREVIOUS:
        return matched && !matched_before;
    case SPLIT_MERGED_WITH_NEXT:
        return !matched && matched_before;
    case SPLIT_REMOVED:
    case SPLIT_ISOLATED:
        break;
    }
    return false;
}

static bool give_span(const struct pretokenizing *run, size_t index, const struct piece *piece,
                      const struct span *span) {
    return give(run, index + 1,
                (struct piece){.text = piece->text + span->start,
                               .length = span->end - span->start,
                               .begins_text = piece->begins_text && span->start == 0});
}

static bool split_piece(const struct pretokenizing *run, size_t index, const struct piece *piece) {
    const struct pretokenizer_step *step = &run->pretokenizer->steps[index];
    struct span_walk walk = {.matcher = &step->matcher,
                             .work = run->regex,
                             .text = piece->text,
                             .length = piece->length};
    struct span span, held = {0}; // held: further spans may join it
    bool holds = false, matched_before = false;
    enum walk_result result;
    while ((result = span_walk_next(&walk, &span, run->error)) == WALK_SPAN) {
        const bool matched = span.matched != step->invert;
        if (matched && step->behavior == SPLIT_REMOVED)
            continue;
        if (holds && joins(step->behavior, matched_before, matched)) {
            held.end = span.end;
        } else {
            if (holds && !give_span(run, index, piece, &held))
                return false;
            held = span;
            holds = true;
        }
        matched_before = matched;
    }
    return result == WALK_ENDED && (!holds || give_span(run, index, piece, &held));
}

static bool append_bytes(struct byte_buffer *to, const char *text, size_t length,
                         struct monogen_error *error) {
    for (size_t i = 0; i < length; i++) {
        char character[4];
        size_t bytes = byte_level_character((unsigned char)text[i], character);
        if (!byte_buffer_append(to, character, bytes, error))
            return false;
    }
    return true;
}

// Appends the piece's new text to `to`.
static bool rewrite_piece(const struct pretokenizing *run, const struct pretokenizer_step *step,
                          const struct piece *piece, struct byte_buffer *to) {
    switch (step->kind) {
    case PRETOKENIZE_PREFIX: {
        size_t bytes = strlen(step->text);
        bool has_it = piece->length >= bytes && memcmp(piece->text, step->text, bytes) == 0;
        if (!has_it && (!step->at_text_only || piece->begins_text) &&
            !byte_buffer_append(to, step->text, bytes, run->error))
            return false;
        return byte_buffer_append(to, piece->text, piece->length, run->error);
    }
    case PRETOKENIZE_REPLACE:
        return matcher_replace_all(&step->matcher, run->regex, piece->text, piece->length,
                                   step->text, to, run->error);
    case PRETOKENIZE_BYTES:
        return append_bytes(to, piece->text, piece->length, run->error);
    case PRETOKENIZE_SPLIT:
        break;
    }
    return true;
}

// Gives step `index` a piece.
static bool give(const struct pretokenizing *run, size_t index, struct piece piece) {
    if (piece.length == 0)
        return true;
    if (index == run->pretokenizer->step_count)
        return run->take(run->context, piece.text, piece.length);
    const struct pretokenizer_step *step = &run->pretokenizer->steps[index];
    if (step->kind == PRETOKENIZE_SPLIT)
        return split_piece(run, index, &piece);
    struct byte_buffer *text = &run->work->texts[index];
    text->length = 0;
    if (!rewrite_piece(run, step, &piece, text))
        return false;
    piece.text = text->bytes;
    piece.length = text->length;
    return give(run, index + 1, piece);
}

bool pretokenizer_apply(const struct pretokenizer *pretokenizer, struct pretokenizer_work *work,
                        struct regex_work *regex, const char *text, size_t length, bool begins_text,
                        piece_taker *take, void *context, struct monogen_error *error) {
    const struct pretokenizing run = {pretokenizer, work, regex, take, context, error};
    return give(&run, 0,
                (struct piece){.text = text, .length = length, .begins_text = begins_text});
}
