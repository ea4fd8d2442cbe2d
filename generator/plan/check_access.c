// Rules `access` and `residual`: the plan says of each body what its template does. Templates take
// most of this for granted (a slot is a row's number, a head's elements follow each other), so that
// a plan that says otherwise would be proved for a kernel that is not emitted.
#include "generator/plan/check_rules.h"

#include <string.h>

static void want_read(struct checking *checking, const struct plan_body *body, int index, int first,
                      int stride, int64_t count) {
    const struct plan_read *read = &body->reads[index];
    if (read->first != first || read->stride != stride || read->count != count)
        violation(checking,
                  "body %s (%s): read %d is of elements %d + tile * %d, %d of them; its template "
                  "reads %d + tile * %d, %lld of them",
                  body->name, body->op, index, read->first, read->stride, read->count, first,
                  stride, (long long)count);
}

static bool want_reads(struct checking *checking, const struct plan_body *body, int count) {
    if (body->reads_count != count)
        return violation(checking, "body %s (%s) has %d reads, its template makes %d", body->name,
                         body->op, body->reads_count, count);
    for (int i = 1; i < count; i++)
        if (strcmp(body->reads[i].mailbox, body->reads[0].mailbox) != 0)
            return violation(checking, "body %s reads from %s and %s, its template from one",
                             body->name, body->reads[0].mailbox, body->reads[i].mailbox);
    return true;
}

static void want_write(struct checking *checking, const struct plan_body *body,
                       struct plan_write wanted) {
    if (body->writes_count != 1) {
        violation(checking, "body %s (%s) has %d writes, its template makes one", body->name,
                  body->op, body->writes_count);
        return;
    }
    const struct plan_write *write = &body->writes[0];
    if (write->first != wanted.first || write->stride != wanted.stride ||
        write->rows != wanted.rows || write->pair_span != wanted.pair_span ||
        write->element != wanted.element || write->per_cu != wanted.per_cu)
        violation(checking,
                  "body %s (%s) writes %d rows from %d by %d, span %d, to element %d on, %d a CU; "
                  "its template %d rows from %d by %d, span %d, to element %d on, %d a CU",
                  body->name, body->op, write->rows, write->first, write->stride, write->pair_span,
                  write->element, write->per_cu, wanted.rows, wanted.first, wanted.stride,
                  wanted.pair_span, wanted.element, wanted.per_cu);
}

// Rows are published under their own number; those that are rotated, within their head.
static void check_rope_writes(struct checking *checking, const struct plan_body *body) {
    const int head_dim = checking->plan->shape.head_dim;
    int64_t end = 0;
    for (int i = 0; i < body->writes_count; i++) {
        const struct plan_write *write = &body->writes[i];
        const bool rotated = end < body->rope_rows;
        if (strcmp(write->mailbox, body->writes[0].mailbox) != 0 || write->per_cu != 0 ||
            write->first != end || write->element != end || write->stride != 1 ||
            write->pair_span != (rotated ? head_dim : 0) ||
            (rotated && (write->rows % head_dim != 0 || end + write->rows > body->rope_rows)))
            violation(checking,
                      "body %s (rope): write %d of %d rows from %d by %d, span %d, to element %d "
                      "on; its template writes row %lld on to itself, rotated pairs of %d up to "
                      "row %d",
                      body->name, i, write->rows, write->first, write->stride, write->pair_span,
                      write->element, (long long)end, head_dim, body->rope_rows);
        end += write->rows;
    }
    if (end != body->rows)
        violation(checking, "body %s (rope) writes %lld rows, has %d", body->name, (long long)end,
                  body->rows);
}

static void check_linear(struct checking *checking, const struct plan_body *body) {
    if (want_reads(checking, body, 1))
        want_read(checking, body, 0, 0, 0, body->columns);
    if (has_epilogue(body, "rope"))
        check_rope_writes(checking, body);
    else if (has_epilogue(body, "gate"))
        want_write(checking, body, (struct plan_write){.stride = 2, .rows = body->rows / 2});
    else if (has_epilogue(body, "residual"))
        want_write(checking, body, (struct plan_write){.stride = 1, .rows = body->rows});
    else
        want_write(checking, body, (struct plan_write){.per_cu = 2});
}

// A head takes its query heads, its key and its value, from rows laid out q, k, v.
static void check_attention(struct checking *checking, const struct plan_body *body) {
    const struct plan_shape *shape = &checking->plan->shape;
    const int dim = shape->head_dim, queries = shape->heads * dim;
    const int64_t keys = (int64_t)shape->kv_heads * dim;
    if (want_reads(checking, body, 3)) {
        const int group = shape->heads / shape->kv_heads * dim;
        want_read(checking, body, 0, 0, group, group);
        want_read(checking, body, 1, queries, dim, dim);
        want_read(checking, body, 2, (int)(queries + keys), dim, dim);
    }
    want_write(checking, body, (struct plan_write){.stride = 1, .rows = queries});
}

// What only one kind of body publishes, only one kind understands.
static void check_source(struct checking *checking, int stage) {
    static const struct {
        const char *op, *from; // epilogue, or op of what has none
    } sources[] = {{"attention", "rope"}, {"select", "logits"}, {"token", "select"}};
    const struct plan_body *body = checking->body_of[stage];
    if (checking->writer_of[stage] < 0)
        return; // `order` says so
    const struct plan_body *writer = checking->body_of[checking->writer_of[stage]];
    const char *from = is_op(writer, "linear") ? writer->epilogue : writer->op;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        const bool reads = is_op(body, sources[i].op);
        if (reads != (strcmp(from, sources[i].from) == 0))
            violation(checking, "%s reads what %s (%s) writes", stage_name(checking, stage),
                      writer->name, from);
    }
}

void rule_access(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    for (int s = 0; s < plan->stages_count; s++)
        check_source(checking, s);
    for (int b = 0; b < plan->bodies_count; b++) {
        const struct plan_body *body = &plan->bodies[b];
        if (is_op(body, "linear")) {
            check_linear(checking, body);
        } else if (is_op(body, "attention")) {
            check_attention(checking, body);
        } else if (is_op(body, "embed")) {
            want_reads(checking, body, 0);
            want_write(checking, body, (struct plan_write){.stride = 1, .rows = body->rows});
        } else if (is_op(body, "select")) {
            if (want_reads(checking, body, 1))
                want_read(checking, body, 0, 0, 0, 2 * plan->machine.cus);
            want_write(checking, body, (struct plan_write){.stride = 1, .rows = 2});
        } else {
            if (want_reads(checking, body, 1))
                want_read(checking, body, 0, 0, 0, 2);
            if (body->writes_count != 0)
                violation(checking, "body %s (token) writes", body->name);
        }
    }
}

void rule_residual(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    const struct plan_body *first = NULL;
    for (int b = 0; b < plan->bodies_count; b++) {
        const struct plan_body *body = &plan->bodies[b];
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
