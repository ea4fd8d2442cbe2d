#include "runtime/tokenizer/matcher.h"

#include "runtime/tokenizer/fields.h"
#include "runtime/tokenizer/utf8.h"

#include <stdlib.h>
#include <string.h>

void matcher_load(struct matcher *matcher, const struct json_node *owner) {
    struct json_node pattern = json_node_field(owner, "pattern");
    const char *literal = field_optional_string(&pattern, "String");
    if (literal) {
        if (literal[0] == '\0')
            json_node_fail(&pattern, "an empty string is not supported");
        matcher->literal = field_copy(&pattern, "String");
        return;
    }
    const char *expression = json_field_string(&pattern, "Regex");
    if (pattern.document->failed)
        return;
    struct monogen_error problem;
    matcher->regex = regex_compile(expression, &problem);
    if (!matcher->regex)
        json_node_fail(&pattern, "%.700s", problem.message);
}

void matcher_free(struct matcher *matcher) {
    free(matcher->literal);
    regex_free(matcher->regex);
    *matcher = (struct matcher){0};
}

// The first place of `literal`, not empty, in `text` [length].
static const char *find_literal(const char *text, size_t length, const char *literal) {
    size_t literal_length = strlen(literal);
    while (length >= literal_length) {
        const char *found = memchr(text, literal[0], length - literal_length + 1);
        if (!found || memcmp(found, literal, literal_length) == 0)
            return found;
        length -= (size_t)(found + 1 - text);
        text = found + 1;
    }
    return NULL;
}

static enum regex_result find(const struct span_walk *walk, size_t *start, size_t *end,
                              struct monogen_error *error) {
    const struct matcher *matcher = walk->matcher;
    if (matcher->regex)
        return regex_find(matcher->regex, walk->work, walk->text, walk->length, walk->from, start,
                          end, error);
    const char *found =
        find_literal(walk->text + walk->from, walk->length - walk->from, matcher->literal);
    if (!found)
        return REGEX_NO_MATCH;
    *start = (size_t)(found - walk->text);
    *end = *start + strlen(matcher->literal);
    return REGEX_MATCH;
}

// The next match. An empty one right behind a match does not count.
static enum regex_result next(struct span_walk *walk, size_t *start, size_t *end,
                              struct monogen_error *error) {
    while (walk->from <= walk->length) {
        enum regex_result result = find(walk, start, end, error);
        if (result != REGEX_MATCH)
            return result;
        if (*start < *end || !walk->any || *end != walk->done) {
            walk->any = true;
            walk->done = walk->from = *end;
            return REGEX_MATCH;
        }
        size_t left = walk->length - *end;
        walk->from = *end + (left ? utf8_first(walk->text + *end, left) : 1);
    }
    return REGEX_NO_MATCH;
}

enum walk_result span_walk_next(struct span_walk *walk, struct span *span,
                                struct monogen_error *error) {
    if (!walk->match.matched && !walk->ended) {
        const size_t done = walk->done;
        const enum regex_result result = next(walk, &walk->match.start, &walk->match.end, error);
        if (result == REGEX_FAILED)
            return WALK_FAILED;
        walk->ended = result == REGEX_NO_MATCH;
        walk->match.matched = !walk->ended;
        *span = (struct span){done, walk->ended ? walk->length : walk->match.start, false};
        if (span->start < span->end)
            return WALK_SPAN;
    }
    if (!walk->match.matched)
        return WALK_ENDED;
    *span = walk->match;
    walk->match.matched = false;
    return WALK_SPAN;
}

bool matcher_replace_all(const struct matcher *matcher, struct regex_work *work, const char *text,
                         size_t length, const char *replacement, struct byte_buffer *replaced,
                         struct monogen_error *error) {
    struct span_walk walk = {.matcher = matcher, .work = work, .text = text, .length = length};
    size_t start, end, replacement_length = strlen(replacement);
    for (;;) {
        size_t done = walk.done;
        enum regex_result result = next(&walk, &start, &end, error);
        if (result == REGEX_FAILED)
            return false;
        if (result == REGEX_NO_MATCH)
            return byte_buffer_append(replaced, text + done, length - done, error);
        if (!byte_buffer_append(replaced, text + done, start - done, error) ||
            !byte_buffer_append(replaced, replacement, replacement_length, error))
            return false;
    }
}
