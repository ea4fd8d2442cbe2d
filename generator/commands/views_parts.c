// Views of one part of the kernel: a line, a step, a CU.
#include "generator/commands/report.h"
#include "generator/commands/views.h"

#include <limits.h>
#include <string.h>

static const struct plan_stage *stage_of_step(const struct plan_plan *plan, int step) {
    for (int i = 0; i < plan->stages_count; i++)
        if (plan->stages[i].step == step)
            return &plan->stages[i];
    return NULL;
}

static int highest_step(const struct plan_plan *plan) {
    int highest = -1;
    for (int i = 0; i < plan->stages_count; i++)
        if (plan->stages[i].step > highest)
            highest = plan->stages[i].step;
    return highest;
}

// "qkv, layer 3"
static const char *stage_name(struct arena *arena, const struct plan_stage *stage) {
    return stage->layer >= 0 ? arena_format(arena, "%s, layer %d", stage->body, stage->layer)
                             : stage->body;
}

// ---- line ---------------------------------------------------------------------------------------

// The line without its indentation.
static const char *source_line(struct arena *arena, const char *source, int line) {
    for (int at = 1; at < line && *source; at++) {
        source += strcspn(source, "\n");
        source += *source == '\n';
    }
    source += strspn(source, " \t");
    return arena_bytes(arena, source, strcspn(source, "\n"));
}

static int count_lines(const char *source) {
    int lines = 0;
    for (; *source && lines < INT_MAX; lines++) {
        source += strcspn(source, "\n");
        source += *source == '\n';
    }
    return lines;
}

bool view_line(const struct artefacts *artefacts, const char *which, struct view_result *result) {
    struct arena *arena = artefacts->arena;
    struct plan_plan plan;
    struct line_map map = {0};
    int line = 0;
    const char *source = artefacts_text(artefacts, "3-kernel.hip");
    if (!source || !artefacts_map(artefacts, &map) || !artefacts_plan(artefacts, &plan) ||
        !view_number(artefacts, "line", which, 1, count_lines(source), &line))
        return false;
    struct value *table = result->value = value_table(arena);
    report_set_integer(arena, table, "line", line);
    report_set_text(arena, table, "text", source_line(arena, source, line));
    if ((size_t)line > map.count) {
        usage_error(artefacts->diagnostics, "line %d of the source has no origin", line);
        return diagnostic_note(artefacts->diagnostics,
                               "%s/3-kernel.map has %zu lines: the source was edited",
                               artefacts->folder, map.count);
    }
    const struct line_origin *origin = &map.origins[line - 1];
    const struct plan_stage *stage = stage_of_step(&plan, origin->step);
    report_set_text(arena, table, "template",
                    arena_format(arena, "%s:%d", origin->template_file, origin->template_line));
    if (origin->step >= 0)
        report_set_integer(arena, table, "step", origin->step);
    if (stage)
        report_set_text(arena, table, "stage", stage_name(arena, stage));
    if (origin->spec_file)
        report_set_text(arena, table, "spec",
                        arena_format(arena, "%s:%d", origin->spec_file, origin->spec_line));
    return true;
}

// ---- step ---------------------------------------------------------------------------------------

// "412-431 440": the emitted lines of a step.
static const char *lines_of_step(struct arena *arena, const struct line_map *map, int step) {
    struct text text = {0};
    for (size_t i = 0; i < map->count; i++) {
        if (map->origins[i].step != step)
            continue;
        size_t last = i;
        while (last + 1 < map->count && map->origins[last + 1].step == step)
            last++;
        text_format(&text, last > i ? "%s%zu-%zu" : "%s%zu", text.length ? " " : "", i + 1,
                    last + 1);
        i = last;
    }
    const char *copy = arena_string(arena, text.bytes ? text.bytes : "");
    text_close(&text);
    return copy;
}

static struct value *span_value(struct arena *arena, const struct plan_span *span) {
    struct value *row = value_table(arena);
    report_set_integer(arena, row, "first", span->first);
    report_set_integer(arena, row, "tile_stride", span->stride);
    report_set_integer(arena, row, "tiles_alike", span->repeat);
    report_set_integer(arena, row, "chunks", span->chunks);
    report_set_integer(arena, row, "count", span->count);
    return row;
}

static struct value *reads_value(struct arena *arena, const struct plan_body *body) {
    struct value *list = value_list(arena);
    for (int i = 0; i < body->reads_count; i++) {
        struct value *row = span_value(arena, &body->reads[i].span);
        report_set_text(arena, row, "kind", body->reads[i].kind);
        report_set_text(arena, row, "scope", body->reads[i].scope);
        value_list_add(arena, list, row);
    }
    return list;
}

static struct value *writes_value(struct arena *arena, const struct plan_body *body) {
    struct value *list = value_list(arena);
    for (int i = 0; i < body->writes_count; i++) {
        struct value *row = span_value(arena, &body->writes[i].span);
        report_set_integer(arena, row, "per_cu", body->writes[i].per_cu);
        value_list_add(arena, list, row);
    }
    return list;
}

static struct value *parts_value(struct arena *arena, const struct plan_stage *stage) {
    struct value *list = value_list(arena);
    for (int i = 0; i < stage->parts_count; i++) {
        struct value *row = value_table(arena);
        report_set_text(arena, row, "tensor", stage->parts[i].tensor);
        report_set_integer(arena, row, "rows", stage->parts[i].rows);
        report_set_integer(arena, row, "first_row", stage->parts[i].first);
        report_set_integer(arena, row, "stride", stage->parts[i].stride);
        value_list_add(arena, list, row);
    }
    return list;
}

static void describe_body(struct arena *arena, struct value *table, const struct plan_body *body) {
    report_set_text(arena, table, "computes", body->summary);
    report_set_text(arena, table, "op", body->op);
    report_set_text(arena, table, "prologue", body->prologue);
    report_set_text(arena, table, "epilogue", body->epilogue);
    report_set_text(arena, table, "partition", body->partition);
    report_set_integer(arena, table, "rows", body->rows);
    report_set_integer(arena, table, "columns", body->columns);
    report_set_integer(arena, table, "tile_rows", body->tile_rows);
    value_table_set(arena, table, "reads", reads_value(arena, body));
    value_table_set(arena, table, "writes", writes_value(arena, body));
}

bool view_step(const struct artefacts *artefacts, const char *which, struct view_result *result) {
    struct arena *arena = artefacts->arena;
    struct plan_plan plan;
    struct line_map map = {0};
    int step = 0;
    if (!artefacts_plan(artefacts, &plan) || !artefacts_map(artefacts, &map) ||
        !view_number(artefacts, "step", which, 0, highest_step(&plan), &step))
        return false;
    const struct plan_stage *stage = stage_of_step(&plan, step);
    const struct plan_body *body = stage ? plan_body_named(&plan, stage->body) : NULL;
    if (!body)
        return diagnostic_add(artefacts->diagnostics, DIAGNOSTIC_USER,
                              (struct location){.file = artefacts->folder},
                              "the plan has no stage with a body for step %d", step);
    struct value *table = result->value = value_table(arena);
    report_set_integer(arena, table, "step", step);
    report_set_text(arena, table, "stage", stage_name(arena, stage));
    describe_body(arena, table, body);
    if (stage->reads_from)
        report_set_text(arena, table, "reads_from", stage->reads_from);
    report_set_integer(arena, table, "read_epoch", stage->read_epoch);
    if (stage->writes_to)
        report_set_text(arena, table, "writes_to", stage->writes_to);
    report_set_integer(arena, table, "write_epoch", stage->write_epoch);
    value_table_set(arena, table, "tensors", parts_value(arena, stage));
    report_set_integer(arena, table, "weight_bytes", stage->weight_bytes);
    value_table_set(arena, table, "predicted_us_low", value_number(arena, stage->predicted_us_low));
    value_table_set(arena, table, "predicted_us_high",
                    value_number(arena, stage->predicted_us_high));
    if (stage->spec_file)
        report_set_text(arena, table, "spec",
                        arena_format(arena, "%s:%d", stage->spec_file, stage->spec_line));
    report_set_text(arena, table, "emitted_lines", lines_of_step(arena, &map, step));
    return true;
}

// ---- CU -----------------------------------------------------------------------------------------

// Weight bytes that the CU streams from the stages of one partition for each token.
static int64_t bytes_of(const struct plan_plan *plan, const struct plan_partition *partition,
                        int cu) {
    int64_t bytes = 0;
    for (int i = 0; i < plan->stages_count; i++) {
        const struct plan_body *body = plan_body_named(plan, plan->stages[i].body);
        if (body && plan->stages[i].region && body->partition &&
            strcmp(body->partition, partition->name) == 0)
            bytes += plan_tiles_of(partition, cu) * plan_tile_bytes(plan, body);
    }
    return bytes;
}

static struct value *partitions_value(struct arena *arena, const struct plan_plan *plan, int cu) {
    struct value *list = value_list(arena);
    for (int i = 0; i < plan->partitions_count; i++) {
        const struct plan_partition *partition = &plan->partitions[i];
        if (partition->first_tile_count <= cu + 1)
            continue; // an edited plan; the checker refuses it
        struct value *row = value_table(arena);
        report_set_text(arena, row, "partition", partition->name);
        report_set_integer(arena, row, "first_tile", partition->first_tile[cu]);
        report_set_integer(arena, row, "tiles", plan_tiles_of(partition, cu));
        report_set_integer(arena, row, "of", partition->tiles);
        report_set_integer(arena, row, "bytes_per_token", bytes_of(plan, partition, cu));
        value_list_add(arena, list, row);
    }
    return list;
}

bool view_cu(const struct artefacts *artefacts, const char *which, struct view_result *result) {
    struct arena *arena = artefacts->arena;
    struct plan_plan plan;
    int cu = 0;
    if (!artefacts_plan(artefacts, &plan) ||
        !view_number(artefacts, "cu", which, 0, plan.machine.cus - 1, &cu))
        return false;
    struct value *table = result->value = value_table(arena);
    report_set_integer(arena, table, "cu", cu);
    for (int i = 0; i < plan.machine.xcds_count; i++) {
        const struct plan_xcd *xcd = &plan.machine.xcds[i];
        if (cu < xcd->first_cu || cu >= xcd->first_cu + xcd->cus)
            continue;
        report_set_integer(arena, table, "xcd", xcd->xcd);
        report_set_integer(arena, table, "iod", xcd->iod);
        report_set_integer(arena, table, "role_in_xcd", cu - xcd->first_cu);
    }
    struct value *partitions = partitions_value(arena, &plan, cu);
    int64_t bytes = 0;
    for (size_t i = 0; i < partitions->list.count; i++)
        bytes += value_get(partitions->list.items[i], "bytes_per_token")->integer;
    value_table_set(arena, table, "partitions", partitions);
    report_set_integer(arena, table, "weight_bytes_per_token", bytes);
    return true;
}
