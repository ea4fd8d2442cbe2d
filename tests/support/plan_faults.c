// Faults of plans, made by chance.
#include "tests/support/plan_faults.h"

#include "tests/support/plan_edit.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int chance(struct faulty *faulty, int below) {
    faulty->random = faulty->random * 1664525U + 1013904223U;
    return below > 0 ? (int)((faulty->random >> 8) % (uint32_t)below) : 0;
}

static void tell(struct faulty *faulty, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(struct faulty *faulty, const char *format, ...) {
    const size_t length = strlen(faulty->what);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(faulty->what + length, sizeof faulty->what - length, format, arguments);
    va_end(arguments);
}

// Another number, mostly near the old one or of a kind that numbers of plans are.
static int64_t other_number(struct faulty *faulty, int64_t value, int64_t most) {
    const int64_t numbers[] = {value + 1,  value - 1, value + 16,
                               value - 16, value * 2, value / 2,
                               0,          most,      most > 0 ? chance(faulty, (int)most + 1) : 1};
    for (;;) {
        const int64_t other = numbers[chance(faulty, sizeof numbers / sizeof numbers[0])];
        if (other != value)
            return other;
        if (chance(faulty, 8) == 0)
            return value + 3;
    }
}

static void change(struct faulty *faulty, const char *name, int *place, int most) {
    const int before = *place;
    *place = (int)other_number(faulty, before, most);
    tell(faulty, "%s %d -> %d", name, before, *place);
}

static void change_long(struct faulty *faulty, const char *name, int64_t *place, int64_t most) {
    const int64_t before = *place, units = most / 16;
    *place = chance(faulty, 2) ? 16 * other_number(faulty, before / 16, units)
                               : other_number(faulty, before, most);
    tell(faulty, "%s %lld -> %lld", name, (long long)before, (long long)*place);
}

// One of the ints of a record, each at `offset` into it.
struct field {
    const char *name;
    size_t offset;
};
#define FIELD(record, field)                                                                       \
    { #field, offsetof(struct plan_##record, field) }

static void change_field(struct faulty *faulty, void *record, const struct field *fields,
                         size_t count, int most) {
    const struct field *field = &fields[chance(faulty, (int)count)];
    change(faulty, field->name, (int *)((char *)record + field->offset), most);
}
#define CHANGE_FIELD(faulty, record, fields, most)                                                 \
    change_field(faulty, record, fields, sizeof fields / sizeof fields[0], most)

static struct plan_stage *some_stage(struct faulty *faulty) {
    struct plan_stage *stage = &faulty->plan.stages[chance(faulty, faulty->plan.stages_count)];
    tell(faulty, "stage %d (%s): ", stage->step, stage->body);
    return stage;
}

static struct plan_body *some_body(struct faulty *faulty) {
    struct plan_body *body = &faulty->plan.bodies[chance(faulty, faulty->plan.bodies_count)];
    tell(faulty, "body %s: ", body->name);
    return body;
}

// The span of a read or a write, NULL: the body has none.
static struct plan_span *some_span(struct faulty *faulty) {
    struct plan_body *body = some_body(faulty);
    const int i = chance(faulty, body->reads_count + body->writes_count);
    if (body->reads_count + body->writes_count == 0)
        return NULL;
    const bool read = i < body->reads_count;
    tell(faulty, "%s %d: ", read ? "read" : "write", read ? i : i - body->reads_count);
    return read ? &body->reads[i].span : &body->writes[i - body->reads_count].span;
}

static bool drop_a_wait(struct faulty *faulty) {
    struct plan_stage *stage = some_stage(faulty);
    struct plan_body *body;
    switch (chance(faulty, 4)) {
    case 0:
        stage->reads_from = NULL;
        stage->read_epoch = -1;
        tell(faulty, "awaits nothing");
        return true;
    case 1:
        change(faulty, "read_epoch", &stage->read_epoch, faulty->plan.epochs_per_step);
        return true;
    case 2:
        body = some_body(faulty);
        if (body->reads_count == 0)
            return false;
        body->reads_count--;
        tell(faulty, "a read less");
        return true;
    default:
        body = some_body(faulty);
        if (body->reads_count == 0)
            return false;
        change(faulty, "count of a read",
               &body->reads[chance(faulty, body->reads_count)].span.count, body->columns);
        return true;
    }
}

static bool overlap_buffers(struct faulty *faulty) {
    struct plan_plan *plan = &faulty->plan;
    struct plan_stage *stage;
    struct plan_lds *lds;
    switch (chance(faulty, 6)) {
    case 0:
        change(faulty, "first_pair of a mailbox",
               &plan->mailboxes[chance(faulty, plan->mailboxes_count)].first_pair,
               plan->mailbox_pairs);
        return true;
    case 1:
        change_long(faulty, "offset of a region",
                    &plan->regions[chance(faulty, plan->regions_count)].offset, plan->weight_bytes);
        return true;
    case 2:
        change_long(faulty, "offset of a vector",
                    &plan->vectors[chance(faulty, plan->vectors_count)].offset, plan->vector_bytes);
        return true;
    case 3:
        lds = &plan->lds[chance(faulty, plan->lds_count)];
        tell(faulty, "LDS %s: ", lds->name);
        if (chance(faulty, 2)) {
            change(faulty, "elements", &lds->elements, lds->elements);
            return true;
        }
        lds->shared = (const char *const[]){"product", "attention"}[chance(faulty, 2)];
        tell(faulty, "shared as %s", lds->shared);
        return true;
    case 4: {
        int64_t *const places[] = {&plan->kv.head_bytes, &plan->kv.layer_bytes};
        change_long(faulty, "bytes of the KV cache", places[chance(faulty, 2)], plan->kv.bytes);
        return true;
    }
    default: {
        stage = some_stage(faulty);
        int64_t *const places[] = {&stage->norm_offset, &stage->bias_offset, &stage->q_norm_offset,
                                   &stage->k_norm_offset, &stage->kv_offset};
        const int i = chance(faulty, 5);
        static const char *const names[] = {"norm_offset", "bias_offset", "q_norm_offset",
                                            "k_norm_offset", "kv_offset"};
        change_long(faulty, names[i], places[i], i == 4 ? plan->kv.bytes : plan->vector_bytes);
        for (int v = 0; v < plan->vectors_count && i < 4; v++)
            if (plan->vectors[v].offset == *places[i])
                return false; // which norm it is only the graph can tell
        return true;
    }
    }
}

static bool take_a_wrong_slice(struct faulty *faulty) {
    static const struct field of_part[] = {FIELD(part, tensor_first), FIELD(part, rows),
                                           FIELD(part, first), FIELD(part, stride)};
    static const struct field of_vector[] = {FIELD(vector, tensor_first), FIELD(vector, elements),
                                             FIELD(vector, first), FIELD(vector, stride)};
    static const struct field of_span[] = {FIELD(span, first),  FIELD(span, stride),
                                           FIELD(span, repeat), FIELD(span, repeat_stride),
                                           FIELD(span, chunks), FIELD(span, chunk_stride),
                                           FIELD(span, count),  FIELD(span, end)};
    static const struct field of_edge[] = {FIELD(edge, first), FIELD(edge, elements)};
    struct plan_plan *plan = &faulty->plan;
    struct plan_stage *stage;
    struct plan_region *region;
    struct plan_span *span;
    switch (chance(faulty, 5)) {
    case 0:
        stage = some_stage(faulty);
        if (stage->parts_count == 0)
            return false;
        CHANGE_FIELD(faulty, &stage->parts[chance(faulty, stage->parts_count)], of_part, 200);
        return true;
    case 1:
        CHANGE_FIELD(faulty, &plan->vectors[chance(faulty, plan->vectors_count)], of_vector, 200);
        return true;
    case 2:
        region = &plan->regions[chance(faulty, plan->regions_count)];
        if (region->cu_offset_count == 0)
            return false;
        change_long(faulty, "cu_offset",
                    &region->cu_offset[chance(faulty, region->cu_offset_count)], region->bytes);
        return true;
    case 3:
        stage = some_stage(faulty);
        if (stage->edges_count == 0)
            return false;
        CHANGE_FIELD(faulty, &stage->edges[chance(faulty, stage->edges_count)], of_edge, 200);
        return true;
    default:
        span = some_span(faulty);
        if (!span)
            return false;
        CHANGE_FIELD(faulty, span, of_span, 200);
        return true;
    }
}

static bool deal_wrong_roles(struct faulty *faulty) {
    static const struct field of_xcd[] = {FIELD(xcd, first_cu), FIELD(xcd, cus)};
    struct plan_plan *plan = &faulty->plan;
    struct plan_partition *partition;
    struct plan_stage *stage;
    struct plan_body *body;
    switch (chance(faulty, 7)) {
    case 0:
    case 1:
        partition = &plan->partitions[chance(faulty, plan->partitions_count)];
        tell(faulty, "partition %s: ", partition->name);
        change(faulty, "first_tile", &partition->first_tile[chance(faulty, plan->machine.cus + 1)],
               partition->tiles);
        return true;
    case 2:
        CHANGE_FIELD(faulty, &plan->machine.xcds[chance(faulty, plan->machine.xcds_count)], of_xcd,
                     plan->machine.cus);
        return true;
    case 3:
        plan->machine.workgroups -= 1 + chance(faulty, plan->machine.workgroups);
        tell(faulty, "%d workgroups", plan->machine.workgroups);
        return true;
    case 4:
        body = some_body(faulty);
        body->partition = plan->partitions[chance(faulty, plan->partitions_count)].name;
        tell(faulty, "partition %s", body->partition);
        return true;
    case 5:
        stage = some_stage(faulty);
        body = &plan->bodies[chance(faulty, plan->bodies_count)];
        if (strcmp(body->op, "residual") == 0 && strncmp(stage->body, "add_", 4) == 0)
            return false; // they may differ in a number of the model alone
        stage->body = body->name;
        tell(faulty, "body %s", stage->body);
        return true;
    default: {
        stage = some_stage(faulty);
        const char **place = chance(faulty, 2) ? &stage->reads_from : &stage->writes_to;
        *place = plan->mailboxes[chance(faulty, plan->mailboxes_count)].name;
        tell(faulty, "%s %s", place == &stage->reads_from ? "reads from" : "writes to", *place);
        return true;
    }
    }
}

static bool count_wrongly(struct faulty *faulty) {
    static const struct field of_body[] = {
        FIELD(body, rows),         FIELD(body, columns),   FIELD(body, tile_rows),
        FIELD(body, unit_columns), FIELD(body, units),     FIELD(body, pass_tiles),
        FIELD(body, max_tiles),    FIELD(body, rope_dims), FIELD(body, splits)};
    static const struct field of_shape[] = {
        FIELD(shape, hidden),   FIELD(shape, layers),   FIELD(shape, vocab),  FIELD(shape, heads),
        FIELD(shape, kv_heads), FIELD(shape, head_dim), FIELD(shape, context)};
    static const struct field of_kv[] = {FIELD(kv, element_bytes), FIELD(kv, row_elements),
                                         FIELD(kv, block), FIELD(kv, split_positions)};
    static const struct field of_plan[] = {FIELD(plan, epochs_per_step),
                                           FIELD(plan, mailbox_pairs)};
    static const struct field of_machine[] = {FIELD(machine, cus), FIELD(machine, wave_lanes),
                                              FIELD(machine, streaming_waves),
                                              FIELD(machine, workgroup_threads)};
    struct plan_plan *plan = &faulty->plan;
    struct plan_write *write;
    struct plan_body *body;
    switch (chance(faulty, 9)) {
    case 0:
    case 1:
        body = some_body(faulty);
        CHANGE_FIELD(faulty, body, of_body, 200);
        return true;
    case 2:
        tell(faulty, "shape: ");
        CHANGE_FIELD(faulty, &plan->shape, of_shape, 200);
        return true;
    case 3:
        tell(faulty, "KV: ");
        CHANGE_FIELD(faulty, &plan->kv, of_kv, 200);
        return true;
    case 4:
        CHANGE_FIELD(faulty, plan, of_plan, plan->mailbox_pairs);
        return true;
    case 5:
        tell(faulty, "machine: ");
        CHANGE_FIELD(faulty, &plan->machine, of_machine, 64);
        return true;
    case 6:
        change(faulty, "pairs of a mailbox",
               &plan->mailboxes[chance(faulty, plan->mailboxes_count)].pairs, plan->mailbox_pairs);
        return true;
    case 7: {
        int64_t *const places[] = {&plan->weight_bytes, &plan->vector_bytes, &plan->kv.bytes};
        change_long(faulty, "bytes", places[chance(faulty, 3)], plan->weight_bytes);
        return true;
    }
    default:
        body = some_body(faulty);
        if (body->writes_count == 0)
            return false;
        write = &body->writes[chance(faulty, body->writes_count)];
        change(faulty, "per_cu", &write->per_cu, 4);
        return true;
    }
}

static bool change_the_order(struct faulty *faulty) {
    struct plan_plan *plan = &faulty->plan;
    struct plan_stage *stage = some_stage(faulty);
    switch (chance(faulty, 3)) {
    case 0:
        change(faulty, "write_epoch", &stage->write_epoch, plan->epochs_per_step);
        return true;
    case 1:
        change(faulty, "layer", &stage->layer, plan->shape.layers);
        return true;
    default: {
        struct plan_stage *other = &plan->stages[chance(faulty, plan->stages_count)];
        const struct plan_stage kept = *stage;
        if (stage == other)
            return false;
        tell(faulty, "swapped with stage %d (%s)", other->step, other->body);
        const int step = stage->step;
        *stage = *other;
        stage->step = step;
        const int other_step = other->step;
        *other = kept;
        other->step = other_step;
        return true;
    }
    }
}

static bool leave_something_out(struct faulty *faulty) {
    struct plan_plan *plan = &faulty->plan;
    struct plan_stage *stage = some_stage(faulty);
    struct plan_body *body = some_body(faulty);
    static const char *const words[] = {"head", "all", "none"};
    static const char *const inputs[] = {"mailbox", "residual", "none"};
    static const char *const epilogues[] = {"rows", "gate", "residual", "logits", "none"};
    const char *before;
    switch (chance(faulty, 8)) {
    case 0:
        tell(faulty, "a stage less");
        for (int s = stage->step; s + 1 < plan->stages_count; s++) {
            plan->stages[s] = plan->stages[s + 1];
            plan->stages[s].step = s;
        }
        plan->stages_count--;
        return true;
    case 1:
        if (stage->parts_count == 0)
            return false;
        stage->parts_count--;
        tell(faulty, "a part less");
        return true;
    case 2:
        plan->vectors_count--;
        tell(faulty, "a vector less");
        return plan->vectors_count >= 0;
    case 3:
        body->bias = !body->bias;
        tell(faulty, "bias %d", body->bias);
        return true;
    case 4: {
        const char **norm = chance(faulty, 2) ? &body->q_norm : &body->k_norm;
        before = *norm;
        *norm = words[chance(faulty, 3)];
        tell(faulty, "norm %s", *norm);
        return strcmp(before, *norm) != 0;
    }
    case 5:
        before = body->input;
        body->input = inputs[chance(faulty, 3)];
        tell(faulty, "input %s", body->input);
        return strcmp(before, body->input) != 0;
    case 6:
        before = body->epilogue;
        body->epilogue = epilogues[chance(faulty, 5)];
        tell(faulty, "epilogue %s", body->epilogue);
        return strcmp(before, body->epilogue) != 0;
    default:
        if (body->writes_count == 0)
            return false;
        body->writes_count--;
        tell(faulty, "a write less");
        return true;
    }
}

const struct fault_kind fault_kinds[FAULT_KINDS] = {
    {"dropped wait", drop_a_wait},       {"overlapping buffer", overlap_buffers},
    {"wrong slice", take_a_wrong_slice}, {"wrong role", deal_wrong_roles},
    {"wrong count", count_wrongly},      {"wrong order", change_the_order},
    {"left out", leave_something_out},
};
bool fault_inject(const struct plan_plan *plan, int kind, uint32_t *random, struct arena *arena,
                  struct faulty *faulty) {
    *faulty = (struct faulty){.plan = plan_copied(plan, arena), .random = *random};
    const bool injected = fault_kinds[kind].inject(faulty);
    *random = faulty->random;
    return injected;
}
