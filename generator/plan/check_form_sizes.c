// Rule `form`, second part: sizes are positive and small enough, partitions are partitions.
#include "generator/plan/access.h"
#include "generator/plan/check_rules.h"

#include <string.h>

static void want_between(struct checking *checking, const char *what, int64_t value, int64_t least,
                         int64_t most) {
    if (value < least || value > most)
        violation(checking, "%s is %lld, must be %lld to %lld", what, (long long)value,
                  (long long)least, (long long)most);
}

static void check_shape(struct checking *checking) {
    const struct plan_shape *shape = &checking->plan->shape;
    want_between(checking, "shape.hidden", shape->hidden, 1, CHECK_MAX_INT);
    want_between(checking, "shape.layers", shape->layers, 1, CHECK_MAX_STAGES);
    want_between(checking, "shape.vocab", shape->vocab, 1, CHECK_MAX_INT);
    want_between(checking, "shape.context", shape->context, 1, CHECK_MAX_INT);
    want_between(checking, "shape.kv_heads", shape->kv_heads, 1, CHECK_MAX_INT);
    want_between(checking, "shape.heads", shape->heads, shape->kv_heads, CHECK_MAX_INT);
    want_between(checking, "shape.head_dim", shape->head_dim, 2, CHECK_MAX_INT);
    want_between(checking, "shape.heads * shape.head_dim", (int64_t)shape->heads * shape->head_dim,
                 2, CHECK_MAX_INT);
    // Emitted as %.9g with an f: a whole number would be no literal.
    if (!(shape->norm_eps > 0 && shape->norm_eps < 1))
        violation(checking, "shape.norm_eps is %g, must be above 0 and below 1", shape->norm_eps);
    for (int i = 0; i < shape->bos_count; i++)
        want_between(checking, "a token of shape.bos", shape->bos[i], 0, shape->vocab - 1);
    for (int i = 0; i < shape->eos_count; i++)
        want_between(checking, "a token of shape.eos", shape->eos[i], 0, shape->vocab - 1);
}

static void check_partition(struct checking *checking, const struct plan_partition *partition) {
    const int cus = checking->plan->machine.cus;
    if (partition->first_tile_count != cus + 1) {
        violation(checking, "partition %.48s: first_tile has %d entries, %d CUs need %d",
                  partition->name, partition->first_tile_count, cus, cus + 1);
        return;
    }
    const int *first = partition->first_tile;
    if (partition->tiles < 1 || first[0] != 0 || first[cus] != partition->tiles)
        violation(checking, "partition %.48s: first_tile goes from %d to %d, must go from 0 to %d",
                  partition->name, first[0], first[cus], partition->tiles);
    for (int cu = 0; cu < cus; cu++)
        if (first[cu] > first[cu + 1]) {
            violation(checking, "partition %.48s: CU %d starts at tile %d, CU %d at %d",
                      partition->name, cu, first[cu], cu + 1, first[cu + 1]);
            return;
        }
}

static void check_body(struct checking *checking, const struct plan_body *body) {
    if (body->rows < 1 || body->tile_rows < 1 || body->max_tiles < 1 || body->pass_tiles < 1 ||
        body->units > CHECK_MAX_UNITS)
        violation(checking,
                  "body %.48s: rows %d, tile_rows %d, max_tiles %d and pass_tiles %d must be "
                  "positive, units %d at most %d",
                  body->name, body->rows, body->tile_rows, body->max_tiles, body->pass_tiles,
                  body->units, CHECK_MAX_UNITS);
    if (strcmp(body->op, "linear") == 0 &&
        (body->columns < 1 || body->units < 1 || body->unit_columns < 1))
        violation(checking, "body %.48s: columns %d, units %d and unit_columns %d must be positive",
                  body->name, body->columns, body->units, body->unit_columns);
    if (body->splits < 1 || body->splits > 64)
        violation(checking, "body %.48s: %d splits, must be 1 to 64", body->name, body->splits);
}

// Spans are walked element by element, so that they must not be many. tiles: that have elements of
// their own.
static void check_span(struct checking *checking, const char *what, const struct plan_body *body,
                       const struct plan_span *span, int tiles) {
    enum { MOST_ELEMENTS = 1 << 26 };
    if (span->repeat < 1 || span->chunks < 1 || span->end > CHECK_MAX_PAIRS)
        violation(checking, "body %.48s: a %s with repeat %d, chunks %d and end %d", body->name,
                  what, span->repeat, span->chunks, span->end);
    else if ((int64_t)span->chunks * (span->count + 1LL) > MOST_ELEMENTS / (tiles > 0 ? tiles : 1))
        violation(checking, "body %.48s: a %s of %d tiles with %d elements each, %d times",
                  body->name, what, tiles, span->count, span->chunks);
}

static void check_spans(struct checking *checking, const struct plan_body *body) {
    const struct plan_partition *partition = plan_partition_named(checking->plan, body->partition);
    const int tiles = partition ? partition->tiles : 1;
    bool common = true; // all tiles read the same, which is walked once
    for (int i = 0; i < body->reads_count; i++)
        common = common && access_is_common(&body->reads[i].span);
    for (int i = 0; i < body->reads_count; i++)
        check_span(checking, "read", body, &body->reads[i].span, common ? 1 : tiles);
    for (int i = 0; i < body->writes_count; i++)
        check_span(checking, "write", body, &body->writes[i].span, tiles);
}

static void check_mailboxes(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    int64_t most = 1;
    want_between(checking, "mailbox_pairs", plan->mailbox_pairs, 1, CHECK_MAX_PAIRS);
    for (int i = 0; i < plan->mailboxes_count; i++) {
        const struct plan_mailbox *mailbox = &plan->mailboxes[i];
        if (mailbox->pairs < 1 || mailbox->pairs > plan->mailbox_pairs)
            violation(checking, "mailbox %.48s has %d pairs, must have 1 to %d", mailbox->name,
                      mailbox->pairs, plan->mailbox_pairs);
        most = mailbox->pairs > most ? mailbox->pairs : most;
    }
    want_between(checking, "bodies times pairs of the largest mailbox", plan->bodies_count * most,
                 0, 4LL * CHECK_MAX_PAIRS);
}

// What the runtime reads in the manifest; all of it or nothing.
static void check_chip(struct checking *checking) {
    const struct plan_chip *chip = &checking->plan->machine.chip;
    if (chip->simds_per_cu == 0)
        return;
    const struct {
        const char *name;
        int value, least, most;
    } numbers[] = {
        {"machine.chip.iod_of_xcd", chip->iod_of_xcd_count, 1, 32},
        {"machine.chip.cus_per_xcd", chip->cus_per_xcd, 1, CHECK_MAX_CUS},
        {"machine.chip.simds_per_cu", chip->simds_per_cu, 1, 64},
        {"machine.chip.cache_line_bytes", chip->cache_line_bytes, 16, 4096},
        {"machine.chip.l1_ways", chip->l1_ways, 1, 4096},
        {"machine.chip.l1_bytes", chip->l1_bytes, chip->l1_ways, 1 << 26},
        {"machine.chip.l2_ways", chip->l2_ways, 1, 4096},
        {"machine.chip.l2_bytes", chip->l2_bytes, chip->l2_ways, 1 << 30},
        {"machine.chip.clock_mhz", chip->clock_mhz, 1, 100000},
        {"machine.chip.realtime_mhz", chip->realtime_mhz, 1, 100000},
        {"machine.chip.handoff_ns", chip->handoff_ns, 1, 1000000000},
        {"machine.registers_per_lane", checking->plan->machine.registers_per_lane, 1, 65536},
        {"machine.register_granule", checking->plan->machine.register_granule, 1, 1024},
        {"machine.waves_per_simd_max", checking->plan->machine.waves_per_simd_max, 1, 128}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        want_between(checking, numbers[i].name, numbers[i].value, numbers[i].least,
                     numbers[i].most);
    for (int i = 0; i < chip->iod_of_xcd_count; i++)
        want_between(checking, "IOD of an XCD", chip->iod_of_xcd[i], 0, 31);
}

void form_sizes(struct checking *checking) {
    const struct plan_plan *plan = checking->plan;
    want_between(checking, "format", plan->format, 1, 1);
    check_shape(checking);
    want_between(checking, "machine.cus", plan->machine.cus, 1, CHECK_MAX_CUS);
    want_between(checking, "machine.wave_lanes", plan->machine.wave_lanes, 1, 64);
    want_between(checking, "machine.streaming_waves", plan->machine.streaming_waves, 1, 32);
    // 0: the first of those that stream hands off, too.
    want_between(checking, "machine.handoff_waves", plan->machine.handoff_waves, 0, 16);
    want_between(checking, "epochs_per_step", plan->epochs_per_step, 1, CHECK_MAX_STAGES);
    want_between(checking, "number of stages", plan->stages_count, 1, CHECK_MAX_STAGES);
    want_between(checking, "number of XCDs", plan->machine.xcds_count, 1, 32);
    check_chip(checking);
    for (int i = 0; i < plan->partitions_count; i++)
        check_partition(checking, &plan->partitions[i]);
    for (int b = 0; b < plan->bodies_count; b++) {
        check_body(checking, &plan->bodies[b]);
        check_spans(checking, &plan->bodies[b]);
    }
    check_mailboxes(checking);
}
