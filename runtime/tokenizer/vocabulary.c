#include "runtime/tokenizer/vocabulary.h"

#include "runtime/tokenizer/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product =
        (unsigned __int128)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_text(uint64_t seed, const char *text, size_t length) {
    uint64_t hash = mix(seed, length);
    while (length > 0) {
        uint64_t word = 0;
        size_t bytes = length < sizeof word ? length : sizeof word;
        memcpy(&word, text, bytes);
        hash = mix(hash ^ word, seed);
        text += bytes;
        length -= bytes;
    }
    return hash;
}

// A power of two that `count` entries fill at most by half.
static size_t table_size(size_t count) {
    size_t size = 16;
    while (size / 2 < count)
        size *= 2;
    return size;
}

bool vocabulary_open(struct vocabulary *vocabulary, size_t tokens, size_t merges,
                     struct monogen_error *error) {
    *vocabulary = (struct vocabulary){0};
    size_t slots = table_size(tokens);
    size_t merge_slots = table_size(merges);
    if (getrandom(&vocabulary->seed, sizeof vocabulary->seed, GRND_NONBLOCK) < 0)
        vocabulary->seed = (uintptr_t)vocabulary; // early in a machine's boot: still hard to guess
    vocabulary->slots = malloc(slots * sizeof *vocabulary->slots);
    vocabulary->merges = malloc(merge_slots * sizeof *vocabulary->merges);
    vocabulary->joints = malloc(merge_slots * sizeof *vocabulary->joints);
    if (!vocabulary->slots || !vocabulary->merges || !vocabulary->joints) {
        vocabulary_free(vocabulary);
        return tokenizer_out_of_memory(error);
    }
    vocabulary->slot_mask = slots - 1;
    vocabulary->merge_mask = merge_slots - 1;
    for (size_t i = 0; i < slots; i++)
        vocabulary->slots[i].id = VOCABULARY_NO_TOKEN;
    for (size_t i = 0; i < merge_slots; i++)
        vocabulary->merges[i].merged = VOCABULARY_NO_TOKEN;
    memset(vocabulary->joints, 0xFF, merge_slots * sizeof *vocabulary->joints);
    return true;
}

void vocabulary_free(struct vocabulary *vocabulary) {
    byte_buffer_free(&vocabulary->texts);
    free(vocabulary->tokens);
    free(vocabulary->slots);
    free(vocabulary->merges);
    free(vocabulary->joints);
    *vocabulary = (struct vocabulary){0};
}

// The slot that holds the text, or the free one where it belongs.
static struct vocabulary_slot *find_slot(const struct vocabulary *vocabulary, uint64_t hash,
                                         const char *text, size_t length) {
    for (size_t at = hash & vocabulary->slot_mask;; at = (at + 1) & vocabulary->slot_mask) {
        struct vocabulary_slot *slot = &vocabulary->slots[at];
        if (slot->id == VOCABULARY_NO_TOKEN)
            return slot;
        if (slot->hash == (uint32_t)(hash >> 32) && slot->length == length &&
            (length == 0 || memcmp(vocabulary->texts.bytes + slot->start, text, length) == 0))
            return slot;
    }
}

bool vocabulary_add(struct vocabulary *vocabulary, uint32_t id, const char *text, size_t length,
                    bool findable, struct monogen_error *error) {
    if (id >= vocabulary->token_count) {
        struct vocabulary_token *grown =
            array_grow(vocabulary->tokens, &vocabulary->token_capacity, (size_t)id + 1,
                       sizeof *vocabulary->tokens, error);
        if (!grown)
            return false;
        vocabulary->tokens = grown;
        memset(grown + vocabulary->token_count, 0,
               ((size_t)id + 1 - vocabulary->token_count) * sizeof *grown);
        vocabulary->token_count = id + 1;
    }
    uint32_t start = (uint32_t)vocabulary->texts.length; // at most TOKENIZER_MAX_TEXT_BYTES
    if (!byte_buffer_append(&vocabulary->texts, text, length, error))
        return false;
    vocabulary->tokens[id] = (struct vocabulary_token){.start = start,
                                                       .length = (uint32_t)length,
                                                       .present = true,
                                                       .decoded_start = start,
                                                       .decoded_length = (uint32_t)length};
    if (findable) {
        uint64_t hash = hash_text(vocabulary->seed, text, length);
        *find_slot(vocabulary, hash, text, length) =
            (struct vocabulary_slot){id, (uint32_t)(hash >> 32), start, (uint32_t)length};
    }
    return true;
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t length) {
    uint64_t hash = hash_text(vocabulary->seed, text, length);
    return find_slot(vocabulary, hash, text, length)->id;
}

const char *vocabulary_text(const struct vocabulary *vocabulary, uint32_t id, size_t *length) {
    if (id >= vocabulary->token_count || !vocabulary->tokens[id].present)
        return NULL;
    *length = vocabulary->tokens[id].length;
    return *length ? vocabulary->texts.bytes + vocabulary->tokens[id].start : "";
}

bool vocabulary_set_decoded(struct vocabulary *vocabulary, uint32_t id, const char *text,
                            size_t length, struct monogen_error *error) {
    uint32_t start = (uint32_t)vocabulary->texts.length; // at most TOKENIZER_MAX_TEXT_BYTES
    if (!byte_buffer_append(&vocabulary->texts, text, length, error))
        return false;
    vocabulary->tokens[id].decoded_start = start;
    vocabulary->tokens[id].decoded_length = (uint32_t)length;
    return true;
}

const char *vocabulary_decoded_text(const struct vocabulary *vocabulary, uint32_t id,
                                    size_t *length) {
    if (id >= vocabulary->token_count || !vocabulary->tokens[id].present)
        return NULL;
    *length = vocabulary->tokens[id].decoded_length;
    return *length ? vocabulary->texts.bytes + vocabulary->tokens[id].decoded_start : "";
}

static struct vocabulary_merge *find_merge_slot(const struct vocabulary *vocabulary, uint32_t left,
                                                uint32_t right) {
    size_t at = mix(vocabulary->seed, (uint64_t)left << 32 | right) & vocabulary->merge_mask;
    for (;; at = (at + 1) & vocabulary->merge_mask) {
        struct vocabulary_merge *merge = &vocabulary->merges[at];
        if (merge->merged == VOCABULARY_NO_TOKEN || (merge->left == left && merge->right == right))
            return merge;
    }
}

// The slot that holds the pair, or the free one where it belongs: all ones, which no pair is.
static uint64_t *find_joint(const struct vocabulary *vocabulary, uint32_t left, uint32_t right) {
    const uint64_t pair = (uint64_t)left << 32 | right;
    size_t at = mix(vocabulary->seed, pair) & vocabulary->merge_mask;
    while (vocabulary->joints[at] != UINT64_MAX && vocabulary->joints[at] != pair)
        at = (at + 1) & vocabulary->merge_mask;
    return &vocabulary->joints[at];
}

bool vocabulary_joins(const struct vocabulary *vocabulary, uint32_t left, uint32_t right) {
    return *find_joint(vocabulary, left, right) != UINT64_MAX;
}

static void add_joint(struct vocabulary *vocabulary, uint32_t left_token, uint32_t right_token) {
    size_t left_length = 0, right_length = 0, start;
    const char *left = vocabulary_text(vocabulary, left_token, &left_length);
    const char *right = vocabulary_text(vocabulary, right_token, &right_length);
    if (!left || !right || left_length == 0 || right_length == 0)
        return;
    for (start = left_length - 1; start > 0 && (left[start] & 0xC0) == 0x80;)
        start--;
    const uint32_t last = vocabulary_find(vocabulary, left + start, left_length - start);
    const uint32_t first = vocabulary_find(vocabulary, right, utf8_first(right, right_length));
    if (last != VOCABULARY_NO_TOKEN && first != VOCABULARY_NO_TOKEN)
        *find_joint(vocabulary, last, first) = (uint64_t)last << 32 | first;
}

void vocabulary_add_merge(struct vocabulary *vocabulary, const struct vocabulary_merge *merge) {
    *find_merge_slot(vocabulary, merge->left, merge->right) = *merge;
    add_joint(vocabulary, merge->left, merge->right);
}

const struct vocabulary_merge *vocabulary_find_merge(const struct vocabulary *vocabulary,
                                                     uint32_t left, uint32_t right) {
    const struct vocabulary_merge *merge = find_merge_slot(vocabulary, left, right);
    return merge->merged == VOCABULARY_NO_TOKEN ? NULL : merge;
}
