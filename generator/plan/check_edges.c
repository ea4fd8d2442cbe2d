#include "generator/plan/check_edges.h"

#include "generator/plan/access.h"

// Adds the CUs that wrote what a tile reads. place: of each CU in the list, from 1; 0: not there.
static void add_sources(const struct edges *edges, int reader, int writer, int tile,
                        struct sources *sources, int *place) {
    const struct plan_body *body = &edges->checking->plan->bodies[reader];
    const bool by_tile = edges->readers[writer] != NULL;
    for (int r = 0; r < body->reads_count; r++)
        for (int chunk = 0; chunk < body->reads[r].span.chunks; chunk++) {
            const struct element_range range = access_range(&body->reads[r].span, tile, chunk);
            for (int64_t e = range.first; e < range.first + range.count; e++) {
                const int cu = edges->checking->owner[writer][e];
                if (place[cu] == 0) {
                    sources->list[sources->count] = (struct source){cu, false};
                    place[cu] = ++sources->count;
                }
                sources->list[place[cu] - 1].whole |= !by_tile || edges->last_tile[writer][e];
            }
        }
}

static bool same_sources(const struct sources *a, const struct sources *b) {
    if (!a || a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (a->list[i].cu != b->list[i].cu || a->list[i].whole != b->list[i].whole)
            return false;
    return true;
}

const struct sources **edges_sources(struct edges *edges, int reader, int writer, bool first) {
    const size_t bodies = (size_t)edges->checking->plan->bodies_count;
    const size_t cus = (size_t)edges->checking->plan->machine.cus;
    const size_t place_of_list = ((size_t)reader * bodies + (size_t)writer) * 2 + first;
    const struct sources **known = edges->sources[place_of_list];
    if (known)
        return known;
    struct arena *arena = edges->checking->arena;
    const struct plan_partition *partition = edges->checking->partition_of[reader];
    const struct sources *before = NULL;
    struct sources scratch = {.list = arena_array(arena, cus, sizeof *scratch.list)};
    int *place = arena_array(arena, cus, sizeof *place);
    known = edges->sources[place_of_list] = arena_array(arena, cus, sizeof *known);
    for (int cu = 0; cu < edges->checking->plan->machine.cus; cu++) {
        const int tile = partition->first_tile[cu] + !first;
        const int end = first ? tile + 1 : partition->first_tile[cu + 1];
        scratch.count = 0;
        for (int t = tile; t < end && t < partition->first_tile[cu + 1]; t++)
            add_sources(edges, reader, writer, t, &scratch, place);
        for (int i = 0; i < scratch.count; i++)
            place[scratch.list[i].cu] = 0;
        if (!same_sources(before, &scratch)) {
            struct sources *own = arena_alloc(arena, sizeof *own);
            own->list = arena_array(arena, (size_t)scratch.count + 1, sizeof *own->list);
            for (int i = 0; i < scratch.count; i++)
                own->list[i] = scratch.list[i];
            own->count = scratch.count;
            before = own;
        }
        known[cu] = before;
    }
    return known;
}

static bool reads_in_common(const struct plan_body *body) {
    for (int r = 0; r < body->reads_count; r++)
        if (!access_is_common(&body->reads[r].span))
            return false;
    return true;
}

// One past the last element that the body reads.
static int reader_pairs_of(const struct checking *checking, int b) {
    const struct plan_body *body = &checking->plan->bodies[b];
    int64_t end = 0;
    for (int r = 0; r < body->reads_count; r++) {
        const struct plan_span *span = &body->reads[r].span;
        const int tiles = access_is_common(span) ? 1 : checking->partition_of[b]->tiles;
        const int64_t last = access_end(span, tiles);
        end = last > end ? last : end;
    }
    return (int)end;
}

// The first element that the body does not read.
static int reads_through_of(const struct edges *edges, int b) {
    const struct plan_body *body = &edges->checking->plan->bodies[b];
    const struct readers *readers = edges->readers[b];
    int element = 0;
    if (readers) {
        while (element < edges->reader_pairs[b] && readers[element].first >= 0)
            element++;
        return element;
    }
    for (int r = 0; r < body->reads_count; r++) { // those of a body follow each other
        const struct element_range range = access_range(&body->reads[r].span, 0, 0);
        if (range.first <= element && range.first + range.count > element)
            element = (int)(range.first + range.count);
    }
    return element;
}

// Of each element, where tiles read different ones.
static struct readers *readers_of(const struct checking *checking, int b, int pairs) {
    const struct plan_body *body = &checking->plan->bodies[b];
    if (reads_in_common(body))
        return NULL;
    const struct plan_partition *partition = checking->partition_of[b];
    struct readers *readers = arena_array(checking->arena, (size_t)pairs, sizeof *readers);
    for (int e = 0; e < pairs; e++)
        readers[e] = (struct readers){-1, -1};
    for (int cu = 0; cu < checking->plan->machine.cus; cu++)
        for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++)
            for (int r = 0; r < body->reads_count; r++)
                for (int chunk = 0; chunk < body->reads[r].span.chunks; chunk++) {
                    const struct element_range range =
                        access_range(&body->reads[r].span, tile, chunk);
                    for (int64_t e = range.first; e < range.first + range.count; e++) {
                        readers[e].first = readers[e].first < 0 ? cu : readers[e].first;
                        readers[e].last = cu;
                    }
                }
    return readers;
}

static struct writers writers_of(const struct checking *checking, int b) {
    const size_t cus = (size_t)checking->plan->machine.cus;
    struct writers writers = {.list = arena_array(checking->arena, cus, sizeof *writers.list),
                              .all = true};
    int *place = arena_array(checking->arena, cus, sizeof *place); // in the list, from 1
    for (int e = 0; e < checking->pairs[b]; e++) {
        const int cu = checking->owner[b][e];
        if (cu < 0) {
            writers.all = false;
            continue;
        }
        if (place[cu] == 0) {
            writers.list[writers.count++] = (struct writer){cu, e, e};
            place[cu] = writers.count;
        }
        writers.list[place[cu] - 1].highest = e;
    }
    return writers;
}

// Of each element, whether all of its writer's tiles are over when it is there.
static const bool *last_tiles_of(const struct checking *checking, int b) {
    const struct plan_body *body = &checking->plan->bodies[b];
    const struct plan_partition *partition = checking->partition_of[b];
    bool *last_tile = arena_array(checking->arena, (size_t)checking->pairs[b] + 1, sizeof(bool));
    for (int cu = 0; cu < checking->plan->machine.cus; cu++)
        for (int w = 0; w < body->writes_count && plan_tiles_of(partition, cu) > 0; w++)
            for (int chunk = 0; chunk < body->writes[w].span.chunks; chunk++) {
                const struct element_range range =
                    access_range(&body->writes[w].span, partition->first_tile[cu + 1] - 1, chunk);
                for (int64_t e = range.first; e < range.first + range.count; e++)
                    if (e < checking->pairs[b]) // else an element of a larger mailbox
                        last_tile[e] = true;
            }
    return last_tile;
}

const struct overwrites *edges_overwrites(struct edges *edges, int reader, int writer) {
    const size_t bodies = (size_t)edges->checking->plan->bodies_count;
    struct overwrites *known = &edges->overwrites[(size_t)reader * bodies + (size_t)writer];
    if (known->list)
        return known;
    const int *owner = edges->checking->owner[writer], pairs = edges->checking->pairs[writer];
    const struct readers *readers = edges->readers[reader];
    known->list = arena_array(edges->checking->arena, (size_t)pairs + 1, sizeof *known->list);
    for (int e = 0; e < pairs && e < edges->reader_pairs[reader]; e++) {
        const struct overwrite now = {e, owner[e], readers[e].first, readers[e].last};
        const struct overwrite *before = known->count ? &known->list[known->count - 1] : NULL;
        if (now.cu < 0 || now.first < 0 ||
            (before && before->cu == now.cu && before->first == now.first &&
             before->last == now.last))
            continue;
        known->list[known->count++] = now;
    }
    return known;
}

void edges_open(struct edges *edges, struct checking *checking) {
    struct arena *arena = checking->arena;
    const size_t bodies = (size_t)checking->plan->bodies_count;
    *edges = (struct edges){
        .checking = checking,
        .readers = arena_array(arena, bodies, sizeof *edges->readers),
        .reader_pairs = arena_array(arena, bodies, sizeof *edges->reader_pairs),
        .reads_through = arena_array(arena, bodies, sizeof *edges->reads_through),
        .writers = arena_array(arena, bodies, sizeof *edges->writers),
        .last_tile = arena_array(arena, bodies, sizeof *edges->last_tile),
        .sources = arena_array(arena, bodies * bodies * 2, sizeof *edges->sources),
        .overwrites = arena_array(arena, bodies * bodies, sizeof *edges->overwrites),
    };
    for (int b = 0; b < checking->plan->bodies_count; b++) {
        edges->reader_pairs[b] = reader_pairs_of(checking, b);
        edges->readers[b] = readers_of(checking, b, edges->reader_pairs[b]);
        edges->reads_through[b] = reads_through_of(edges, b);
        edges->last_tile[b] = last_tiles_of(checking, b);
        edges->writers[b] = writers_of(checking, b);
    }
}
