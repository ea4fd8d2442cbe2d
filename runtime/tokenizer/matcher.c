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

bool span_list_append(struct span_list *list, struct span span, struct monogen_error *error) {
    struct span *grown =
        array_grow(list->spans, &list->capacity, list->count + 1, sizeof *list->spans, error);
    if (!grown)
        return false;
    list->spans = grown;
    list->spans[list->count++] = span;
    return true;
}

void span_list_free(struct span_list *list) {
    free(list->spans);
    *list = (struct span_list){0};
}

static enum regex_result find(const struct matcher *matcher, struct regex_work *work,
                              const char *text, size_t length, size_t from, size_t *start,
                              size_t *end, struct monogen_error *error) {
    if (matcher->regex)
        return regex_find(matcher->regex, work, text, length, from, start, end, error);
    size_t literal_length = strlen(matcher->literal);
    const char *found = memmem(text + from, length - from, matcher->literal, literal_length);
    if (!found)
        return REGEX_NO_MATCH;
    *start = (size_t)(found - text);
    *end = *start + literal_length;
    return REGEX_MATCH;
}

bool matcher_find_all(const struct matcher *matcher, struct regex_work *work, const char *text,
                      size_t length, struct span_list *spans, struct monogen_error *error) {
    size_t done = 0; // the end of the last span
    bool any = false;
    spans->count = 0;
    for (size_t from = 0; from <= length;) {
        size_t start, end;
        enum regex_result result = find(matcher, work, text, length, from, &start, &end, error);
        if (result == REGEX_FAILED)
            return false;
        if (result == REGEX_NO_MATCH)
            break;
        if (start == end && any && end == done) {
            // An empty match right behind a match does not count.
            from = end < length ? end + utf8_first(text + end, length - end) : end + 1;
            continue;
        }
        if (done < start && !span_list_append(spans, (struct span){done, start, false}, error))
            return false;
        if (!span_list_append(spans, (struct span){start, end, true}, error))
            return false;
        any = true;
        done = from = end;
    }
    return done == length || span_list_append(spans, (struct span){done, length, false}, error);
}
