// Rules `coverage`, `order` and `scope`: what is awaited is written, under the epoch that is
// awaited, and by CUs as near as the plan says.
#include "generator/plan/access.h"
#include "generator/plan/check_rules.h"

#include <string.h>

// A CU that has tile `tile` of the partition.
static int cu_of_tile(const struct plan_partition *partition, int tile) {
    int cu = 0;
    while (partition->first_tile[cu + 1] <= tile)
        cu++;
    return cu;
}

// missing_before[e]: elements below e that nobody writes.
static int *count_missing(struct checking *checking, int b) {
    const int pairs = checking->pairs[b];
    int *missing_before = arena_array(checking->arena, (size_t)pairs + 1, sizeof *missing_before);
    for (int e = 0; e < pairs; e++)
        missing_before[e + 1] = missing_before[e] + (checking->owner[b][e] < 0);
    return missing_before;
}

// The first element of a range that the writer does not write, -1: it writes all.
static int64_t first_missing(const struct checking *checking, int writer,
                             struct element_range range, const int *missing_before) {
    const int64_t end = range.first + range.count;
    if (range.count == 0)
        return -1;
    if (range.first < 0 || end > checking->pairs[writer])
        return range.first < 0 || range.first > checking->pairs[writer] ? range.first
                                                                        : checking->pairs[writer];
    if (missing_before[end] == missing_before[range.first])
        return -1;
    int64_t element = range.first;
    while (checking->owner[writer][element] >= 0)
        element++;
    return element;
}

static void check_read(struct checking *checking, int stage, const struct plan_span *span,
                       int writer, const int *missing_before) {
    const int reader = body_index(checking, checking->body_of[stage]);
    const struct plan_partition *partition = checking->partition_of[reader];
    const int tiles = access_is_common(span) ? 1 : partition->tiles; // else all read the same
    for (int tile = 0; tile < tiles; tile++)
        for (int chunk = 0; chunk < span->chunks; chunk++) {
            const int64_t element =
                first_missing(checking, writer, access_range(span, tile, chunk), missing_before);
            if (element < 0)
                continue;
            violation(checking, "%s: CU %d awaits element %lld of %s, which %s does not write",
                      stage_name(checking, stage), cu_of_tile(partition, tile), (long long)element,
                      checking->reads_from[stage]->name, checking->plan->bodies[writer].name);
            return;
        }
}

void rule_coverage(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    for (int b = 0; b < plan->bodies_count; b++)
        if (checking->unowned[b] > 0)
            violation(
                checking,
                "body %s writes element %lld twice or outside of its %d pairs (so do %d more)",
                plan->bodies[b].name, (long long)checking->bad_element[b], checking->pairs[b],
                checking->unowned[b] - 1);
    const size_t bodies = (size_t)plan->bodies_count;
    int **missing = arena_array(checking->arena, bodies, sizeof *missing);
    bool *checked = arena_array(checking->arena, bodies * bodies, sizeof *checked);
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_body *reader = checking->body_of[s];
        if (checking->writer_of[s] < 0)
            continue;
        const int r = body_index(checking, reader);
        const int w = body_index(checking, checking->body_of[checking->writer_of[s]]);
        bool *done = &checked[(size_t)r * bodies + (size_t)w];
        if (*done)
            continue;
        *done = true;
        missing[w] = missing[w] ? missing[w] : count_missing(checking, w);
        for (int i = 0; i < reader->reads_count; i++)
            check_read(checking, s, &reader->reads[i].span, w, missing[w]);
    }
}

static void check_await(struct checking *checking, int s) {
    const struct plan_stage *stage = &checking->plan->stages[s];
    const struct plan_mailbox *mailbox = checking->reads_from[s];
    const int w = checking->writer_of[s];
    if (!mailbox) {
        if (stage->read_epoch != -1)
            violation(checking, "%s awaits epoch %d and reads nothing", stage_name(checking, s),
                      stage->read_epoch);
        return;
    }
    if (w < 0) {
        violation(checking, "%s awaits %s, which no earlier stage of the step writes",
                  stage_name(checking, s), mailbox->name);
        return;
    }
    const int written = checking->plan->stages[w].write_epoch;
    if (stage->read_epoch != written || stage->read_epoch < 0)
        violation(checking, "%s awaits epoch %d of %s, %s writes it last before, with epoch %d",
                  stage_name(checking, s), stage->read_epoch, mailbox->name,
                  stage_name(checking, w), written);
}

void rule_order(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const int epochs = plan->epochs_per_step;
    // The stage that writes mailbox m with epoch e: writer[m * epochs + e], plus one.
    int *writer = arena_array(checking->arena, (size_t)plan->mailboxes_count * (size_t)epochs,
                              sizeof *writer);
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_mailbox *mailbox = checking->writes_to[s];
        const int epoch = plan->stages[s].write_epoch;
        check_await(checking, s);
        if (!mailbox || epoch < 0 || epoch >= epochs) {
            if (mailbox || epoch != -1)
                violation(checking, "%s publishes %s with epoch %d of %d", stage_name(checking, s),
                          mailbox ? mailbox->name : "nothing", epoch, epochs);
            continue;
        }
        int *other = &writer[(mailbox - plan->mailboxes) * epochs + epoch];
        if (*other)
            violation(checking, "%s and %s both write %s with epoch %d",
                      stage_name(checking, *other - 1), stage_name(checking, s), mailbox->name,
                      epoch);
        *other = s + 1;
    }
    // As in the manifest: a launch never meets one of its own epochs again.
    if ((int64_t)epochs * (plan->shape.context + 2LL) > (int64_t)1 << 31)
        violation(checking, "%d epochs a step in a context of %d do not fit 31 bits", epochs,
                  plan->shape.context);
}

// The writers that one CU awaits in one stage, as a set of XCDs and the number of CUs.
struct writers {
    const int *xcd_of;
    int *seen; // [cus]: the serial number of the set that has the CU
    int serial, count, other_than_reader;
    uint32_t xcds;
};

static void add_tile(struct writers *writers, const int *owner, const struct plan_span *span,
                     int tile) {
    for (int chunk = 0; chunk < span->chunks; chunk++) {
        const struct element_range range = access_range(span, tile, chunk);
        for (int64_t e = range.first; e < range.first + range.count; e++) {
            const int cu = owner[e];
            if (writers->seen[cu] == writers->serial)
                continue;
            writers->seen[cu] = writers->serial;
            writers->count++;
            writers->xcds |= 1U << writers->xcd_of[cu];
        }
    }
}

static void open_set(struct writers *writers) {
    writers->serial++;
    writers->count = 0;
    writers->xcds = 0;
}

// The widest edge of a read, and how many there are.
struct edges {
    bool known;
    int widest[3]; // of each read: `access` ensures that there are no more
    int64_t count;
};

static int widest_of(const struct checking *checking, const struct plan_span *span,
                     const struct plan_partition *partition, const int *owner,
                     struct writers *writers, int64_t *count) {
    int widest = 0;
    open_set(writers);
    const bool common = access_is_common(span);
    if (common)
        add_tile(writers, owner, span, 0);
    for (int cu = 0; cu < checking->plan->machine.cus; cu++) {
        if (plan_tiles_of(partition, cu) == 0)
            continue;
        if (!common) {
            open_set(writers);
            for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++)
                add_tile(writers, owner, span, tile);
        }
        const int others = writers->count - (writers->seen[cu] == writers->serial);
        const bool far = (writers->xcds & ~(1U << writers->xcd_of[cu])) != 0;
        const int width = far ? 2 : others > 0;
        widest = width > widest ? width : widest;
        *count += others;
    }
    return widest;
}

static void find_edges(const struct checking *checking, int reader, int writer,
                       struct writers *writers, struct edges *edges) {
    const struct plan_body *body = &checking->plan->bodies[reader];
    edges->known = true;
    for (int i = 0; i < body->reads_count; i++)
        edges->widest[i] = widest_of(checking, &body->reads[i].span, checking->partition_of[reader],
                                     checking->owner[writer], writers, &edges->count);
}

void rule_scope(struct checking *checking) {
    static const char *const scopes[] = {"same CU", "same XCD", "across XCDs"};
    const struct plan_plan *plan = checking->plan;
    const size_t cus = (size_t)plan->machine.cus, bodies = (size_t)plan->bodies_count;
    int *xcd_of = arena_array(checking->arena, cus, sizeof *xcd_of);
    access_xcds(plan, xcd_of);
    struct writers writers = {.xcd_of = xcd_of,
                              .seen = arena_array(checking->arena, cus, sizeof(int))};
    struct edges *between = arena_array(checking->arena, bodies * bodies, sizeof *between);
    int(*widest)[3] = arena_array(checking->arena, bodies, sizeof *widest);
    for (int s = 0; s < plan->stages_count; s++) {
        if (checking->writer_of[s] < 0)
            continue;
        const int r = body_index(checking, checking->body_of[s]);
        const int w = body_index(checking, checking->body_of[checking->writer_of[s]]);
        struct edges *edges = &between[(size_t)r * bodies + (size_t)w];
        if (!edges->known)
            find_edges(checking, r, w, &writers, edges);
        checking->handoffs += edges->count;
        for (int i = 0; i < plan->bodies[r].reads_count; i++)
            widest[r][i] = edges->widest[i] > widest[r][i] ? edges->widest[i] : widest[r][i];
    }
    for (int b = 0; b < plan->bodies_count; b++)
        for (int i = 0; i < plan->bodies[b].reads_count; i++)
            if (strcmp(plan->bodies[b].reads[i].scope, scopes[widest[b][i]]) != 0)
                violation(checking, "body %s: the widest edge of read %d is '%s', not '%s'",
                          plan->bodies[b].name, i, scopes[widest[b][i]],
                          plan->bodies[b].reads[i].scope);
}
