#include "runtime/tokenizer/decoder.h"

#include "runtime/tokenizer/utf8.h"

#include <stdlib.h>
#include <string.h>

static char *copy_character(const struct json_node *node, const char *name) {
    char *text = field_copy(node, name);
    if (text && (text[0] == '\0' || utf8_first(text, strlen(text)) != strlen(text)))
        json_node_fail(node, "%s must be one character", name);
    return text;
}

static void load_replace(struct decoder_stage *stage, const struct json_node *node) {
    stage->kind = DECODE_REPLACE;
    if (stage->fused)
        json_node_fail(node, "decoder 'Replace' after 'Fuse' or 'ByteLevel' is not supported");
    matcher_load(&stage->matcher, node);
    if (stage->matcher.regex)
        json_node_fail(node, "a decoder's pattern of the kind 'Regex' is not supported");
    stage->text = field_copy(node, "content");
}

static void load_metaspace(struct decoder_stage *stage, const struct json_node *node) {
    stage->kind = DECODE_METASPACE;
    stage->text = copy_character(node, "replacement");
    const char *scheme = field_optional_string(node, "prepend_scheme");
    stage->drops_first =
        scheme ? strcmp(scheme, "never") != 0 : field_boolean(node, "add_prefix_space", true);
}

static void load_strip(struct decoder_stage *stage, const struct json_node *node) {
    stage->kind = DECODE_STRIP;
    stage->text = copy_character(node, "content");
    stage->strip_start = (uint32_t)json_field_integer(node, "start", 0, UINT32_MAX);
    stage->strip_end = (uint32_t)json_field_integer(node, "stop", 0, UINT32_MAX);
}

static void load_stage(void *context, const struct json_node *node, const char *type) {
    struct decoder *decoder = context;
    if (strcmp(type, "Fuse") == 0) {
        decoder->fused = true;
        return;
    }
    if (decoder->stage_count == TOKENIZER_MAX_STEPS) {
        json_node_fail(node, "more than %d decoders", TOKENIZER_MAX_STEPS);
        return;
    }
    struct decoder_stage *stage = &decoder->stages[decoder->stage_count++];
    stage->fused = decoder->fused;
    if (strcmp(type, "Replace") == 0) {
        load_replace(stage, node);
    } else if (strcmp(type, "Metaspace") == 0) {
        load_metaspace(stage, node);
    } else if (strcmp(type, "Strip") == 0) {
        load_strip(stage, node);
    } else if (strcmp(type, "ByteFallback") == 0) {
        stage->kind = DECODE_BYTE_FALLBACK;
        if (stage->fused)
            json_node_fail(node, "decoder 'ByteFallback' after 'Fuse' is not supported");
    } else if (strcmp(type, "ByteLevel") == 0) {
        stage->kind = DECODE_BYTE_LEVEL;
        if (stage->fused)
            json_node_fail(node, "decoder 'ByteLevel' after 'Fuse' is not supported");
        decoder->fused = true;
    } else {
        fail_unsupported(node, "decoder");
    }
}

void decoder_load(struct decoder *decoder, const struct json_node *node) {
    *decoder = (struct decoder){0};
    if (node_is_present(node))
        load_parts(node, "decoders", load_stage, decoder);
    else
        decoder->stages[decoder->stage_count++].kind = DECODE_JOIN;
}

void decoder_free(struct decoder *decoder) {
    for (size_t i = 0; i < decoder->stage_count; i++) {
        free(decoder->stages[i].text);
        matcher_free(&decoder->stages[i].matcher);
    }
    *decoder = (struct decoder){0};
}
