#include "generator/commands/intermediate.h"

#include "generator/commands/report.h"
#include "generator/plan/access.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool intermediate_open(const struct plan_plan *plan, const struct model *model,
                       struct monogen *kernel, double bound, struct intermediate *intermediate,
                       struct monogen_error *error) {
    *intermediate = (struct intermediate){
        .plan = plan, .model = model, .bound = bound, .pair_count = monogen_handoffs_count(kernel)};
    intermediate->pairs = calloc(intermediate->pair_count, sizeof *intermediate->pairs);
    return intermediate->pairs || monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
}

void intermediate_close(struct intermediate *intermediate) {
    free(intermediate->pairs);
    *intermediate = (struct intermediate){0};
}

// The values of an edge as its stage published them.
struct published {
    const uint64_t *pairs; // [elements]
    uint32_t epoch;        // that they must carry
    int stage;
    const struct plan_edge *edge;
};

static float value_of(uint64_t pair) {
    const uint32_t bits = (uint32_t)pair;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The CU that publishes element `element` of a stage; -1: none does.
static int cu_of(const struct plan_plan *plan, const struct plan_body *body, int element) {
    const struct plan_partition *partition = plan_partition_named(plan, body->partition);
    for (int cu = 0; cu < plan->machine.cus; cu++)
        for (int tile = partition->first_tile[cu]; tile < partition->first_tile[cu + 1]; tile++)
            for (int w = 0; w < body->writes_count; w++) {
                const struct element_range range = access_range(&body->writes[w].span, tile, 0);
                if (element >= range.first && element < range.first + range.count)
                    return cu;
            }
    return -1;
}

static bool differs(const struct intermediate *intermediate, const struct published *published,
                    int row, uint32_t position, const char *how, struct diagnostics *diagnostics) {
    const struct plan_stage *stage = &intermediate->plan->stages[published->stage];
    const struct node *node = &intermediate->model->nodes[published->edge->node];
    const int element = published->edge->first + row;
    diagnostic_add(
        diagnostics, DIAGNOSTIC_USER, (struct location){0},
        "position %u, step %d (%s, layer %d), CU %d, row %d of n%d = %s: %s", position, stage->step,
        stage->body, stage->layer,
        cu_of(intermediate->plan, plan_body_named(intermediate->plan, stage->body), element), row,
        published->edge->node, op_name(node->op), how);
    return diagnostic_note(diagnostics, "made by %s:%d", node->file, node->line);
}

// Names the first row that is further off than the bound allows for the value as a whole.
static bool report_error(const struct intermediate *intermediate, const struct published *published,
                         const float *wanted, double relative_rmse, uint32_t position,
                         struct diagnostics *diagnostics) {
    const int elements = published->edge->elements;
    double squares = 0;
    for (int i = 0; i < elements; i++)
        squares += (double)wanted[i] * (double)wanted[i];
    const double allowed = intermediate->bound * sqrt(squares / elements);
    int row = 0; // !(a <= b) is true of NaN too
    while (row + 1 < elements &&
           fabs((double)value_of(published->pairs[row]) - (double)wanted[row]) <= allowed)
        row++;
    char how[160];
    snprintf(how, sizeof how, "%.9g, the reference has %.9g; relative RMSE of the value %.3g",
             (double)value_of(published->pairs[row]), (double)wanted[row], relative_rmse);
    return differs(intermediate, published, row, position, how, diagnostics);
}

static bool compare_edge(struct intermediate *intermediate, const struct published *published,
                         const float *wanted, uint32_t position, struct diagnostics *diagnostics) {
    double errors = 0, squares = 0;
    for (int i = 0; i < published->edge->elements; i++) {
        if (published->pairs[i] >> 32 != published->epoch)
            return differs(intermediate, published, i, position, "nobody published it",
                           diagnostics);
        const double error = (double)value_of(published->pairs[i]) - (double)wanted[i];
        errors += error * error;
        squares += (double)wanted[i] * (double)wanted[i];
    }
    const double relative_rmse = errors == 0 ? 0 : sqrt(errors / squares);
    intermediate->values++;
    if (!(relative_rmse <= intermediate->worst)) {
        intermediate->worst = relative_rmse;
        intermediate->worst_stage = published->stage;
    }
    return relative_rmse <= intermediate->bound ||
           report_error(intermediate, published, wanted, relative_rmse, position, diagnostics);
}

bool intermediate_compare(struct intermediate *intermediate, struct monogen *kernel,
                          const struct reference *reference, uint32_t token, uint32_t position,
                          struct diagnostics *diagnostics) {
    const struct plan_plan *plan = intermediate->plan;
    struct monogen_error error = {0};
    uint32_t epoch_base = 0;
    float *logits = calloc(monogen_vocab(kernel), sizeof *logits);
    const bool ran = logits && monogen_logits_at(kernel, token, position, logits, &error) &&
                     monogen_handoffs(kernel, intermediate->pairs, &epoch_base, &error);
    if (!ran) {
        free(logits);
        return logits ? report_runtime_error(&error, diagnostics)
                      : environment_error(diagnostics, "out of memory for the logits");
    }
    free(logits);
    for (int s = 0; s < plan->stages_count; s++) {
        const struct plan_stage *stage = &plan->stages[s];
        for (int e = 0; e < stage->edges_count; e++) {
            const struct plan_edge *edge = &stage->edges[e];
            const struct plan_mailbox *mailbox = plan_mailbox_named(plan, stage->writes_to);
            const struct published published = {.pairs = intermediate->pairs + mailbox->first_pair +
                                                         edge->first,
                                                .epoch = epoch_base + (uint32_t)stage->write_epoch,
                                                .stage = s,
                                                .edge = edge};
            if (!compare_edge(intermediate, &published, reference_value(reference, edge->node),
                              position, diagnostics))
                return false;
        }
    }
    return true;
}
