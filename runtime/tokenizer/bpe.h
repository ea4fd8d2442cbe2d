// Byte-pair encoding: one word, its characters merged pair by pair in the order of the ranks.
#ifndef RUNTIME_TOKENIZER_BPE_H
#define RUNTIME_TOKENIZER_BPE_H

#include "runtime/json_node.h"
#include "runtime/tokenizer/json_tables.h"
#include "runtime/tokenizer/vocabulary.h"

struct bpe {
    struct vocabulary vocabulary;
    uint32_t byte_tokens[256]; // of "<0x00>" to "<0xFF>", VOCABULARY_NO_TOKEN where missing
    uint32_t unknown;          // VOCABULARY_NO_TOKEN: characters without a token give nothing
    char *unknown_missing;     // the unk_token where the vocabulary lacks it, else NULL
    bool byte_fallback;        // characters without a token become the tokens of their bytes
    bool fuse_unknown;         // adjoining unknown characters become one token
    bool ignore_merges;        // a word that is a token is left whole
    bool merges_bytes;         // tokens of bytes, or the unknown token, take part in merges
};

// Characters of one word between which all places may be inside a token. More are refused: they
// would need too much memory.
#define BPE_MAX_SYMBOLS ((size_t)72 << 20)

// Working memory, to be reused from word to word; all zero to begin with.
struct bpe_work {
    struct bpe_symbol *symbols; // [symbol_count], a list through `previous` and `next`
    size_t symbol_count, symbol_capacity;
    struct bpe_candidate *heap; // [heap_count], the best pair first
    size_t heap_count, heap_capacity;
};

// Reads the "model" of a tokenizer.json, whose large tables were cut out of it. Errors go to the
// document; the caller frees in any case.
void bpe_load(struct bpe *bpe, const struct json_node *model, const struct json_tables *tables);
void bpe_free(struct bpe *bpe); // {0} is fine

// Appends the tokens of `word` [length], which is UTF-8.
bool bpe_encode(const struct bpe *bpe, struct bpe_work *work, const char *word, size_t length,
                struct token_list *ids, struct monogen_error *error);

void bpe_work_free(struct bpe_work *work);

#endif
