#include "runtime/tokenizer/pretokenizer.h"

#include "runtime/tokenizer/byte_level.h"

#include <stdlib.h>
#include <string.h>

void piece_list_free(struct piece_list *list) {
    byte_buffer_free(&list->text);
    free(list->pieces);
    *list = (struct piece_list){0};
}

static bool append_piece(struct piece_list *list, struct piece piece, struct monogen_error *error) {
    if (piece.length == 0)
        return true;
    struct piece *grown =
        array_grow(list->pieces, &list->capacity, list->count + 1, sizeof *list->pieces, error);
    if (!grown)
        return false;
    list->pieces = grown;
    list->pieces[list->count++] = piece;
    return true;
}

static void drop_matches(struct span_list *spans) {
    size_t kept = 0;
    for (size_t i = 0; i < spans->count; i++)
        if (!spans->spans[i].matched)
            spans->spans[kept++] = spans->spans[i];
    spans->count = kept;
}

// Joins matches that adjoin, or each match with what is before it.
static void join_forward(struct span_list *spans, enum split_behavior behavior) {
    size_t kept = 0;
    bool matched_before = false;
    for (size_t i = 0; i < spans->count; i++) {
        struct span span = spans->spans[i];
        bool joins = behavior == SPLIT_CONTIGUOUS ? span.matched == matched_before
                                                  : span.matched && !matched_before;
        if (joins && kept > 0)
            spans->spans[kept - 1].end = span.end;
        else
            spans->spans[kept++] = span;
        matched_before = span.matched;
    }
    spans->count = kept;
}

static void join_backward(struct span_list *spans) {
    size_t kept = spans->count;
    bool matched_after = false;
    for (size_t i = spans->count; i-- > 0;) {
        struct span span = spans->spans[i];
        if (kept < spans->count && span.matched && !matched_after)
            spans->spans[kept].start = span.start;
        else
            spans->spans[--kept] = span;
        matched_after = span.matched;
    }
    memmove(spans->spans, spans->spans + kept, (spans->count - kept) * sizeof *spans->spans);
    spans->count -= kept;
}

static void join_spans(struct span_list *spans, enum split_behavior behavior) {
    switch (behavior) {
    case SPLIT_ISOLATED:
        break;
    case SPLIT_MERGED_WITH_NEXT:
        join_backward(spans);
        break;
    case SPLIT_REMOVED:
        drop_matches(spans);
        break;
    case SPLIT_CONTIGUOUS:
    case SPLIT_MERGED_WITH_PREVIOUS:
        join_forward(spans, behavior);
    }
}

static bool split_piece(const struct pretokenizer_step *step, struct regex_work *work,
                        const struct piece_list *from, const struct piece *piece,
                        struct span_list *spans, struct piece_list *to,
                        struct monogen_error *error) {
    if (!matcher_find_all(&step->matcher, work, from->text.bytes + piece->start, piece->length,
                          spans, error))
        return false;
    for (size_t i = 0; step->invert && i < spans->count; i++)
        spans->spans[i].matched = !spans->spans[i].matched;
    join_spans(spans, step->behavior);
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->spans[i];
        struct piece part = {.start = piece->start + span->start,
                             .length = span->end - span->start,
                             .begins_text = piece->begins_text && span->start == 0};
        if (!append_piece(to, part, error))
            return false;
    }
    return true;
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
static bool rewrite_piece(const struct pretokenizer_step *step, struct regex_work *work,
                          const char *text, const struct piece *piece, struct byte_buffer *to,
                          struct monogen_error *error) {
    switch (step->kind) {
    case PRETOKENIZE_PREFIX: {
        size_t bytes = strlen(step->text);
        bool has_it = piece->length >= bytes && memcmp(text, step->text, bytes) == 0;
        if (!has_it && (!step->at_text_only || piece->begins_text) &&
            !byte_buffer_append(to, step->text, bytes, error))
            return false;
        return byte_buffer_append(to, text, piece->length, error);
    }
    case PRETOKENIZE_REPLACE:
        return matcher_replace_all(&step->matcher, work, text, piece->length, step->text, to,
                                   error);
    case PRETOKENIZE_BYTES:
        return append_bytes(to, text, piece->length, error);
    case PRETOKENIZE_SPLIT:
        break;
    }
    return true;
}

static bool apply_step(const struct pretokenizer_step *step, struct regex_work *work,
                       const struct piece_list *from, struct span_list *spans,
                       struct piece_list *to, struct monogen_error *error) {
    if (step->kind == PRETOKENIZE_SPLIT &&
        !byte_buffer_append(&to->text, from->text.bytes, from->text.length, error))
        return false;
    for (size_t i = 0; i < from->count; i++) {
        struct piece piece = from->pieces[i];
        if (step->kind == PRETOKENIZE_SPLIT) {
            if (!split_piece(step, work, from, &piece, spans, to, error))
                return false;
            continue;
        }
        size_t start = to->text.length;
        if (!rewrite_piece(step, work, from->text.bytes + piece.start, &piece, &to->text, error))
            return false;
        piece.start = start;
        piece.length = to->text.length - start;
        if (!append_piece(to, piece, error))
            return false;
    }
    return true;
}

bool pretokenizer_apply(const struct pretokenizer *pretokenizer, struct regex_work *work,
                        const char *text, size_t length, bool begins_text, struct span_list *spans,
                        struct piece_list *pieces, struct monogen_error *error) {
    struct piece_list other = {0};
    pieces->text.length = pieces->count = 0;
    bool good = byte_buffer_append(&pieces->text, text, length, error) &&
                append_piece(pieces, (struct piece){0, length, begins_text}, error);
    for (size_t i = 0; good && i < pretokenizer->step_count; i++) {
        other.text.length = other.count = 0;
        good = apply_step(&pretokenizer->steps[i], work, pieces, spans, &other, error);
        struct piece_list done = other;
        other = *pieces;
        *pieces = done;
    }
    piece_list_free(&other);
    return good;
}
