#include "runtime/tokenizer/added_tokens.h"

#include "runtime/tokenizer/utf8.h"

#include <stdlib.h>

void segment_list_free(struct segment_list *list) {
    free(list->segments);
    *list = (struct segment_list){0};
}

static bool append_segment(struct segment_list *list, struct segment segment,
                           struct monogen_error *error) {
    struct segment *grown =
        array_grow(list->segments, &list->capacity, list->count + 1, sizeof *list->segments, error);
    if (!grown)
        return false;
    list->segments = grown;
    list->segments[list->count++] = segment;
    return true;
}

// The first token of [low, high), which agree on their first `depth` bytes, whose byte at `depth`
// is at least `byte`.
static size_t lower_bound(const struct added_token *tokens, size_t low, size_t high, size_t depth,
                          unsigned byte) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct added_token *token = &tokens[middle];
        if (token->length <= depth || (unsigned char)token->content[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The longest token that `text` [length] begins with, or NULL.
static const struct added_token *longest_token(const struct added_token_set *set, const char *text,
                                               size_t length) {
    const struct added_token *found = NULL;
    size_t low = 0, high = set->count;
    for (size_t depth = 0; depth < length; depth++) {
        unsigned byte = (unsigned char)text[depth];
        low = lower_bound(set->tokens, low, high, depth, byte);
        high = lower_bound(set->tokens, low, high, depth, byte + 1);
        if (low == high)
            break;
        // Sorted: the token that ends here, if there is one, is the first.
        if (set->tokens[low].length == depth + 1)
            found = &set->tokens[low];
    }
    return found;
}

// The bytes of the last character of `text` [length], length at least 1.
static size_t last_character(const char *text, size_t length) {
    size_t bytes = 1;
    while (bytes < length && (text[length - bytes] & 0xC0) == 0x80)
        bytes++;
    return bytes;
}

static bool is_white_space_at(const char *text, size_t bytes) {
    return utf8_is_white_space(utf8_codepoint(text, bytes));
}

// Whether the token at [start, end) stands apart from words on both sides, in *apart.
static bool stands_apart(const struct added_tokens *added, struct regex_work *work,
                         const char *text, size_t length, size_t start, size_t end, bool *apart,
                         struct monogen_error *error) {
    size_t sides[2][2] = {
        {start - (start ? last_character(text, start) : 0), start},
        {end, end + (end < length ? utf8_first(text + end, length - end) : 0)},
    };
    *apart = true;
    for (size_t i = 0; i < 2; i++) {
        size_t bytes = sides[i][1] - sides[i][0], word_start, word_end;
        if (bytes == 0)
            continue;
        enum regex_result result = regex_find(added->word, work, text + sides[i][0], bytes, 0,
                                              &word_start, &word_end, error);
        if (result == REGEX_FAILED)
            return false;
        if (result == REGEX_MATCH)
            *apart = false;
    }
    return true;
}

bool added_tokens_find(const struct added_tokens *added, const struct added_token_set *set,
                       struct regex_work *work, const char *text, size_t length,
                       struct segment_list *segments, struct monogen_error *error) {
    size_t done = 0;      // the end of the last segment
    size_t white_end = 0; // of the white space behind a token that took it: not gone through again
    segments->count = 0;
    for (size_t at = 0; set->count > 0 && at < length;) {
        const struct added_token *token = longest_token(set, text + at, length - at);
        if (!token) {
            at++;
            continue;
        }
        size_t start = at, end = at + token->length;
        at = end;
        bool apart = true;
        if (token->single_word &&
            !stands_apart(added, work, text, length, start, end, &apart, error))
            return false;
        if (!apart)
            continue;
        if (token->take_left && start < done)
            start = done;
        while (token->take_left && start > done) {
            size_t bytes = last_character(text, start);
            if (!is_white_space_at(text + start - bytes, bytes))
                break;
            start -= bytes;
        }
        if (token->take_right && end < white_end)
            end = white_end;
        while (token->take_right && end < length) {
            size_t bytes = utf8_first(text + end, length - end);
            if (!is_white_space_at(text + end, bytes))
                break;
            end += bytes;
        }
        if (token->take_right)
            white_end = end;
        if (start >= end) // all of it was white space that the token before has taken
            continue;
        if (done < start &&
            !append_segment(segments, (struct segment){done, start, VOCABULARY_NO_TOKEN}, error))
            return false;
        if (!append_segment(segments, (struct segment){start, end, token->id}, error))
            return false;
        done = end;
    }
    return done >= length ||
           append_segment(segments, (struct segment){done, length, VOCABULARY_NO_TOKEN}, error);
}
