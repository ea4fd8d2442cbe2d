// A trace in a few lines: where CUs spend a position, and what it has to wait for.
#include "generator/base/statistics.h"
#include "generator/trace/trace.h"

#include <stdlib.h>
#include <string.h>

// Of one body, or of all.
struct row {
    const char *name;
    int times;                             // in a position
    double wait_us, stream_us, compute_us; // medians of all CUs; gathering is waiting
    double transit_us;                     // of waiting: all had been published
    double late_us;                        // of streaming: weights had not come
    double path_us[TRACE_KINDS];
    int handoffs; // on the path
};

struct summary {
    const struct trace *trace;
    struct row *rows; // [bodies], and their sum
    int count;        // of bodies
    bool has_late;    // weights come through a ring, so that it can be told
};

// Sums of one CU over the position.
struct sums {
    double wait_us, stream_us, compute_us, transit_us, late_us;
};

static void add_log(const struct trace *trace, int cu, struct sums *sums) {
    const struct plan_plan *plan = trace->plan;
    for (int log = 0; log < trace->logs_per_cu; log++) {
        const struct trace_log *spans = trace_log_of(trace, cu, log);
        for (int i = 0; i < spans->count; i++) {
            const struct trace_span *span = &spans->spans[i];
            const struct plan_body *body = plan_body_named(plan, plan->stages[span->step].body);
            struct sums *to = &sums[body - plan->bodies];
            const double us = span->to_us - span->from_us;
            to->transit_us += span->transit_us;
            if (log == 1)
                to->late_us += span->kind == TRACE_STREAM ? span->late_us : 0;
            else if (span->kind == TRACE_STREAM)
                to->stream_us += us;
            else if (span->kind == TRACE_COMPUTE)
                to->compute_us += us;
            else
                to->wait_us += us;
        }
    }
}

static double median_of(const struct sums *sums, int bodies, int cus, size_t offset,
                        struct arena *arena) {
    double *values = arena_array(arena, (size_t)cus, sizeof *values);
    for (int cu = 0; cu < cus; cu++)
        memcpy(&values[cu], (const char *)&sums[cu * bodies] + offset, sizeof *values);
    return statistics_of(values, (size_t)cus).median;
}

static void add_path(struct summary *summary, const struct trace_path *path) {
    const struct plan_plan *plan = summary->trace->plan;
    for (int i = 0; i < path->count; i++) {
        const struct trace_hop *hop = &path->hops[i];
        const struct plan_body *body = plan_body_named(plan, plan->stages[hop->step].body);
        struct row *row = &summary->rows[body - plan->bodies];
        row->path_us[hop->kind] += hop->to_us - hop->from_us;
        row->handoffs += hop->kind == TRACE_HANDOFF;
    }
}

static void add_total(struct summary *summary) {
    struct row *total = &summary->rows[summary->count];
    total->name = "all";
    for (int b = 0; b < summary->count; b++) {
        const struct row *row = &summary->rows[b];
        total->times += row->times;
        total->wait_us += row->wait_us;
        total->stream_us += row->stream_us;
        total->compute_us += row->compute_us;
        total->transit_us += row->transit_us;
        total->late_us += row->late_us;
        total->handoffs += row->handoffs;
        for (int kind = 0; kind < TRACE_KINDS; kind++)
            total->path_us[kind] += row->path_us[kind];
    }
}

static struct summary summarise(const struct trace *trace, const struct trace_path *path,
                                struct arena *arena) {
    const struct plan_plan *plan = trace->plan;
    const int bodies = plan->bodies_count, cus = plan->machine.cus;
    struct summary summary = {.trace = trace, .count = bodies};
    summary.rows = arena_array(arena, (size_t)bodies + 1, sizeof *summary.rows);
    summary.has_late = trace->logs_per_cu > 1 && plan->engine.copy_bytes > 0;
    struct sums *sums = arena_array(arena, (size_t)(cus * bodies), sizeof *sums);
    for (int cu = 0; cu < cus; cu++)
        add_log(trace, cu, &sums[cu * bodies]);
    for (int b = 0; b < bodies; b++)
        summary.rows[b] = (struct row){
            .name = plan->bodies[b].name,
            .wait_us = median_of(sums + b, bodies, cus, offsetof(struct sums, wait_us), arena),
            .stream_us = median_of(sums + b, bodies, cus, offsetof(struct sums, stream_us), arena),
            .compute_us =
                median_of(sums + b, bodies, cus, offsetof(struct sums, compute_us), arena),
            .transit_us =
                median_of(sums + b, bodies, cus, offsetof(struct sums, transit_us), arena),
            .late_us = median_of(sums + b, bodies, cus, offsetof(struct sums, late_us), arena),
        };
    for (int s = 0; s < plan->stages_count; s++)
        summary.rows[plan_body_named(plan, plan->stages[s].body) - plan->bodies].times++;
    add_path(&summary, path);
    add_total(&summary);
    return summary;
}

// For values that were on their way, or there but not seen yet.
static double path_wait_us(const struct row *row) {
    return row->path_us[TRACE_HANDOFF] + row->path_us[TRACE_WAIT] + row->path_us[TRACE_GATHER];
}

static double path_us(const struct row *row) {
    return path_wait_us(row) + row->path_us[TRACE_STREAM] + row->path_us[TRACE_COMPUTE];
}

// ---- text
static void print_row(const struct summary *summary, const struct row *row, struct text *out) {
    text_format(out, "%-17s %5d %9.1f %9.1f %9.1f", row->name, row->times, row->wait_us,
                row->transit_us, row->stream_us);
    if (summary->has_late)
        text_format(out, " %9.1f", row->late_us);
    text_format(out, " %9.1f   %8d %9.1f %9.1f %9.1f %9.1f\n", row->compute_us, row->handoffs,
                path_us(row), path_wait_us(row), row->path_us[TRACE_STREAM],
                row->path_us[TRACE_COMPUTE]);
}

static int longer(const void *a, const void *b) {
    const struct trace_hop *x = *(const struct trace_hop *const *)a;
    const struct trace_hop *y = *(const struct trace_hop *const *)b;
    const double dx = x->to_us - x->from_us, dy = y->to_us - y->from_us;
    return (dx < dy) - (dx > dy);
}

static const char *stage_text(const struct plan_plan *plan, int step, struct arena *arena) {
    const struct plan_stage *stage = &plan->stages[step];
    return stage->layer < 0 ? stage->body
                            : arena_format(arena, "%s of layer %d", stage->body, stage->layer);
}

static void print_longest(const struct trace *trace, const struct trace_path *path,
                          struct arena *arena, struct text *out) {
    enum { SHOWN = 5 };
    const struct trace_hop **sorted = arena_array(arena, (size_t)path->count + 1, sizeof *sorted);
    size_t count = 0;
    for (int i = 0; i < path->count; i++)
        if (path->hops[i].kind == TRACE_HANDOFF)
            sorted[count++] = &path->hops[i];
    qsort(sorted, count, sizeof *sorted, longer);
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        const struct trace_hop *hop = sorted[i];
        text_format(out, "%s %6.1f us to %s on CU %d, from %s on CU %d\n",
                    i ? "                 " : "longest hand-offs", hop->to_us - hop->from_us,
                    stage_text(trace->plan, hop->step, arena), hop->cu,
                    stage_text(trace->plan, hop->from_step, arena), hop->from_cu);
    }
}

void trace_print_summary(const struct trace *trace, const struct trace_path *path,
                         struct text *out) {
    struct arena arena = {0};
    const struct summary summary = summarise(trace, path, &arena);
    text_format(out, "trace    the token at position %u took %.1f us on %d CUs\n", trace->position,
                trace->us, trace->plan->machine.cus);
    text_format(out, "%-23s us of a CU, the median%*s us of the critical path\n", "",
                summary.has_late ? 28 : 18, "");
    text_format(out,
                "stage             times   waiting   transit streaming%s computing   "
                "handoffs       all   waiting streaming computing\n",
                summary.has_late ? "      late" : "");
    for (int b = 0; b <= summary.count; b++)
        print_row(&summary, &summary.rows[b], out);
    print_longest(trace, path, &arena, out);
    arena_close(&arena);
}

// ---- a value
static void set_number(struct arena *arena, struct value *table, const char *name, double number) {
    value_table_set(arena, table, name, value_number(arena, number));
}

static struct value *row_value(const struct summary *summary, const struct row *row,
                               struct arena *arena) {
    struct value *table = value_table(arena), *path = value_table(arena);
    value_table_set(arena, table, "name", value_string(arena, row->name));
    value_table_set(arena, table, "times_count", value_integer(arena, row->times));
    set_number(arena, table, "waiting_us_median", row->wait_us);
    set_number(arena, table, "in_transit_us_median", row->transit_us);
    set_number(arena, table, "streaming_us_median", row->stream_us);
    value_table_set(arena, table, "weights_late_us_median",
                    summary->has_late ? value_number(arena, row->late_us) : value_nil(arena));
    set_number(arena, table, "computing_us_median", row->compute_us);
    value_table_set(arena, path, "handoffs_count", value_integer(arena, row->handoffs));
    set_number(arena, path, "handoffs_us", row->path_us[TRACE_HANDOFF]);
    set_number(arena, path, "path_us", path_us(row));
    set_number(arena, path, "waiting_us", path_wait_us(row));
    set_number(arena, path, "streaming_us", row->path_us[TRACE_STREAM]);
    set_number(arena, path, "computing_us", row->path_us[TRACE_COMPUTE]);
    value_table_set(arena, table, "critical_path", path);
    return table;
}

struct value *trace_summary_value(const struct trace *trace, const struct trace_path *path,
                                  struct arena *arena) {
    const struct summary summary = summarise(trace, path, arena);
    struct value *table = value_table(arena), *stages = value_list(arena);
    value_table_set(arena, table, "position_number", value_integer(arena, trace->position));
    set_number(arena, table, "position_us", trace->us);
    for (int b = 0; b <= summary.count; b++)
        value_list_add(arena, stages, row_value(&summary, &summary.rows[b], arena));
    value_table_set(arena, table, "stages", stages);
    return table;
}
