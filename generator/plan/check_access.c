// Rules `access` and `residual`: the plan says of each body what its template does. Templates take
// most of this for granted (a slot is a row's number, a head's elements follow each other), so that
// a plan that says otherwise would be proved for a kernel that is not emitted.
#include "generator/plan/check_rules.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *word, const char *other) { return strcmp(word, other) == 0; }

static const char *shown(struct checking *checking, const struct plan_span *span) {
    return arena_format(checking->arena,
                        "%d + tile / %d * %d + tile %% %d * %d + %d x %d, %d to %d", span->first,
                        span->repeat, span->stride, span->repeat, span->repeat_stride, span->chunks,
                        span->chunk_stride, span->count, span->end);
}

static bool same_span(const struct plan_span *a, const struct plan_span *b) {
    return a->first == b->first && a->stride == b->stride && a->repeat == b->repeat &&
           a->repeat_stride == b->repeat_stride && a->chunks == b->chunks &&
           a->chunk_stride == b->chunk_stride && a->count == b->count && a->end == b->end;
}

static void want_span(struct checking *checking, const struct plan_body *body, const char *what,
                      int index, const struct plan_span *span, struct plan_span wanted) {
    if (!same_span(span, &wanted))
        violation(checking, "body %s (%s): %s %d is of elements %s; its template's of %s",
                  body->name, body->op, what, index, shown(checking, span),
                  shown(checking, &wanted));
}

// The reads and writes of a body's template, one after the other.
struct wanting {
    struct checking *checking;
    const struct plan_body *body;
    int reads, writes;
};

static void want_read(struct wanting *wanting, struct plan_span span) {
    const int index = wanting->reads++;
    if (index < wanting->body->reads_count)
        want_span(wanting->checking, wanting->body, "read", index,
                  &wanting->body->reads[index].span, span);
}

static void want_write(struct wanting *wanting, struct plan_span span, int per_cu) {
    const int index = wanting->writes++;
    if (index >= wanting->body->writes_count)
        return;
    const struct plan_write *write = &wanting->body->writes[index];
    want_span(wanting->checking, wanting->body, "write", index, &write->span, span);
    if (write->per_cu != per_cu)
        violation(wanting->checking, "body %s (%s) writes %d elements a CU, its template %d",
                  wanting->body->name, wanting->body->op, write->per_cu, per_cu);
}

static void want_counts(const struct wanting *wanting) {
    const struct plan_body *body = wanting->body;
    if (body->reads_count != wanting->reads || body->writes_count != wanting->writes)
        violation(wanting->checking,
                  "body %s (%s) has %d reads and %d writes, its template makes %d and %d",
                  body->name, body->op, body->reads_count, body->writes_count, wanting->reads,
                  wanting->writes);
}

static struct plan_span all_of(int first, int64_t count) {
    return (struct plan_span){first, 0, 1, 0, 1, 0, (int)count, (int)(first + count)};
}

// Tile by tile: `each` elements of `total`.
static struct plan_span rows_of(int64_t each, int64_t total) {
    return (struct plan_span){0, (int)each, 1, 0, 1, 0, (int)each, (int)total};
}

// Rows are published under their own number, gated ones under that of their pair.
static void want_linear(struct wanting *wanting) {
    const struct plan_body *body = wanting->body;
    if (is(body->input, "mailbox"))
        want_read(wanting, all_of(0, body->columns));
    if (has_epilogue(body, "logits"))
        want_write(wanting, all_of(0, 0), 2);
    else if (has_epilogue(body, "gate"))
        want_write(wanting, rows_of(body->tile_rows / 2, body->rows / 2), 0);
    else if (!has_epilogue(body, "residual") || body->writes_count > 0) // what nobody reads
        want_write(wanting, rows_of(body->tile_rows, body->rows), 0);
}

// A tile takes its query heads, its key and its value, from rows laid out q, k, v; all heads where
// they are normed together. With splits, the tiles of one head follow each other.
static void want_heads(struct wanting *wanting, const char *norm, int64_t first, int64_t each) {
    const int64_t heads = wanting->checking->plan->shape.kv_heads;
    if (is(norm, "all"))
        want_read(wanting, all_of((int)first, heads * each));
    else
        want_read(wanting, (struct plan_span){(int)first, (int)each, wanting->body->splits, 0, 1, 0,
                                              (int)each, (int)(first + heads * each)});
}

static void want_attention(struct wanting *wanting) {
    const struct plan_shape *shape = &wanting->checking->plan->shape;
    const struct plan_body *body = wanting->body;
    const int64_t dim = shape->head_dim, queries = shape->heads * dim;
    const int64_t group = shape->heads / shape->kv_heads, keys = shape->kv_heads * dim;
    want_heads(wanting, body->q_norm, 0, group * dim);
    want_heads(wanting, body->k_norm, queries, dim);
    want_heads(wanting, "none", queries + keys, dim);
    if (body->splits == 1) {
        want_write(wanting, rows_of(group * dim, queries), 0);
        return;
    }
    const int64_t values = body->splits * queries, sums = body->splits * shape->heads * 2LL;
    want_write(wanting,
               (struct plan_span){0, (int)(group * dim), body->splits, (int)queries, 1, 0,
                                  (int)(group * dim), (int)values},
               0);
    want_write(wanting,
               (struct plan_span){(int)values, (int)(group * 2), body->splits, shape->heads * 2, 1,
                                  0, (int)(group * 2), (int)(values + sums)},
               0);
}

static void want_merge(struct wanting *wanting) {
    const struct plan_shape *shape = &wanting->checking->plan->shape;
    const struct plan_body *body = wanting->body;
    const int64_t queries = (int64_t)shape->heads * shape->head_dim;
    const int64_t values = body->splits * queries, sums = body->splits * shape->heads * 2LL;
    want_read(wanting, (struct plan_span){0, body->tile_rows, 1, 0, body->splits, (int)queries,
                                          body->tile_rows, (int)values});
    want_read(wanting, (struct plan_span){(int)values, 2, shape->head_dim / body->tile_rows, 0,
                                          body->splits, shape->heads * 2, 2, (int)(values + sums)});
    want_write(wanting, rows_of(body->tile_rows, queries), 0);
}

static void want_accesses(struct wanting *wanting) {
    const struct plan_plan *plan = wanting->checking->plan;
    const struct plan_body *body = wanting->body;
    if (is_op(body, "linear")) {
        want_linear(wanting);
    } else if (is_op(body, "attention")) {
        want_attention(wanting);
    } else if (is_op(body, "merge")) {
        want_merge(wanting);
    } else if (is_op(body, "embed")) {
        if (is(plan->residual, "owned"))
            want_write(wanting, rows_of(body->tile_rows, body->rows), 0);
    } else if (is_op(body, "residual")) {
        want_read(wanting, all_of(0, body->rows));
    } else if (is_op(body, "select")) {
        want_read(wanting, all_of(0, 2LL * plan->machine.cus));
        want_write(wanting, all_of(0, 2), 0);
    } else {
        want_read(wanting, all_of(0, 2));
    }
}

// What only one kind of body publishes, only one kind understands.
static void check_source(struct checking *checking, int stage) {
    static const struct {
        const char *op, *from; // name of an epilogue, or op of what has none
    } sources[] = {{"select", "logits"}, {"token", "select"}};
    const struct plan_body *body = checking->body_of[stage];
    if (checking->writer_of[stage] < 0)
        return; // `order` says so
    const struct plan_stage *source = &checking->plan->stages[checking->writer_of[stage]];
    const struct plan_body *writer = checking->body_of[checking->writer_of[stage]];
    const char *from = is_op(writer, "linear") ? writer->epilogue : writer->op;
    const int node = source->edges_count > 0 ? source->edges[0].node : -1;
    if (checking->plan->stages[stage].reads_node != node)
        violation(checking, "%s takes value %d of the graph, what it reads is value %d of %s",
                  stage_name(checking, stage), checking->plan->stages[stage].reads_node, node,
                  stage_name(checking, checking->writer_of[stage]));
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        if (is_op(body, sources[i].op) != is(from, sources[i].from))
            violation(checking, "%s reads what %s (%s) writes", stage_name(checking, stage),
                      writer->name, from);
    const bool split = is_op(writer, "attention") && writer->splits > 1;
    if (is_op(body, "merge") != split || (split && writer->splits != body->splits))
        violation(checking, "%s merges %d splits, what it reads are %d of %s",
                  stage_name(checking, stage), is_op(body, "merge") ? body->splits : 1,
                  split ? writer->splits : 1, writer->name);
    // q, k and v of this very layer, in this order: the head counts of the model.
    if (is_op(body, "attention") && (checking->writer_of[stage] != stage - 1 || !is(from, "rows") ||
                                     checking->plan->stages[stage - 1].parts_count != 3))
        violation(checking, "%s reads what %s (%s) writes, not q, k and v",
                  stage_name(checking, stage), writer->name, from);
}

// Values of the graph are what the stage publishes, one after the other, and nothing else.
static void check_edges(struct checking *checking, int s) {
    const struct plan_stage *stage = &checking->plan->stages[s];
    const struct plan_body *body = checking->body_of[s];
    int64_t end = 0;
    for (int i = 0; i < stage->edges_count; i++) {
        const struct plan_edge *edge = &stage->edges[i];
        if (edge->first != end || edge->elements < 1)
            violation(
                checking, "%s: value %d of the graph has %d elements from %d on, not from %lld",
                stage_name(checking, s), edge->node, edge->elements, edge->first, (long long)end);
        end += edge->elements;
    }
    const int published = body->writes_count == 1 ? body->writes[0].span.end : 0;
    if (stage->edges_count > 0 && end != published)
        violation(checking, "%s: values of the graph have %lld elements, it publishes %d of them",
                  stage_name(checking, s), (long long)end, published);
}

// A stage has mailboxes where its body reads and writes.
static void check_mailboxes(struct checking *checking, int s) {
    const struct plan_body *body = checking->body_of[s];
    if (!checking->reads_from[s] && !is(body->input, "residual") &&
        checking->plan->stages[s].reads_node != -1)
        violation(checking, "%s takes value %d of the graph and reads nothing",
                  stage_name(checking, s), checking->plan->stages[s].reads_node);
    if ((checking->reads_from[s] != NULL) != (body->reads_count > 0) ||
        (checking->writes_to[s] != NULL) != (body->writes_count > 0))
        violation(checking,
                  "%s reads from %s and writes to %s, its body has %d reads and %d writes",
                  stage_name(checking, s),
                  checking->reads_from[s] ? checking->reads_from[s]->name : "nothing",
                  checking->writes_to[s] ? checking->writes_to[s]->name : "nothing",
                  body->reads_count, body->writes_count);
}

// What the template takes a body's input, prologue and epilogue for.
static void check_input(struct checking *checking, const struct plan_body *body) {
    const bool linear = is_op(body, "linear"), residual = is_op(body, "residual");
    const bool normed = linear || residual;
    if (is_op(body, "embed") != is(body->input, "none") ||
        (is(body->input, "residual") && (!linear || is(checking->plan->residual, "owned"))) ||
        (normed == is(body->prologue, "none")) || (linear == has_epilogue(body, "none")))
        violation(checking, "body %s (%s) has input %s, prologue %s, epilogue %s", body->name,
                  body->op, body->input, body->prologue, body->epilogue);
}

void rule_access(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    for (int s = 0; s < plan->stages_count; s++) {
        check_mailboxes(checking, s);
        check_source(checking, s);
        check_edges(checking, s);
    }
    for (int b = 0; b < plan->bodies_count; b++) {
        struct wanting wanting = {checking, &plan->bodies[b], 0, 0};
        check_input(checking, wanting.body);
        want_accesses(&wanting);
        want_counts(&wanting);
    }
}

// Owned: the same CU has the same rows wherever they are set or added to.
static void check_owned(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_body *first = NULL;
    for (int b = 0; b < plan->bodies_count; b++) {
        const struct plan_body *body = &plan->bodies[b];
        if (is_op(body, "residual"))
            violation(checking, "body %s adds to a residual that no CU keeps whole", body->name);
        if (!is_op(body, "embed") && !has_epilogue(body, "residual"))
            continue;
        first = first ? first : body;
        if (strcmp(body->partition, first->partition) != 0 || body->tile_rows != first->tile_rows)
            violation(checking,
                      "body %s deals the residual by partition %s in tiles of %d rows, body %s by "
                      "%s in tiles of %d: a CU would add to rows that it does not keep",
                      body->name, body->partition, body->tile_rows, first->name, first->partition,
                      first->tile_rows);
    }
}

// Everywhere: who multiplies the residual has set it and added everything to it.
static void check_everywhere(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    for (int b = 0; b < plan->bodies_count; b++) {
        const struct plan_body *body = &plan->bodies[b];
        if (has_epilogue(body, "residual"))
            violation(checking, "body %s adds rows to a residual that each CU keeps whole",
                      body->name);
        if (!is(body->input, "residual"))
            continue;
        for (int k = 0; k < plan->bodies_count; k++) {
            if (!is_op(&plan->bodies[k], "embed") && !is_op(&plan->bodies[k], "residual"))
                continue;
            for (int cu = 0; cu < plan->machine.cus; cu++)
                if (plan_tiles_of(checking->partition_of[b], cu) > 0 &&
                    plan_tiles_of(checking->partition_of[k], cu) == 0)
                    violation(checking,
                              "body %s: CU %d multiplies a residual that body %s does "
                              "not update there",
                              body->name, cu, plan->bodies[k].name);
        }
    }
}

// Parts of one sum are added one after the other; all are there before anybody takes it.
static void check_sums(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    int latest = -1; // that set or added to the residual
    bool taken = false;
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        const struct plan_body *body = checking->body_of[s];
        const int before = latest < 0 ? -1 : plan->stages[latest].keeps_node;
        const bool keeps =
            is_op(body, "embed") || is_op(body, "residual") || has_epilogue(body, "residual");
        if (keeps != (stage->keeps_node >= 0))
            violation(checking, "%s keeps value %d of the graph", stage_name(checking, s),
                      stage->keeps_node);
        if (is(body->input, "residual")) {
            if (stage->reads_node != before)
                violation(checking, "%s multiplies value %d of the graph, the residual is value %d",
                          stage_name(checking, s), stage->reads_node, before);
            taken = true;
        }
        if (!keeps)
            continue;
        if (latest >= 0 && (stage->keeps_node < before || (stage->keeps_node == before && taken)))
            violation(checking, "%s adds to value %d of the graph after %s, which others took",
                      stage_name(checking, s), stage->keeps_node, stage_name(checking, latest));
        taken = stage->edges_count > 0;
        if (taken && stage->edges[0].node != stage->keeps_node)
            violation(checking, "%s keeps value %d of the graph and publishes value %d",
                      stage_name(checking, s), stage->keeps_node, stage->edges[0].node);
        latest = s;
    }
}

void rule_residual(struct checking *checking) {
    check_sums(checking);
    if (is(checking->plan->residual, "everywhere"))
        check_everywhere(checking);
    else
        check_owned(checking);
}
