#include "runtime/tokenizer/pretokenizer.h"

#include "runtime/tokenizer/utf8.h"

#include <stdlib.h>
#include <string.h>

// GPT-2's words, which the byte-level pre-tokenizer has built in.
static const char byte_level_words[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static struct pretokenizer_step *add_step(struct pretokenizer *pretokenizer,
                                          const struct json_node *node,
                                          enum pretokenizer_kind kind) {
    size_t room = sizeof pretokenizer->steps / sizeof *pretokenizer->steps;
    if (pretokenizer->step_count == room) {
        json_node_fail(node, "more than %d pre-tokenizers", TOKENIZER_MAX_STEPS);
        return NULL;
    }
    struct pretokenizer_step *step = &pretokenizer->steps[pretokenizer->step_count++];
    step->kind = kind;
    return step;
}

static void add_regex_split(struct pretokenizer *pretokenizer, const struct json_node *node,
                            const char *pattern, enum split_behavior behavior) {
    struct pretokenizer_step *step = add_step(pretokenizer, node, PRETOKENIZE_SPLIT);
    if (!step)
        return;
    struct monogen_error problem;
    step->behavior = behavior;
    step->matcher.regex = regex_compile(pattern, &problem);
    if (!step->matcher.regex)
        json_node_fail(node, "%.700s", problem.message);
}

static void load_byte_level(struct pretokenizer *pretokenizer, const struct json_node *node) {
    if (field_boolean(node, "add_prefix_space", true)) {
        struct pretokenizer_step *step = add_step(pretokenizer, node, PRETOKENIZE_PREFIX);
        if (step)
            step->text = node_copy(node, " ");
    }
    if (field_boolean(node, "use_regex", true))
        add_regex_split(pretokenizer, node, byte_level_words, SPLIT_ISOLATED);
    (void)add_step(pretokenizer, node, PRETOKENIZE_BYTES);
}

static enum split_behavior load_behavior(const struct json_node *node) {
    static const struct {
        const char *name;
        enum split_behavior behavior;
    } behaviors[] = {
        {"Removed", SPLIT_REMOVED},
        {"Isolated", SPLIT_ISOLATED},
        {"Contiguous", SPLIT_CONTIGUOUS},
        {"MergedWithPrevious", SPLIT_MERGED_WITH_PREVIOUS},
        {"MergedWithNext", SPLIT_MERGED_WITH_NEXT},
    };
    const char *name = json_field_string(node, "behavior");
    for (size_t i = 0; i < sizeof behaviors / sizeof *behaviors; i++)
        if (strcmp(name, behaviors[i].name) == 0)
            return behaviors[i].behavior;
    json_node_fail(node, "behavior '%.100s' is not supported", name);
    return SPLIT_ISOLATED;
}

static void load_split(struct pretokenizer *pretokenizer, const struct json_node *node) {
    struct pretokenizer_step *step = add_step(pretokenizer, node, PRETOKENIZE_SPLIT);
    if (!step)
        return;
    matcher_load(&step->matcher, node);
    step->behavior = load_behavior(node);
    step->invert = field_boolean(node, "invert", false);
}

static void load_metaspace(struct pretokenizer *pretokenizer, const struct json_node *node) {
    const char *mark = json_field_string(node, "replacement");
    size_t length = strlen(mark);
    if (length == 0 || utf8_first(mark, length) != length)
        json_node_fail(node, "replacement must be one character");
    // Older files have add_prefix_space instead of the scheme.
    const char *scheme = field_optional_string(node, "prepend_scheme");
    if (!scheme)
        scheme = field_boolean(node, "add_prefix_space", true) ? "always" : "never";
    bool always = strcmp(scheme, "always") == 0, first = strcmp(scheme, "first") == 0;
    if (!always && !first && strcmp(scheme, "never") != 0)
        json_node_fail(node, "prepend_scheme '%.100s' is not supported", scheme);
    if (node->document->failed)
        return;
    struct pretokenizer_step *step = add_step(pretokenizer, node, PRETOKENIZE_REPLACE);
    if (step) {
        step->matcher.literal = node_copy(node, " ");
        step->text = node_copy(node, mark);
    }
    if ((always || first) && (step = add_step(pretokenizer, node, PRETOKENIZE_PREFIX))) {
        step->text = node_copy(node, mark);
        step->at_text_only = first;
    }
    if (field_boolean(node, "split", true) &&
        (step = add_step(pretokenizer, node, PRETOKENIZE_SPLIT))) {
        step->matcher.literal = node_copy(node, mark);
        step->behavior = SPLIT_MERGED_WITH_NEXT;
    }
}

static void load_step(void *context, const struct json_node *node, const char *type) {
    struct pretokenizer *pretokenizer = context;
    if (strcmp(type, "ByteLevel") == 0)
        load_byte_level(pretokenizer, node);
    else if (strcmp(type, "Split") == 0)
        load_split(pretokenizer, node);
    else if (strcmp(type, "Metaspace") == 0)
        load_metaspace(pretokenizer, node);
    else if (strcmp(type, "Digits") == 0)
        add_regex_split(pretokenizer, node, "\\p{N}",
                        field_boolean(node, "individual_digits", false) ? SPLIT_ISOLATED
                                                                        : SPLIT_CONTIGUOUS);
    else
        fail_unsupported(node, "pre_tokenizer");
}

void pretokenizer_load(struct pretokenizer *pretokenizer, const struct json_node *node) {
    *pretokenizer = (struct pretokenizer){0};
    load_parts(node, "pretokenizers", load_step, pretokenizer);
}

void pretokenizer_free(struct pretokenizer *pretokenizer) {
    for (size_t i = 0; i < pretokenizer->step_count; i++) {
        matcher_free(&pretokenizer->steps[i].matcher);
        free(pretokenizer->steps[i].text);
    }
    *pretokenizer = (struct pretokenizer){0};
}
