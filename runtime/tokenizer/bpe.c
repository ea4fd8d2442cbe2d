#include "runtime/tokenizer/bpe.h"

#include "runtime/tokenizer/utf8.h"

#include <stdlib.h>

#define NO_SYMBOL UINT32_MAX

struct bpe_symbol {
    uint32_t token;
    uint32_t previous, next; // NO_SYMBOL at the ends
    bool merged_away;
};

struct bpe_candidate {
    uint32_t rank, position; // position of the left symbol
    uint32_t merged;
};

static bool before(const struct bpe_candidate *a, const struct bpe_candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->position < b->position;
}

static bool heap_push(struct bpe_work *work, struct bpe_candidate candidate,
                      struct monogen_error *error) {
    struct bpe_candidate *heap = array_grow(work->heap, &work->heap_capacity, work->heap_count + 1,
                                            sizeof *work->heap, error);
    if (!heap)
        return false;
    work->heap = heap;
    size_t at = work->heap_count++;
    while (at > 0 && before(&candidate, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = candidate;
    return true;
}

// Requires: the heap is not empty.
static struct bpe_candidate heap_pop(struct bpe_work *work) {
    struct bpe_candidate *heap = work->heap;
    struct bpe_candidate best = heap[0], last = heap[--work->heap_count];
    size_t at = 0;
    for (size_t child = 1; child < work->heap_count; child = 2 * at + 1) {
        if (child + 1 < work->heap_count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return best;
}

static bool push_pair(const struct bpe *bpe, struct bpe_work *work, uint32_t position,
                      struct monogen_error *error) {
    const struct bpe_symbol *left = &work->symbols[position];
    const struct vocabulary_merge *merge =
        vocabulary_find_merge(&bpe->vocabulary, left->token, work->symbols[left->next].token);
    if (!merge)
        return true;
    return heap_push(work, (struct bpe_candidate){merge->rank, position, merge->merged}, error);
}

static bool merge_all(const struct bpe *bpe, struct bpe_work *work, struct monogen_error *error) {
    work->heap_count = 0;
    for (size_t i = 0; i + 1 < work->symbol_count; i++)
        if (!push_pair(bpe, work, (uint32_t)i, error))
            return false;
    while (work->heap_count > 0) {
        struct bpe_candidate best = heap_pop(work);
        struct bpe_symbol *left = &work->symbols[best.position];
        if (left->merged_away || left->next == NO_SYMBOL)
            continue;
        struct bpe_symbol *right = &work->symbols[left->next];
        // The pair may have changed since it was queued. Like the reference, ask only whether it
        // still gives the same token: two pairs may give one token, at two ranks.
        const struct vocabulary_merge *merge =
            vocabulary_find_merge(&bpe->vocabulary, left->token, right->token);
        if (!merge || merge->merged != best.merged)
            continue;
        left->token = best.merged;
        left->next = right->next;
        right->merged_away = true;
        if (left->next != NO_SYMBOL) {
            work->symbols[left->next].previous = best.position;
            if (!push_pair(bpe, work, best.position, error))
                return false;
        }
        if (left->previous != NO_SYMBOL && !push_pair(bpe, work, left->previous, error))
            return false;
    }
    return true;
}

// Merges what has been added, and appends the tokens.
static bool end_symbols(const struct bpe *bpe, struct bpe_work *work, struct token_list *ids,
                        struct monogen_error *error) {
    if (!merge_all(bpe, work, error))
        return false;
    // Merging never removes symbol 0.
    for (uint32_t i = work->symbol_count ? 0 : NO_SYMBOL; i != NO_SYMBOL; i = work->symbols[i].next)
        if (!token_list_append(ids, work->symbols[i].token, error))
            return false;
    work->symbol_count = 0;
    return true;
}

// Adds one more symbol. Where no token spans the place before it, all that was added so far is
// merged first. Not asked for short words, of which most texts consist.
static bool add_symbol(const struct bpe *bpe, struct bpe_work *work, uint32_t token,
                       struct token_list *ids, struct monogen_error *error) {
    enum { SHORT = 32 };
    if (work->symbol_count >= SHORT && !bpe->merges_bytes &&
        !vocabulary_joins(&bpe->vocabulary, work->symbols[work->symbol_count - 1].token, token) &&
        !end_symbols(bpe, work, ids, error))
        return false;
    if (work->symbol_count == BPE_MAX_SYMBOLS)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "the text has a word of more than %zu characters", BPE_MAX_SYMBOLS);
    struct bpe_symbol *symbols = array_grow(work->symbols, &work->symbol_capacity,
                                            work->symbol_count + 1, sizeof *work->symbols, error);
    if (!symbols)
        return false;
    work->symbols = symbols;
    uint32_t position = (uint32_t)work->symbol_count++;
    if (position > 0)
        symbols[position - 1].next = position;
    symbols[position] = (struct bpe_symbol){
        .token = token, .previous = position > 0 ? position - 1 : NO_SYMBOL, .next = NO_SYMBOL};
    return true;
}

// True where every byte of the character has its own token.
static bool bytes_have_tokens(const struct bpe *bpe, const char *character, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (bpe->byte_tokens[(unsigned char)character[i]] == VOCABULARY_NO_TOKEN)
            return false;
    return true;
}

static bool add_characters(const struct bpe *bpe, struct bpe_work *work, const char *word,
                           size_t length, struct token_list *ids, struct monogen_error *error) {
    // An unknown character waits here, so that the next one can fuse with it. Like the reference,
    // byte tokens pass it by.
    bool unknown_waits = false;
    for (size_t at = 0; at < length;) {
        const char *character = word + at;
        size_t bytes = utf8_first(character, length - at);
        at += bytes;
        uint32_t token = vocabulary_find(&bpe->vocabulary, character, bytes);
        if (token != VOCABULARY_NO_TOKEN) {
            if (unknown_waits && !add_symbol(bpe, work, bpe->unknown, ids, error))
                return false;
            unknown_waits = false;
            if (!add_symbol(bpe, work, token, ids, error))
                return false;
        } else if (bpe->byte_fallback && bytes_have_tokens(bpe, character, bytes)) {
            for (size_t i = 0; i < bytes; i++)
                if (!add_symbol(bpe, work, bpe->byte_tokens[(unsigned char)character[i]], ids,
                                error))
                    return false;
        } else if (bpe->unknown_missing) {
            return monogen_fail(error, MONOGEN_BAD_INPUT,
                                "the character '%.*s' has no token, and the tokenizer's unk_token "
                                "'%s' is not in its vocabulary",
                                (int)bytes, character, bpe->unknown_missing);
        } else if (bpe->unknown != VOCABULARY_NO_TOKEN) {
            if (unknown_waits && !bpe->fuse_unknown &&
                !add_symbol(bpe, work, bpe->unknown, ids, error))
                return false;
            unknown_waits = true;
        }
    }
    return !unknown_waits || add_symbol(bpe, work, bpe->unknown, ids, error);
}

bool bpe_encode(const struct bpe *bpe, struct bpe_work *work, const char *word, size_t length,
                struct token_list *ids, struct monogen_error *error) {
    if (bpe->ignore_merges) {
        uint32_t whole = vocabulary_find(&bpe->vocabulary, word, length);
        if (whole != VOCABULARY_NO_TOKEN)
            return token_list_append(ids, whole, error);
    }
    work->symbol_count = 0;
    return add_characters(bpe, work, word, length, ids, error) &&
           end_symbols(bpe, work, ids, error);
}

void bpe_work_free(struct bpe_work *work) {
    free(work->symbols);
    free(work->heap);
    *work = (struct bpe_work){0};
}
