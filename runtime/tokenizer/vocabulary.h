// The vocabulary: tokens by id and by text, and the merges of pairs of tokens.
#ifndef RUNTIME_TOKENIZER_VOCABULARY_H
#define RUNTIME_TOKENIZER_VOCABULARY_H

#include "runtime/tokenizer/buffer.h"

#define VOCABULARY_MAX_TOKENS ((uint32_t)1 << 22)
#define VOCABULARY_MAX_MERGES ((size_t)1 << 23)
#define VOCABULARY_NO_TOKEN UINT32_MAX

struct vocabulary_token {
    uint32_t start, length;                 // in texts
    uint32_t decoded_start, decoded_length; // what decoding takes in its place, mostly the same
    bool present, special;
    bool skipped; // gives nothing where special tokens are skipped
};

// Holds all that a look-up compares, so that it touches one slot and one text.
struct vocabulary_slot {
    uint32_t id; // VOCABULARY_NO_TOKEN marks a free slot
    uint32_t hash;
    uint32_t start, length;
};

struct vocabulary_merge {
    uint32_t left, right;
    uint32_t rank;   // lower ranks merge first
    uint32_t merged; // VOCABULARY_NO_TOKEN marks a free slot
};

// All zero is the empty vocabulary.
struct vocabulary {
    struct byte_buffer texts;        // of all tokens
    struct vocabulary_token *tokens; // [token_count] by id
    size_t token_capacity;
    uint32_t token_count;

    uint64_t seed;                 // of both hashes, so that no file can be made to collide
    struct vocabulary_slot *slots; // [slot_mask + 1] tokens by text
    size_t slot_mask;
    struct vocabulary_merge *merges; // [merge_mask + 1] by pair
    uint64_t *joints;                // [merge_mask + 1] pairs of tokens; see vocabulary_joins
    size_t merge_mask;
};

// Makes room for `tokens` that are found by text and for `merges`.
bool vocabulary_open(struct vocabulary *vocabulary, size_t tokens, size_t merges,
                     struct monogen_error *error);
void vocabulary_free(struct vocabulary *vocabulary); // leaves the empty vocabulary

// Stores a token under an id that has none yet. With `findable`, vocabulary_find knows it from then
// on; at most as many as vocabulary_open made room for.
// Requires: id < VOCABULARY_MAX_TOKENS.
bool vocabulary_add(struct vocabulary *vocabulary, uint32_t id, const char *text, size_t length,
                    bool findable, struct monogen_error *error);

// The id of a text, or VOCABULARY_NO_TOKEN.
uint32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t length);

// The text of an id ([*length], no NUL after it), or NULL where there is no such token.
const char *vocabulary_text(const struct vocabulary *vocabulary, uint32_t id, size_t *length);

// Sets the text that stands for the token when ids are decoded, and gives it back.
// Requires: the id has a token.
bool vocabulary_set_decoded(struct vocabulary *vocabulary, uint32_t id, const char *text,
                            size_t length, struct monogen_error *error);
const char *vocabulary_decoded_text(const struct vocabulary *vocabulary, uint32_t id,
                                    size_t *length); // NULL where there is no such token

// A pair that is there already takes the new rank.
void vocabulary_add_merge(struct vocabulary *vocabulary, const struct vocabulary_merge *merge);

// Whether any merge puts a token that ends with the character of token `left` before one that
// begins with that of `right`. Where none does, no merged token spans the place between the two.
bool vocabulary_joins(const struct vocabulary *vocabulary, uint32_t left, uint32_t right);

// The merge of a pair, or NULL.
const struct vocabulary_merge *vocabulary_find_merge(const struct vocabulary *vocabulary,
                                                     uint32_t left, uint32_t right);

#endif
