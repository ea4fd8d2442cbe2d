// What the templates of attention and of its merge do, see stage_attention.hip and stage_merge.hip.
// What several positions give together is a sum of hashes: it depends on no order and no split.
#include "tests/support/plan_machine.h"

#include <string.h>

static bool is(const char *word, const char *other) { return strcmp(word, other) == 0; }

// What parts of a context have in common until they are merged.
struct attended {
    uint64_t highest, sum;
};

static uint64_t merged(struct attended attended, uint64_t value) {
    return mix(mix(value, attended.sum), attended.highest);
}

static bool await_span(struct machine *machine, struct cu *cu, const struct plan_span *span,
                       int64_t at) {
    for (int i = 0; i < span->count; i++)
        if (!await_pair(machine, cu, span->first + at * span->stride + i))
            return false;
    return true;
}

static int tile_of(const struct machine *machine, const struct cu *cu) {
    return first_tile_of(machine, cu) + cu->turn;
}

bool begin_attention(struct machine *machine, struct cu *cu) {
    const struct plan_body *body = names_of(machine, cu)->body;
    if (body->reads_count != 3 || body->splits < 1)
        return stray(machine, cu, "attention reads something else");
    const int head = tile_of(machine, cu) / body->splits;
    return await_span(machine, cu, &body->reads[0].span, is(body->q_norm, "all") ? 0 : head) &&
           await_span(machine, cu, &body->reads[1].span, is(body->k_norm, "all") ? 0 : head) &&
           await_span(machine, cu, &body->reads[2].span, head);
}

// How many positions below `position` a split holds.
static uint32_t rows_below(const struct plan_plan *plan, const struct plan_body *body,
                           uint32_t position, uint32_t split) {
    if (body->splits == 1)
        return position;
    const uint32_t block = (uint32_t)plan->kv.block, round = block * (uint32_t)body->splits;
    const uint32_t rest = position % round, before = split * block;
    const uint32_t mine = rest > before ? rest - before : 0;
    return position / round * block + (mine < block ? mine : block);
}

// `dim` values of one head of `received`, normed and rotated, as one hash.
static uint64_t prepared(struct machine *machine, struct cu *cu, const uint64_t *received,
                         int received_count, int head, const char *norm, int64_t norm_offset) {
    const struct plan_plan *plan = machine->plan;
    const struct stage_names *names = names_of(machine, cu);
    const int dim = plan->shape.head_dim;
    const bool all = is(norm, "all");
    if ((head + 1) * dim > received_count)
        stray(machine, cu, "a head is not all there");
    if (machine->meaning.end != PLAN_ENDS)
        return 0;
    uint64_t x = mix_text(5, norm);
    for (int d = 0; d < dim; d++)
        x = mix(x, received[head * dim + d]);
    for (int i = 0; all && i < received_count; i++)
        x = mix(x, received[i]);
    if (!is(norm, "none"))
        x = with_vector(machine, cu, x, norm_offset, all ? head * dim : 0, dim);
    if (names->body->rope_dims == 0)
        return x;
    if (names->stage->rope < 0 || names->stage->rope >= plan->ropes_count) {
        stray(machine, cu, "there is no such table");
        return 0;
    }
    const struct plan_rope *rope = &plan->ropes[names->stage->rope];
    bool turns = false;
    for (int i = 0; i < rope->pairs; i++)
        turns |= rope->inverse_frequencies[i] != 0;
    if (!turns && rope->amplitude == 1)
        return x;
    if (rope->pairs * 2 != names->body->rope_dims)
        stray(machine, cu, "the table is of other pairs");
    for (int i = 0; i < rope->pairs; i++)
        x = mix_number(x, rope->inverse_frequencies[i]);
    return mix(mix_number(x, rope->amplitude), (uint64_t)cu->position);
}

// Element `index` of the KV cache, NULL: there is none.
static uint64_t *kv_at(struct machine *machine, const struct cu *cu, int64_t byte, int64_t index) {
    const int element_bytes = machine->plan->kv.element_bytes;
    const int64_t at = byte / element_bytes + index;
    if (byte < 0 || byte % 16 != 0 || at >= machine->kv_elements) {
        stray(machine, cu, "the KV cache ends before");
        return NULL;
    }
    return &machine->kv[at];
}

struct cache {
    int64_t keys, values; // bytes
    uint32_t first, end, row;
    bool keeps;
};

static struct cache cache_of(const struct machine *machine, const struct cu *cu) {
    const struct plan_plan *plan = machine->plan;
    const struct stage_names *names = names_of(machine, cu);
    const struct plan_body *body = names->body;
    const int tile = tile_of(machine, cu), head = tile / body->splits;
    const uint32_t split = (uint32_t)(tile % body->splits), position = (uint32_t)cu->position;
    const uint32_t window = (uint32_t)names->stage->window;
    const uint32_t first = window && position >= window ? position - window + 1 : 0;
    const int64_t split_bytes =
        (int64_t)plan->kv.split_positions * plan->kv.row_elements * plan->kv.element_bytes;
    struct cache cache = {.keys = names->stage->kv_offset + head * plan->kv.head_bytes +
                                  split * split_bytes,
                          .first = rows_below(plan, body, first, split),
                          .row = rows_below(plan, body, position, split),
                          .end = rows_below(plan, body, position + 1, split)};
    cache.values = cache.keys + plan->shape.kv_heads * plan->kv.head_bytes;
    cache.keeps = cache.row < cache.end;
    return cache;
}

// Keeps key and value of this position.
static bool append(struct machine *machine, struct cu *cu, const struct cache *cache, uint64_t key,
                   const uint64_t *value) {
    const int64_t at = (int64_t)cache->row * machine->plan->kv.row_elements;
    for (int d = 0; d < machine->plan->shape.head_dim && cache->keeps; d++) {
        uint64_t *k = kv_at(machine, cu, cache->keys, at + d);
        uint64_t *v = kv_at(machine, cu, cache->values, at + d);
        if (!k || !v)
            return false;
        *k = mix(key, (uint64_t)d);
        *v = value[d];
    }
    return true;
}

// Adds what a query gets of the rows: parts[dim] of values, and what they have in common.
static struct attended attend(struct machine *machine, struct cu *cu, const struct cache *cache,
                              uint64_t query, uint64_t *parts) {
    const struct plan_body *body = names_of(machine, cu)->body;
    const int dim = machine->plan->shape.head_dim;
    struct attended attended = {1, 0};
    memset(parts, 0, (size_t)dim * sizeof *parts);
    for (uint32_t row = cache->first; row < cache->end; row++) {
        const int64_t at = (int64_t)row * machine->plan->kv.row_elements;
        uint64_t weight = mix_number(mix_number(query, body->scale), body->softcap);
        for (int d = 0; d < dim; d++) {
            const uint64_t *k = kv_at(machine, cu, cache->keys, at + d);
            if (!k || *k == UNSET) {
                stray(machine, cu, "a key was never kept");
                return attended;
            }
            weight = mix(weight, *k);
        }
        attended.highest = weight > attended.highest ? weight : attended.highest;
        attended.sum += weight;
        for (int d = 0; d < dim; d++) {
            const uint64_t *v = kv_at(machine, cu, cache->values, at + d);
            if (!v || *v == UNSET) {
                stray(machine, cu, "a value was never kept");
                return attended;
            }
            parts[d] += mix(weight, *v);
        }
    }
    return attended;
}

static bool publish_query(struct machine *machine, struct cu *cu, int query,
                          struct attended attended, const uint64_t *parts) {
    const struct plan_body *body = names_of(machine, cu)->body;
    const int dim = machine->plan->shape.head_dim, tile = tile_of(machine, cu);
    const int64_t head = tile / body->splits, split = tile % body->splits;
    const int64_t group = machine->plan->shape.heads / machine->plan->shape.kv_heads;
    const int64_t slot = (head * group + query) * dim;
    if (body->splits == 1) {
        for (int d = 0; d < dim; d++)
            if (!store_pair(machine, cu, slot + d, merged(attended, parts[d])))
                return false;
        return true;
    }
    if (body->writes_count != 2)
        return stray(machine, cu, "it has no place for what parts have in common");
    const struct plan_span *values = &body->writes[0].span, *sums = &body->writes[1].span;
    for (int d = 0; d < dim; d++)
        if (!store_pair(machine, cu, split * values->repeat_stride + slot + d, parts[d]))
            return false;
    const int64_t sum = sums->first + split * sums->repeat_stride + (head * group + query) * 2;
    return store_pair(machine, cu, sum, attended.highest) &&
           store_pair(machine, cu, sum + 1, attended.sum);
}

bool compute_attention(struct machine *machine, struct cu *cu) {
    const struct plan_plan *plan = machine->plan;
    const struct stage_names *names = names_of(machine, cu);
    const struct plan_body *body = names->body;
    const int dim = plan->shape.head_dim, group = plan->shape.heads / plan->shape.kv_heads;
    const int head = tile_of(machine, cu) / body->splits;
    const int queries = body->reads[0].span.count, keys = body->reads[1].span.count;
    const uint64_t *q = cu->in, *k = q + queries, *v = k + keys;
    const int64_t attended =
        (int64_t)plan->machine.streaming_waves * group * (plan->kv.row_elements + 2);
    if (lds_elements(machine, "query") < group * dim || lds_elements(machine, "key") < dim ||
        lds_elements(machine, "attended") < attended || plan->kv.row_elements < dim ||
        lds_overlap(machine, "query", "attended") || lds_overlap(machine, "query", "key") ||
        lds_overlap(machine, "key", "attended") || body->reads[2].span.count != dim)
        return stray(machine, cu, "attention has no room");
    const struct cache cache = cache_of(machine, cu);
    const uint64_t key = prepared(machine, cu, k, keys, is(body->k_norm, "all") ? head : 0,
                                  body->k_norm, names->stage->k_norm_offset);
    uint64_t *parts = arena_array(&machine->arena, (size_t)dim, sizeof *parts);
    if (!append(machine, cu, &cache, key, v))
        return false;
    for (int i = 0; i < group && machine->meaning.end == PLAN_ENDS; i++) {
        const uint64_t query =
            prepared(machine, cu, q, queries, is(body->q_norm, "all") ? head * group + i : i,
                     body->q_norm, names->stage->q_norm_offset);
        const struct attended of = attend(machine, cu, &cache, query, parts);
        if (machine->meaning.end != PLAN_ENDS || !publish_query(machine, cu, i, of, parts))
            return false;
    }
    return machine->meaning.end == PLAN_ENDS;
}

bool begin_merge(struct machine *machine, struct cu *cu) {
    const struct plan_body *body = names_of(machine, cu)->body;
    const int tile = tile_of(machine, cu), rows = body->tile_rows;
    if (body->reads_count != 2 || body->reads[1].span.repeat < 1)
        return stray(machine, cu, "the merge reads something else");
    const struct plan_span *values = &body->reads[0].span, *sums = &body->reads[1].span;
    for (int i = 0; i < 2 * body->splits; i++)
        if (!await_pair(machine, cu,
                        sums->first + (int64_t)tile / sums->repeat * 2 +
                            (int64_t)(i / 2) * sums->chunk_stride + i % 2))
            return false;
    for (int i = 0; i < rows * body->splits; i++)
        if (!await_pair(machine, cu,
                        (int64_t)tile * rows + (int64_t)(i / rows) * values->chunk_stride +
                            i % rows))
            return false;
    return true;
}

bool compute_merge(struct machine *machine, struct cu *cu) {
    const struct plan_body *body = names_of(machine, cu)->body;
    const int rows = body->tile_rows, splits = body->splits;
    const uint64_t *sums = cu->in, *values = cu->in + 2 * splits;
    if (lds_elements(machine, "merged") < (int64_t)splits * (rows + 2))
        return stray(machine, cu, "the merge has no room");
    struct attended all = {1, 0};
    for (int s = 0; s < splits; s++) {
        all.highest = sums[2 * s] > all.highest ? sums[2 * s] : all.highest;
        all.sum += sums[2 * s + 1];
    }
    for (int row = 0; row < rows; row++) {
        uint64_t value = 0;
        for (int s = 0; s < splits; s++)
            value += values[s * rows + row];
        if (!store_pair(machine, cu, (int64_t)tile_of(machine, cu) * rows + row,
                        merged(all, value)))
            return false;
    }
    return true;
}
